"""Programs for the official package run here; `make real-clients` compares their results with its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from langchain_parallel.simulator import Simulator, serve

from ..real_clients import official_package, official_web


@pytest.fixture(scope="module")
def programs() -> Iterator[official_package.Programs]:
    with serve(Simulator(latency_scale=0.0005)) as server:
        yield official_package.Programs(server.url)


@pytest.mark.parametrize("name", list(official_package.names()))
def test_a_program_for_the_official_package_runs(
    name: str, programs: official_package.Programs
) -> None:
    assert getattr(programs, name)() is not None


@pytest.fixture(scope="module")
def web_programs() -> Iterator[dict[str, Callable[[], object]]]:
    with serve(Simulator(latency_scale=0.0005)) as server:
        yield official_web.programs(server.url)


@pytest.mark.parametrize("name", list(official_web.programs("http://127.0.0.1:9")))
@pytest.mark.filterwarnings("ignore::langchain_parallel.errors.RequestWarning")
def test_a_search_for_the_official_package_runs(
    name: str, web_programs: dict[str, Callable[[], object]]
) -> None:
    assert web_programs[name]()
