"""For pytest: tests on what the API really said. Put this into the `conftest.py` beside your tests:

    pytest_plugins = ["langchain_parallel.testing.plugin"]

A test takes the fixture `recorded_client`. Its recording is `recordings/<name of the test>.jsonl` beside the
test's file, or what `@pytest.mark.recorded("file.jsonl")` names. `pytest --record` asks the API anew, with
the key and the address of the environment, and records what it says. Without that option a test costs
nothing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ..client import ParallelClient
from .recording import recording_client
from .replay import replayed_client


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--record`."""
    parser.getgroup("langchain-parallel").addoption(
        "--record",
        action="store_true",
        help="record what tests with `recorded_client` ask the API: PARALLEL_API_KEY pays for it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "recorded(file): which recording `recorded_client` replays, seen from the test's file",
    )


@pytest.fixture
def recorded_client(request: pytest.FixtureRequest) -> Iterator[ParallelClient]:
    """A client that replays the test's recording; with `--record`, one of the API that makes it."""
    path = _recording(request)
    if not request.config.getoption("--record"):
        if not path.exists():
            pytest.fail(
                f"There is no recording {path}. Make it: PARALLEL_API_KEY=… pytest --record", False
            )
        with replayed_client(path) as client:
            yield client
        return
    # The new one takes the place of the old one when the test is over: a killed one leaves both, and what
    # it has recorded is paid for.
    new = path.with_name(f"{path.name}.new")
    _keep(new)
    with recording_client(new) as client:
        yield client
    new.replace(path)


def _keep(new: Path) -> None:
    """Give what an ended process has recorded a name of its own, and say which."""
    if not new.exists():
        return
    names = (new.with_name(f"{new.name}.{number}") for number in count(1))
    kept = next(name for name in names if not name.exists())
    new.replace(kept)
    warnings.warn(
        f"An earlier recording did not come to its end. What it has is kept in {kept}: it can be replayed, "
        "and deleted.",
        stacklevel=2,
    )


def _recording(request: pytest.FixtureRequest) -> Path:
    marker = request.node.get_closest_marker("recorded")
    name = marker.args[0] if marker and marker.args else None
    if name is None:
        name = f"recordings/{re.sub(r'[^A-Za-z0-9_-]+', '-', request.node.name)}.jsonl"
    return Path(request.path.parent, name)
