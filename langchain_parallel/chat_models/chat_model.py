"""`ChatParallel`: the Chat API as a chat model of LangChain.

Rule: a turn is sent at most once (`_core/chat_turn.py`), so nothing here repeats a call, and what the API
would ignore without a word is named.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, model_validator
from typing_extensions import Self, override

from .._core.calls import Calls, adrive, drive
from .._core.chat_request import IGNORED
from .._core.documented_rules import broken
from .._core.hidden import hide
from .._core.kinds import check_kinds
from .._core.limits import refuse_broken
from .._graph.callbacks import trace_cost
from .._graph.discreet_door import DiscreetDoor
from .._graph.web_clients import key_or_environment
from ..client import AsyncParallelClient, ParallelClient, RetryPolicy, client_pair
from ..client.chat_calls import CHAT_MODEL, CHAT_SECONDS
from ..client.client_pair import AnyClient
from ..client.request_warnings import warn
from ..errors import InvalidRequest, RateLimited, ResponseLost
from ..models import ChatAnswer, ChatPiece
from .chat_messages import as_chat, as_chunk, as_message
from .structured_chat import for_traces, read_as, response_format

_PER_CALL = (
    *("model", "previous_interaction_id", "response_format", "output_schema"),
    *("timeout", "extra_body", "strict"),
)
_PREVIOUS = "previous_interaction_id"


class ChatParallel(DiscreetDoor, BaseChatModel):
    """Answers from the web, with evidence, as a chat model: each call is a turn on the tree of interactions.

    The text is the message's `content`. `response_metadata` has `interaction_id`, `basis` (the evidence),
    `cost_usd` by list price, `model_name` and `warnings`; `content_blocks` has the citations as annotations.
    There are no tools, and no usage. A turn is paid at most once: where its answer is lost, `ChatAnswerLost`
    says what it may have cost, and nothing is sent again, not by `with_retry` either unless it is told to.

    Without `previous_interaction_id`, all messages are sent. With it, only the new turn is: what comes after
    the last answer, and system messages; the tree has the rest (assumed).

    Example:
        ```python
        from langchain_parallel import ChatParallel

        model = ChatParallel(model="base")
        first = model.invoke("Who makes solid-state batteries?")
        after = first.response_metadata["interaction_id"]
        second = model.invoke("Which are listed?", previous_interaction_id=after)
        ```

    Raises:
        pydantic.ValidationError: On construction, for an option that is none.
        MissingKey: On construction, without an API key.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
    )

    model: str = Field(default=CHAT_MODEL, alias="model_name")
    """`speed`, `lite`, `base` or `core`; others are sent with a warning."""
    previous_interaction_id: str | None = None
    """Every call continues from this interaction, unless it names another."""
    response_format: dict[str, Any] | None = None
    """The answer's form, as OpenAI writes it; see `with_structured_output`."""
    timeout: float = CHAT_SECONDS
    """Seconds to wait for an answer once the turn has been sent; what takes longer is lost."""
    max_retries: int | None = None
    """How often a turn that was certainly not accepted is sent again; None: as the client says."""
    streaming: bool = False
    """Whether `invoke` streams, too, for those who listen to it."""
    strict: bool | None = None
    """Refuse what breaks a rule of the API's documentation, instead of a warning."""
    extra_body: dict[str, Any] = Field(default_factory=dict, repr=False, exclude=True)
    """Fields of the API that this package does not know."""

    api_key: SecretStr | None = None
    """The key; read from `PARALLEL_API_KEY` unless given."""
    base_url: str | None = None
    """The server; read from `PARALLEL_BASE_URL` unless given."""
    client: ParallelClient | AsyncParallelClient | None = Field(
        default=None, exclude=True, repr=False
    )
    """Your own client, blocking or asynchronous; the other kind is made from it."""

    _clients: tuple[ParallelClient, AsyncParallelClient] = PrivateAttr()

    # --- construction ---

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            model: str = ...,
            previous_interaction_id: str | None = ...,
            response_format: dict[str, Any] | None = ...,
            timeout: float = ...,
            max_retries: int | None = ...,
            streaming: bool = ...,
            strict: bool | None = ...,
            extra_body: dict[str, Any] = ...,
            api_key: str | SecretStr | None = ...,
            base_url: str | None = ...,
            client: AnyClient | None = ...,
            **langchain: Any,
        ) -> None:
            """`langchain`: options of every chat model, such as `cache` and `tags`."""

    @model_validator(mode="before")
    @classmethod
    def _without_ignored(cls, given: Any) -> Any:
        """Name what the API ignores, and leave it out."""
        if not isinstance(given, dict):
            return given
        ignored = (IGNORED - set(cls.model_fields)).intersection(given)
        names = sorted(name for name in ignored if given[name] is not None)
        if names:
            found = [broken("chat-ignored", f"Chat ignores {', '.join(names)}.")]
            warn(refuse_broken([], found) if given.get("strict") else found)
        # None means the usual one.
        ignored |= {name for name in ("timeout", "extra_body") if given.get(name, 0) is None}
        return {name: value for name, value in given.items() if name not in ignored}

    @model_validator(mode="after")
    def _prepare(self) -> Self:
        client, given_key = self.client, self.api_key
        self.api_key = key_or_environment(self.api_key)
        if self.max_retries is not None:
            if client is not None:
                raise InvalidRequest(
                    ["max_retries is given beside a client; make the client with a retry_policy."]
                )
            policy = RetryPolicy(max_attempts=1 + self.max_retries)
            client = ParallelClient(given_key, self.base_url, retry_policy=policy)
            self._clients = client_pair(client)
        else:
            self._clients = client_pair(client, api_key=given_key, base_url=self.base_url)
        return self

    # --- what LangChain asks of a model ---

    @property
    def _llm_type(self) -> str:
        return "chat-parallel"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, _PREVIOUS: self.previous_interaction_id}

    @override
    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        kwargs.pop(
            "extra_body", None
        )  # nobody knows what is secret in it, and this goes into traces
        return super()._get_invocation_params(stop, **kwargs)

    @override
    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        extra = {**self.extra_body, **(kwargs.pop("extra_body", None) or {})}
        mark = sha256(json.dumps(extra, sort_keys=True, default=str).encode()).hexdigest()
        return super()._get_llm_string(stop, **kwargs) + mark * bool(extra)

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Which options are secret, and the environment variables that hold them."""
        return {"api_key": "PARALLEL_API_KEY"}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It can be written by `langchain_core.load.dumpd`, without its key and its client."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """The module from which `langchain_core.load.load` takes it."""
        return ["langchain_parallel", "chat_models"]

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn, options = self._turn(messages, stop, kwargs)
        answer = self._clients[0].chat(turn, **options)
        drive(_trace(answer, run_manager))
        return _result(answer)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn, options = self._turn(messages, stop, kwargs)
        answer = await self._clients[1].chat(turn, **options)
        await adrive(_trace(answer, run_manager))
        return _result(answer)

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        turn, options = self._turn(messages, stop, kwargs)
        for piece in self._clients[0].chat_stream(turn, **options):
            chunk = _chunk(piece)
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn, options = self._turn(messages, stop, kwargs)
        async for piece in self._clients[1].chat_stream(turn, **options):
            chunk = _chunk(piece)
            if run_manager:
                await run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk

    def _turn(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Messages and options of one call.

        Raises:
            InvalidRequest: An option is none, or a message holds what Chat does not read.
        """
        check_kinds({"extra_body": (given.get("extra_body"), dict)})
        given["extra_body"] = extra = {**self.extra_body, **hide(given.get("extra_body") or {})}
        asked = {
            name: value for name, value in {**given, "stop": stop}.items() if value is not None
        }
        asked.pop("stream", None)  # LangChain's own
        if _PREVIOUS in extra:  # where OpenAI's clients have to put it
            asked.setdefault(_PREVIOUS, str(extra.pop(_PREVIOUS)))
        extra |= {name: hide(asked.pop(name)) for name in IGNORED.intersection(asked)}
        unknown = sorted(asked.keys() - set(_PER_CALL))
        if unknown:
            told = f"{', '.join(unknown)}: no option of a turn; {', '.join(_PER_CALL)} are."
            raise InvalidRequest([f"{told} Other fields of the API go into extra_body."])
        names = ("model", _PREVIOUS, "response_format", "timeout", "strict")
        options = {**{name: getattr(self, name) for name in names}, **asked}
        if options.get("output_schema") is not None and "response_format" not in asked:
            del options["response_format"]
        return as_chat(messages, is_continued=options[_PREVIOUS] is not None), options

    @override
    def bind(self, **kwargs: Any) -> Any:
        """LangChain's `bind`. What is secret in an `extra_body` is in no `repr` of what is bound."""
        return super().bind(**{n: hide(v) if n == "extra_body" else v for n, v in kwargs.items()})

    @override
    def with_retry(
        self,
        *,
        retry_if_exception_type: Any = (RateLimited, ResponseLost),
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """LangChain's `with_retry`, which here repeats only what cost nothing, unless told otherwise.

        LangChain's own default would ask for a lost answer again, and pay again.
        """
        return super().with_retry(retry_if_exception_type=retry_if_exception_type, **kwargs)

    # --- structured output, and tools ---

    @override
    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: str = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with answers that are values of a schema.

        Args:
            schema: Any form that task runs take (`langchain_parallel.models.SchemaLike`). A class gives its
                instances, `list[Model]` a list, a JSON schema what the JSON says.
            method: `json_schema`; `function_calling` is the same, for Chat has no tools; `json_mode` asks for
                any JSON object, and the schema is used for reading alone.
            include_raw: Give `{"raw", "parsed", "parsing_error"}`, so that a paid answer that does not fit is
                there as it came.
            strict: OpenAI's `strict` beside the schema; left out unless given.
            kwargs: Options of a turn.

        Raises:
            InvalidRequest: The schema is none, or there is no such method.
            OutputMismatch: On a call, if the answer does not fit; `error.content` has it.
        """
        form = response_format(schema, method, strict)
        shown = {"kwargs": {"method": method}, "schema": for_traces(schema, form)}
        bound = self.bind(response_format=form, ls_structured_output_format=shown, **kwargs)
        return read_as(bound, schema, include_raw=include_raw)

    @override
    def bind_tools(
        self, tools: Sequence[Mapping[str, Any] | type | Callable[..., Any] | Any], **kwargs: Any
    ) -> NoReturn:
        """Refuse: Chat ignores tools without a word."""
        raise NotImplementedError(
            "Parallel's Chat API ignores tools. Give them to another model, and that one research as a tool "
            "(ParallelTaskTool); or ask ChatParallel inside a tool of your own."
        )


def _result(answer: ChatAnswer) -> ChatResult:
    return ChatResult(
        generations=[ChatGeneration(message=as_message(answer))],
        llm_output={"model_name": answer.model},
    )


def _trace(
    answer: ChatAnswer,
    run: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
) -> Calls[None]:
    """What a turn has cost, in the trace: LangSmith knows no price per token of this model.

    Where a turn streams, LangChain does not tell a model which run it is in.
    """
    if run is None or not run.inheritable_handlers:
        return
    is_awaited = isinstance(run, AsyncCallbackManagerForLLMRun)
    below = (AsyncCallbackManager if is_awaited else CallbackManager)([], parent_run_id=run.run_id)
    below.set_handlers(run.inheritable_handlers)
    below.add_metadata(run.inheritable_metadata)
    spent = {
        "interaction_id": answer.interaction_id,
        "model": answer.model,
        "cost_usd": answer.cost_usd,
    }
    yield from trace_cost("parallel_chat_cost", spent, {"callbacks": below})


def _chunk(piece: ChatPiece) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=as_chunk(piece.text, piece.answer))
