"""The names of a middleware's tools, state keys and citation marks."""

from __future__ import annotations

import re

from ..errors import InvalidRequest

_NAME = re.compile(r"[a-z][a-z_]{0,29}")
_DEFAULT = "research"
_LEDGER, _LIMITS = "_ledger_id", "_limits"


class Names:
    """Names that keep two middlewares in one agent apart. The default, `research`, has short ones.

    Attributes:
        name: The middleware's.
        start, follow_up, branch, quick, check, read, list, recall: Its tools. Those that cost money are
            `paid`.
        records, ledger, limits: Its keys in the agent's state.
    """

    name: str
    start: str
    follow_up: str
    branch: str
    quick: str
    check: str
    read: str
    list: str
    recall: str
    paid: tuple[str, ...]
    records: str
    ledger: str
    limits: str

    def __init__(self, name: str, *, has_quick: bool = False) -> None:
        given: object = name
        if not isinstance(given, str) or not _NAME.fullmatch(given):
            raise InvalidRequest(["name must be up to 30 lower-case letters and underscores."])
        if name.endswith((_LEDGER, _LIMITS)):
            raise InvalidRequest([f"name={name!r} ends as a key of another middleware's state."])
        self.name = name
        tail = "" if name == _DEFAULT else f"_{name}"
        self.start, self.follow_up, self.branch = (
            f"start_{name}",
            f"follow_up{tail}",
            f"branch{tail}",
        )
        self.check, self.read, self.list = f"check_{name}", f"read_{name}", f"list_{name}"
        self.recall = f"recall_{name}"
        self.quick = f"ask_quick{tail}"
        self.paid = (self.start, self.follow_up, self.branch, *([self.quick] if has_quick else []))
        # The prefix keeps these apart from the keys of the agent and of other packages' middlewares.
        self.records = f"parallel_{name}"
        self.ledger, self.limits = f"{self.records}{_LEDGER}", f"{self.records}{_LIMITS}"

    @property
    def is_default(self) -> bool:
        """Whether it is the usual one."""
        return self.name == _DEFAULT

    def session(self, number: int) -> str:
        """The handle of a session's first run."""
        return f"r{number}" if self.is_default else f"{self.name}-{number}"

    def mark(self, number: int | str) -> str:
        """A citation's mark."""
        return f"[{number}]" if self.is_default else f"[{self.name}-{number}]"
