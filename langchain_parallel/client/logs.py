"""What other libraries log of an exchange.

Rule: a server may repeat a secret in its status line and headers, and httpcore logs these at DEBUG. So what
is logged during an exchange of ours is redacted before any handler gets it. What the same libraries log of
others' exchanges is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote

from .._core.hidden import HiddenText
from .._core.redaction import longest_first, redact

LOGGERS = (
    *("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"),
    *("httpcore.socks", "hpack.hpack", "hpack.table", "http.cookiejar"),
)
"""Those that may log headers. A filter holds for the logger that has it, and not for those below."""
_LOGGERS = tuple(map(logging.getLogger, LOGGERS))

_SECRETS: ContextVar[Callable[[], Sequence[str]] | None] = ContextVar(
    "langchain_parallel secrets", default=None
)
Hidden: TypeAlias = "Token[Callable[[], Sequence[str]] | None]"
"""What was hidden before."""


def hide_secrets(secrets: Callable[[], Sequence[str]]) -> Hidden:
    """Keep these secrets out of what is logged in this context, until `show_secrets`."""
    for logger in _LOGGERS:
        if _redact_record not in logger.filters:
            logger.addFilter(_redact_record)  # it stays, and does nothing outside of exchanges
    return _SECRETS.set(secrets)


def show_secrets(hidden: Hidden) -> None:
    """End what `hide_secrets` began."""
    _SECRETS.reset(hidden)


def _redact_record(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, and changes those that show a secret."""
    if (secrets := _SECRETS.get()) is not None:
        text = record.getMessage()
        redacted = _redact_value(text, tuple(secrets()))
        if redacted != text:
            record.msg, record.args = redacted, ()
    return True


_LEAST = 6
"""Characters. A shorter secret is replaced only as a whole word; nothing else is left of a log."""


def _redact_value(text: str, secrets: tuple[str, ...]) -> str:
    for way in _ways_to_write(secrets):
        text = text.replace(way, "…") if len(way) >= _LEAST else redact(text, [way])
    return text


@lru_cache(8)
def _ways_to_write(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The secrets, longest first, also as they stand in a `repr` of text or bytes, and in an address."""
    found: set[str] = set()
    for secret in secrets:
        reprs = {repr(str(secret)), repr(secret.encode(errors="replace"))[1:]}
        reprs |= {repr(secret.encode("latin-1", errors="replace"))[1:]}
        plain = {text[1:-1] for text in reprs}
        # A message may hold the `repr` of an error that holds that of bytes.
        found |= {secret, *plain, *(text.replace("\\", "\\\\") for text in plain)}
        found |= {quote(secret, safe=safe, errors="replace") for safe in ("", "/")}
    return longest_first(map(HiddenText, found))
