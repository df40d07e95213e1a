"""One simulator, one zygote and one PostgreSQL server for all tests here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from langchain_parallel.simulator import Simulator, serve

from . import postgres
from .lab import Lab, Zygote
from .matrix import SPEED


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[Callable[[], str]]:
    """Starts the server when first asked; pytest-xdist's workers share it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = Path(tempfile.gettempdir()) / f"crash-pg-{run[:12]}"
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(postgres.running(folder)))


@pytest.fixture(scope="session")
def lab(postgres_uri: Callable[[], str]) -> Iterator[Lab]:
    with serve(Simulator(latency_scale=SPEED)) as server, Zygote() as zygote:
        yield Lab(server, zygote, postgres_uri)
