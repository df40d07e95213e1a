"""Fixtures for all tests: no real key, no real API, no tracing."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import certifi
import pytest
from hypothesis import settings

from langchain_parallel.simulator import RunningServer

from . import cut

pytest_plugins = ["langchain_parallel.simulator.fixtures", "pytester"]

_END = "-----END CERTIFICATE-----\n"

# For good, not per test: a fixture of wider scope must not see them either.
for name in list(os.environ):
    if name.startswith(("PARALLEL_", "LANGSMITH_", "LANGCHAIN_")):
        del os.environ[name]
os.environ["LANGSMITH_TRACING"] = "false"

# No test takes a lock of the user who runs the tests.
_locks = tempfile.TemporaryDirectory(prefix="tests-locks-")
os.environ["PARALLEL_LOCK_DIR"] = _locks.name

# No test speaks TLS, and yet each client on a socket reads all certificates there are, which takes longer
# than most tests do. Here, and in the processes that tests start, there is one.
_certificates = tempfile.NamedTemporaryFile("w", prefix="tests-ca-", suffix=".pem")  # noqa: SIM115
atexit.register(_certificates.close)
_certificates.write("".join(Path(certifi.where()).read_text().partition(_END)[:2]))
_certificates.flush()
os.environ["SSL_CERT_FILE"] = _certificates.name

# A slow machine is no failure; a failing example is printed so that it can be replayed. The same examples are
# tried each time, so a change is judged by what it changed; `--exhaustive` looks for new ones.
_OURS = settings(deadline=None, print_blob=True, derandomize=True)
settings.register_profile(cut.EXHAUSTIVE, _OURS, max_examples=200)
settings.register_profile(cut.QUICK, _OURS, max_examples=25)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="also what one case stands for otherwise"
    )
    parser.addoption("--rest", action="store_true", help="only what is left out otherwise")
    parser.addoption(
        "--part",
        type=cut.Part.of,
        default=cut.WHOLE,
        metavar="N/M",
        help="of M equal parts, the Nth",
    )


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # what is imported and collected stays; `pytest_collection_finish` enables it
    everything = config.option.exhaustive or config.option.rest
    if config.option.exhaustive:
        settings.register_profile(cut.EXHAUSTIVE, _OURS, max_examples=200, derandomize=False)
    settings.load_profile(cut.EXHAUSTIVE if everything else cut.QUICK)
    if sys.version_info < (3, 11):  # its asyncio leaves closed transports to the garbage collector
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `cut.py` says, unless it is asked for."""
    config.stash[cut.COLLECTED] = list(items)
    option, kept = config.option, {*items}
    if not option.exhaustive:
        kept = cut.rest(items) if option.rest else kept - cut.left_out(items)
    kept = {item for item in kept if option.part.has(item.nodeid)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


@pytest.fixture(autouse=True)
def _fresh_gates() -> Iterator[None]:
    """What one test's API said of its quota holds up no other test that has the same key."""
    yield
    if gates := sys.modules.get("langchain_parallel.client.send_gates"):
        gates._GATES.forget()


def pytest_collection_finish() -> None:
    """What has been imported and collected stays, so no collection of garbage need look at it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[Callable[[], str]]:
    """Starts a PostgreSQL server when first asked for its URI; pytest-xdist's workers share it, and each has
    a database of its own.
    """
    from . import postgres

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = Path(tempfile.gettempdir()) / f"tests-pg-{run[:12]}"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(postgres.running(folder, worker)))


@pytest.fixture
def simulated_api(
    simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Where README, docs and notebooks run: an empty folder, a simulator in the environment."""
    monkeypatch.setenv("PARALLEL_API_KEY", "simulated")
    monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url)
    monkeypatch.chdir(tmp_path)
    return simulator_server.url
