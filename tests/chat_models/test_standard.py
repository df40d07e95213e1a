"""The standard tests of `langchain-tests` for chat models, against the simulator's endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_parallel import ChatParallel
from langchain_parallel.simulator import RunningServer, RunScript

SERIALIZED = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_parallel", "chat_models", "ChatParallel"],
    "kwargs": {
        "api_key": {"lc": 1, "type": "secret", "id": ["PARALLEL_API_KEY"]},
        "model": "lite",
        "timeout": 60,
    },
    "name": "ChatParallel",
}
JOKE = RunScript(
    contains="Return the result", times=None, output={"content": {"setup": "a", "punchline": "b"}}
)
"""The simulator reads no question: what it answers to one that describes JSON is said here."""
IGNORED = pytest.mark.filterwarnings("ignore:Chat ignores:langchain_parallel.errors.RequestWarning")


@pytest.fixture
def snapshot() -> Callable[..., Any]:
    """In place of a plug-in's: what a model is written as."""
    return lambda **_: SERIALIZED


@pytest.fixture
def benchmark() -> Callable[[Callable[[], Any]], None]:
    """In place of a plug-in's, which would measure the real clock."""
    return lambda call: call()


@pytest.fixture
def vcr() -> None:
    """In place of a plug-in's; no test here records anything."""


class _Standard:
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatParallel

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"timeout": 60}  # the API ignores the others

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"api_key": "simulated"}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return False


@IGNORED
class TestUnit(_Standard, ChatModelUnitTests):
    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        env = {"PARALLEL_API_KEY": "from-the-environment"}
        return env, {}, {"api_key": "from-the-environment"}

    @pytest.mark.xfail(
        reason="`load(allowed_objects='all')` takes only classes of LangChain's own list"
    )
    def test_serdes(self, model: BaseChatModel, snapshot: Any) -> None:
        super().test_serdes(model, snapshot)


@IGNORED
class TestIntegration(_Standard, ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _server(self, simulator_server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PARALLEL_BASE_URL", simulator_server.url)
        simulator_server.simulator.scripts.add(JOKE)

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "base"
