"""One simulator and one zygote for all tests here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from langchain_parallel.simulator import serve

from .conditions import account
from .lab import Lab, Zygote


@pytest.fixture(scope="session")
def lab(postgres_uri: Callable[[], str]) -> Iterator[Lab]:
    with serve(account()) as server, Zygote() as zygote:
        yield Lab(server, zygote, postgres_uri)
