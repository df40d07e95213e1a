from __future__ import annotations

from collections.abc import Iterator

import pytest

from langchain_parallel.simulator import RunningServer

from .both import KINDS, QUICK, Both, Kind, World


@pytest.fixture(params=KINDS)
def client_kind(request: pytest.FixtureRequest) -> Kind:
    value: Kind = request.param
    return value


@pytest.fixture
def world(client_kind: Kind) -> Iterator[World]:
    made = World(client_kind)
    yield made
    made.api.done()


@pytest.fixture
def socket_api(client_kind: Kind, simulator_server: RunningServer) -> Iterator[Both]:
    api = Both(client_kind, "key", simulator_server.url, retry_policy=QUICK)
    yield api
    api.done()


@pytest.fixture(params=["in process", "socket"])
def anywhere(request: pytest.FixtureRequest, client_kind: Kind) -> Iterator[Both]:
    """A client of a fresh account, by either way."""
    if request.param == "socket":
        yield request.getfixturevalue("socket_api")
        return
    made = World(client_kind)
    yield made.api
    made.api.done()
