"""A ledger that is gone: deleted, of another account, or of another server.

Rule: what it held cannot be looked up any more, so no run is sent to a new one unless a person says so, for
this ledger by its id. That takes a word in the config of an invocation, which every door is given:
`{"configurable": {"replace_ledger": "tgrp_…"}}`. The ledger is replaced only if it is really gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.runnables import RunnableConfig

from ..errors import LedgerNotFound, SubmissionUnknown
from ..models import TaskRunInput
from ..processors import price_usd
from ..text.format import usd

REPLACE = "replace_ledger"
"""The key of `configurable` that names the ledger to replace."""


def asks_to_replace(config: RunnableConfig, ledger_id: str | None) -> bool:
    """Whether a person has said that this ledger may be replaced."""
    return bool(ledger_id) and config.get("configurable", {}).get(REPLACE) == ledger_id


def left_behind(ledger_id: str, processor: str) -> str:
    """What is unknown of a run that a ledger which was replaced may have held, as a sentence."""
    return (
        f"Its ledger {ledger_id} is gone: whether it had been started there before is unknown; then it "
        f"was or is paid for twice ({usd(price_usd(processor))})."
    )


@contextmanager
def telling_how(ledger_id: str, request: TaskRunInput) -> Iterator[None]:
    """Let the error of a ledger that is gone say what a new one would not know, and how to begin it."""
    try:
        yield
    except (LedgerNotFound, SubmissionUnknown) as error:
        if not isinstance(error, LedgerNotFound) and not isinstance(
            error.__cause__, LedgerNotFound
        ):
            raise
        price = usd(price_usd(request.processor))
        error.hint = (
            "Nothing was sent. Check the id, the server, and the account of the key. A new ledger would "
            f"know of no earlier run: if this one ({request.processor}, {price}) had been started, it would "
            "be paid for again, and runs that no turn shows could not be found; those that turns show stay "
            "readable. To begin one all the same, invoke or resume once with "
            f'config={{"configurable": {{"{REPLACE}": "{ledger_id}"}}}} beside its thread_id.'
        )
        raise
