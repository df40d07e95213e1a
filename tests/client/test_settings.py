from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from langchain_parallel import AsyncParallelClient, ParallelClient, errors
from langchain_parallel.simulator import RunningServer, Simulator, SimulatorTransport

from .both import Both, ask

CLIENTS = [ParallelClient, AsyncParallelClient]


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("key", [None, "", "  \n", SecretStr("")])
def test_without_a_key_it_says_where_to_get_one(make: Any, key: Any) -> None:
    with pytest.raises(errors.MissingKey) as caught:
        make(key)
    assert str(caught.value) == (
        "No Parallel API key was given. Set the environment variable PARALLEL_API_KEY, or pass "
        "`api_key=`; keys are made at https://platform.parallel.ai."
    )


def test_key_and_address_come_from_the_environment(
    client_kind: Any, simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARALLEL_API_KEY", " from-env\n")
    monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url + "/")
    api = Both(client_kind)
    assert api.create(ask()).active
    [entry] = simulator_server.simulator.requests
    assert entry.path == "/v1/tasks/runs"
    assert api.client._settings.api_key.get_secret_value() == "from-env"
    given = Both(client_kind, "given", "https://given.example")
    assert given.client._settings.api_key.get_secret_value() == "given"
    assert given.client._settings.base_url == "https://given.example"
    api.done()
    given.done()


def test_a_key_is_sent_as_it_is() -> None:
    sim = Simulator(api_keys={"right"})
    with ParallelClient(SecretStr("right\n"), transport=SimulatorTransport(sim)) as client:
        assert client.create_group().taskgroup_id
    with (
        ParallelClient("wrong", transport=SimulatorTransport(sim)) as client,
        pytest.raises(errors.AuthenticationFailed, match="Check PARALLEL_API_KEY or `api_key`"),
    ):
        client.create_group()


@pytest.mark.parametrize("key", ["käse-s3cret", "two\nlines-s3cret", "s3cret\x00"])
def test_a_key_that_no_header_may_hold_is_refused_and_not_shown(key: str) -> None:
    for make in CLIENTS:
        with pytest.raises(errors.InvalidRequest, match="no HTTP header may hold") as caught:
            make(key)
        assert "s3cret" not in f"{caught.value}{caught.value.__dict__}"


@pytest.mark.parametrize(
    "url",
    ["api.parallel.ai", "ftp://x", "https://", "http://[", "https://a b", "//x", "https://x/?s3cret", "https://x#y",
     "https://x:port"],
)  # fmt: skip
@pytest.mark.parametrize("make", CLIENTS)
def test_an_address_that_is_none_is_refused(make: Any, url: str) -> None:
    with pytest.raises(
        errors.InvalidRequest, match="is not the HTTP address of a server"
    ) as caught:
        make("key", url)
    assert "https://api.parallel.ai is the default" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_login_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(errors.InvalidRequest, match="pass an `http_client` of your own") as caught:
        ParallelClient("key", "https://me:s3cret@proxy.example")
    assert "s3cret" not in str(caught.value)


def test_httpx_objects_of_the_other_kind_are_refused() -> None:
    blocking, awaiting = httpx.Client(), httpx.AsyncClient()
    with pytest.raises(errors.InvalidRequest, match=r"AsyncClient is given; Client is needed"):
        ParallelClient("key", http_client=awaiting)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(errors.InvalidRequest, match=r"Client is given; AsyncClient is needed"):
        AsyncParallelClient("key", http_client=blocking)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(errors.InvalidRequest, match=r"HTTPTransport is given; AsyncBaseTransport"):
        AsyncParallelClient("key", transport=httpx.HTTPTransport())  # type: ignore[arg-type]  # what is tested
    with pytest.raises(errors.InvalidRequest, match="the transport belongs into your client"):
        ParallelClient("key", http_client=blocking, transport=httpx.HTTPTransport())
    blocking.close()


@pytest.mark.parametrize("kind", [ParallelClient, AsyncParallelClient])
def test_a_base_url_over_http_draws_a_warning(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="http://.*API key") as found:
        kind("key", "http://api.example")
    assert [Path(each.filename).name for each in found] == ["test_settings.py"]
    monkeypatch.setenv("PARALLEL_BASE_URL", "http://10.0.0.7:8000")
    with pytest.warns(UserWarning, match="https://"):
        kind("key")
    for url in ("http://localhost:8000", "http://127.0.0.1:1", "http://[::1]", "https://a.example"):
        kind("key", url)  # a warning would be an error
