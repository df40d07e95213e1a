"""Who has asked: whoever brought the input that a step follows from.

Rule: it is recorded at the first step that wants to know. Others may approve, or resume the thread later, and
a webhook resumes it as nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._session_options import Payer
from ..errors import InvalidRequest
from .records import Records, holder_of
from .runtime import asking_user, input_of


def who_asked(
    records: Records, config: RunnableConfig, name: str, what: type, per: Sequence[str | Payer]
) -> Calls[list[str]]:
    """The user for each of these: `user`, `all` (the empty text), or what a function returns.

    Args:
        records: The door's.
        config: Of the step.
        name: What the record's name begins with.
        what: The option that says so.
        per: Its `per`.

    Raises:
        InvalidRequest: It is kept per user, and there is no user.
    """
    if all(one == "all" for one in per):
        return [""] * len(per)
    after = "" if holder_of(config) is None else (yield from input_of(config)).after
    named = f"{name} after {after}"
    known = (yield from records.get(config, named)) if after else None
    if known is not None and len(known["who"]) == len(per):
        return list(known["who"])
    who = [_who(one, what, config) for one in per]
    if after:
        yield from records.put(config, named, {"who": who})
    return who


def _who(per: str | Payer, what: type, config: RunnableConfig) -> str:
    if per == "all":
        return ""
    who: object = per(config) if callable(per) else asking_user(config)
    if not isinstance(who, str) or not who:
        said = f"has {who!r:.40} for `per`" if callable(per) else "has no user"
        raise InvalidRequest(
            [f"There is a {what.__name__.lower()} per user, and this call {said}."],
            hint="Authenticate users on a LangGraph server; elsewhere give "
            f"`{what.__name__}(per=function)`, which returns a text for the config. Nothing was sent.",
        )
    return who
