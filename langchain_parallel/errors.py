"""Everything that can go wrong, as one tree.

    ParallelError
    ├── InvalidRequest (also ValueError)   refused here, before anything was sent
    ├── MissingKey                         no API key was given
    ├── LimitExceeded                      the limits, or a person, do not allow the run
    │   └── QuotaExceeded                  what a user, or all, may spend in a period does not
    ├── ApiError                           the API answered with an error
    │   ├── AuthenticationFailed   401
    │   ├── CreditExhausted        402
    │   ├── Forbidden              403
    │   ├── NotFound               404
    │   │   └── LedgerNotFound             the task group that holds a session's runs is gone
    │   ├── RequestTimedOut        408
    │   ├── Unprocessable          422     `.fields` names what was refused
    │   ├── RateLimited            429     `.retry_after` in seconds
    │   ├── ServerFault            5xx
    │   └── UnexpectedStatus               any other
    ├── ResponseLost                       no response arrived
    ├── MalformedResponse                  a response arrived that is not what the API documents
    ├── ResponseTooLarge                   a response is longer than the client's `max_response_bytes`
    ├── SubmissionUnknown                  a run may have been started; submitting again will find it
    ├── ChatAnswerLost                     a chat's answer may be billed, and did not arrive whole
    ├── StillRunning                       the deadline passed; the run goes on
    ├── RunError                           the run ended without an answer
    │   ├── RunFailed
    │   ├── RunCancelled
    │   └── ActionRequired                 a person must do something first
    ├── OutputMismatch                     the answer does not fit the caller's model
    ├── StorageFailed                      a store, a checkpointer or a lock's database raised
    │   └── CheckpointNotWritten           LangGraph has not saved what the run would be found by
    ├── ThreadBusy                         another caller is resuming the LangGraph thread
    └── WebhookRejected                    a webhook delivery is malformed, unsigned or too old

`RequestWarning` is no error: a request breaks a rule that the API documents, and is sent all the same.

Each says in one sentence what happened and in one what to do, and carries what that needs: `run_id` and
`interaction_id` where a run is concerned, and `billed`: True, False, or None while it is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from typing_extensions import Self

_NOT_SHOWN = dict.fromkeys(
    [
        *set(range(0x20)) - {9, 10},
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ]
)
"""Characters that steer a terminal or turn text: no error's text holds one, whoever wrote a part of it."""


_QUOTED = re.compile("“([^“”]{500})[^“”]+”")
_MESSAGE_CHARS = 5_000
_IDS = ("run_id", "interaction_id", "ledger_id")
_ID_CHARS = 500
"""Of an id that is shown; the attribute has all of it. Somebody may give anything as one."""


class ParallelError(Exception):
    """The base class of every error of this package.

    Attributes:
        hint: What to do, in one sentence.
        run_id: The run concerned, if any.
        interaction_id: The interaction to continue from, if known.
        billed: Whether the run has cost money; None while that is unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        run_id: str | None = None,
        interaction_id: str | None = None,
        billed: bool | None = False,
    ) -> None:
        message = message.translate(_NOT_SHOWN)
        super().__init__(message)
        self._message = message
        self.hint: str = hint.translate(_NOT_SHOWN)
        self.run_id = run_id
        self.interaction_id = interaction_id
        self.billed = billed

    @property
    def message(self) -> str:
        """What happened, in one sentence. What the server says in it, in quotation marks, is shortened: here,
        and not where it is written, because half a secret would no longer be found and removed.
        """
        text = _QUOTED.sub(r"“\1…”", self._message)
        return text if len(text) <= _MESSAGE_CHARS else f"{text[: _MESSAGE_CHARS - 1]}…"

    @message.setter
    def message(self, text: str) -> None:
        self._message = text

    def with_ids(self, run_id: str | None, interaction_id: str | None) -> Self:
        """This error, with these ids where it had none. If there is a run, it may be billed."""
        if run_id and not self.run_id and self.billed is False:
            self.billed = None
        self.run_id = self.run_id or run_id
        self.interaction_id = self.interaction_id or interaction_id
        return self

    def _map_text(self, change: Callable[[str], str]) -> None:
        """Pass every text of this error through `change`, but not the ids."""
        for name, value in self.__dict__.items():
            if name in _IDS:
                continue
            if isinstance(value, str):
                self.__dict__[name] = change(value)
            elif isinstance(value, tuple):
                self.__dict__[name] = tuple(change(v) if isinstance(v, str) else v for v in value)
        self.args: tuple[Any, ...] = tuple(
            change(arg) if isinstance(arg, str) else arg for arg in self.args
        )

    def __str__(self) -> str:
        ids = ", ".join(
            f"{name}={value.translate(_NOT_SHOWN)[:_ID_CHARS]}"
            for name in ("run_id", "interaction_id")
            if (value := getattr(self, name)) and value not in self.message
        )
        return " ".join(
            part for part in (self.message, self.hint, f"[{ids}]" if ids else "") if part
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The default rebuilds from `args` alone, which would lose the ids between processes.
        return _rebuild, (type(self), self._message, self.__dict__)


def _rebuild(cls: type[ParallelError], message: str, attributes: dict[str, Any]) -> ParallelError:
    error = cls.__new__(cls, message)
    error.__dict__.update(attributes)
    return error


class InvalidRequest(ParallelError, ValueError):
    """The request was refused before it was sent, and costs nothing.

    `problems` lists every problem found, each with what is allowed.
    """

    def __init__(self, problems: Sequence[str], *, hint: str = "Nothing was sent.") -> None:
        super().__init__(" ".join(problems), hint=hint)
        self.problems: tuple[str, ...] = tuple(problems)


class RequestWarning(UserWarning):
    """A request breaks a rule of the API's documentation, as it was on the day that the warning names.

    The request is sent all the same, since such rules change. With `strict=True` it is refused instead
    (`InvalidRequest`). `rule` is its name in `langchain_parallel.rules`.
    """

    def __init__(self, message: str, rule: str = "") -> None:
        super().__init__(message.translate(_NOT_SHOWN))
        self.rule = rule


class MissingKey(ParallelError):
    """No API key was given."""


class LimitExceeded(ParallelError):
    """The run would pass a limit, or a person has declined it. Nothing was sent."""


class QuotaExceeded(LimitExceeded):
    """The run would pass what a user, or all users, may spend in a period. Nothing was sent."""


class ApiError(ParallelError):
    """The API answered with an error.

    Attributes:
        status: The HTTP status.
        ref_id: The server's reference, for Parallel's support.
        server_message: What the server said.
        fields: The fields the server names (422).
        retry_after: Seconds the server asks to wait, if it does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        ref_id: str | None = None,
        server_message: str = "",
        fields: Sequence[str] = (),
        retry_after: float | None = None,
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.status = status
        self.ref_id = ref_id
        self.server_message = server_message
        self.fields: tuple[str, ...] = tuple(fields)
        self.retry_after = retry_after


class AuthenticationFailed(ApiError):
    """401: the key is missing, wrong or revoked."""


class CreditExhausted(ApiError):
    """402: not enough credit; what running tasks have reserved counts as spent."""


class Forbidden(ApiError):
    """403: the key may not use this processor or feature."""


class NotFound(ApiError):
    """404: no such run, group or path."""


class LedgerNotFound(NotFound):
    """The task group that is a session's ledger does not exist, or belongs to another account."""


class RequestTimedOut(ApiError):
    """408: the server gave up waiting."""


class Unprocessable(ApiError):
    """422: the server found the request invalid."""


class RateLimited(ApiError):
    """429: too many requests."""


class ServerFault(ApiError):
    """5xx: the server failed."""


class UnexpectedStatus(ApiError):
    """A status the API does not document."""


class ResponseLost(ParallelError):
    """No response arrived: the connection broke, or timed out.

    `sent` is False only if no byte can have reached the API. `by_settings`: a setting of the caller's is the
    cause, such as a proxy that is none, so that the same call would end the same.
    """

    by_settings: bool = False

    def __init__(
        self, message: str, *, sent: bool = True, by_settings: bool = False, **common: Any
    ) -> None:
        super().__init__(message, **common)
        self.sent = sent
        self.by_settings = by_settings


class MalformedResponse(ParallelError):
    """A response arrived that is not JSON, or not of the documented shape."""


class ResponseTooLarge(ParallelError):
    """A response is longer than the client takes: `limit` bytes, decoded.

    An answer is still there: fetch it by `run_id` with a client that has a larger `max_response_bytes`.
    """

    def __init__(self, message: str, *, limit: int, **common: Any) -> None:
        super().__init__(message, **common)
        self.limit = limit


class SubmissionUnknown(ParallelError):
    """A run may or may not have been started.

    Submit the same request under the same `ledger_id` again: if it was started, that run is adopted.
    """

    def __init__(self, message: str, *, ledger_id: str, key: str, **common: Any) -> None:
        super().__init__(message, **common)
        self.ledger_id = ledger_id
        self.key = key


class ChatAnswerLost(ParallelError, RuntimeError):
    """A turn of a chat may have been answered and billed, and its answer did not arrive whole.

    The API keeps no such answer, and nothing is sent twice: what arrived is all there is. The error of the
    exchange is its `__cause__`. It is a `RuntimeError` because LangGraph's usual `RetryPolicy` would repeat a
    node after an error of its own kind, and pay again.

    Attributes:
        cost_usd: What the turn may have cost, by the list price; None for a model without a known one.
        partial_text: What arrived of the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        cost_usd: float | None = None,
        partial_text: str = "",
        billed: bool | None = None,
        **common: Any,
    ) -> None:
        super().__init__(message, billed=billed, **common)
        self.cost_usd = cost_usd
        self.partial_text = partial_text


class StillRunning(ParallelError):
    """The deadline passed while the run was active. The run goes on, and its answer can be fetched later.

    `waited` is in seconds; `status` is the last one seen.
    """

    def __init__(self, message: str, *, waited: float, status: str = "", **common: Any) -> None:
        super().__init__(message, **common)
        self.waited = waited
        self.status = status


class RunError(ParallelError):
    """A run ended without an answer.

    Attributes:
        status: The run's status.
        ref_id: The server's reference, for Parallel's support.
        server_message: What the server said.
        warnings: The server's warnings on the run.
    """

    def __init__(
        self,
        message: str,
        *,
        status: str,
        ref_id: str | None = None,
        server_message: str = "",
        warnings: Sequence[str] = (),
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.status = status
        self.ref_id = ref_id
        self.server_message = server_message
        self.warnings: tuple[str, ...] = tuple(warnings)


class RunFailed(RunError):
    """The run failed. Failed runs are not billed."""


class RunCancelled(RunError):
    """The run was cancelled on the server's side."""


class ActionRequired(RunError):
    """The run waits for a person to act; after that, wait for it again."""


class OutputMismatch(ParallelError, ValueError):
    """The answer does not fit the caller's model. It is paid for, and can still be read.

    Of a chat, whose answers are kept nowhere, `content` is the answer's text.
    """

    content: str = ""


class StorageFailed(ParallelError):
    """A store, a checkpointer or the database of a lock raised; that error is this one's `__cause__`.

    Resume the thread once it is mended. If a run had been started, the error names it, and it is found again.
    """


class CheckpointNotWritten(StorageFailed):
    """The step's checkpoint was not written in time, or a record of the thread could not be read or written.
    The step sent nothing.
    """


class ThreadBusy(ParallelError):
    """Another caller is resuming the LangGraph thread, or beginning its session, and did not finish within
    the time to wait for it.
    """


WebhookFault: TypeAlias = Literal["malformed", "signature", "timestamp", "no_run"]
"""Why a delivery was rejected. `no_run`: its signature is valid, but it names no run."""


class WebhookRejected(ParallelError):
    """A webhook delivery was rejected. The error repeats neither its body nor a secret.

    `reason` is `malformed`, `signature`, `timestamp` or `no_run`.
    """

    def __init__(self, message: str, *, reason: WebhookFault, **common: Any) -> None:
        super().__init__(message, **{"hint": "Nothing was done.", **common})
        self.reason: WebhookFault = reason


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later; for LangGraph's `RetryPolicy(retry_on=is_transient)`.

    LangGraph's own rule would also repeat calls that were refused for good (402, 403, 422). The ledger
    keeps a repeated call from paying twice.
    """
    if isinstance(error, ResponseLost) and error.by_settings:
        return False
    return isinstance(
        error,
        RateLimited
        | ServerFault
        | RequestTimedOut
        | ResponseLost
        | MalformedResponse
        | SubmissionUnknown
        | StorageFailed,
    )
