"""One simulator and one zygote for all tests here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from langchain_parallel.simulator import Simulator, serve

from .lab import Lab, Zygote
from .matrix import SPEED


@pytest.fixture(scope="session")
def lab(postgres_uri: Callable[[], str]) -> Iterator[Lab]:
    with serve(Simulator(latency_scale=SPEED)) as server, Zygote() as zygote:
        yield Lab(server, zygote, postgres_uri)
