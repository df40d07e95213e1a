"""Removing secrets from texts and models.

Rule: a secret goes into a request's headers and body and nowhere else. If a server repeats it in a response,
it is removed here before a caller can read it. An answer is paid for: nothing else is removed from it, its
run says that something was, and its ids stay.

A text is secret by where it stands (a header or parameter named like a key, the login of a URL) or because it
looks as if it was made by chance.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel

from ..errors import ParallelError
from ..models import (
    ChatAnswer,
    ExtractResponse,
    SearchResponse,
    TaskRun,
    TaskRunInput,
    TaskRunWarning,
)
from ..models.requests import Extensible
from .hidden import HiddenText

REDACTED = "A secret of this client stood in what the server sent, and was replaced by “…”."
"""The warning on a result from which something was removed."""

_SECRET_NAME = re.compile(
    r"auth|cookie|credential|jwt|(?<![a-z])key|[a-z]key(?![a-z])|pass|pwd|secret|session"
    r"|(?<![a-z])sid(?![a-z])|(?<![a-z])sig(?![a-z])|signature|token|(?<![a-z])code(?![a-z])",
    re.IGNORECASE,
)
"""Names of headers, parameters and cookies whose values are secret."""
_SCHEMES = frozenset({"basic", "bearer", "digest", "negotiate", "token"})
"""Words of an authorization header that are not secret."""
_PLACEHOLDERS = frozenset({"x-oauth-basic", "x-token-auth", "x-access-token"})
"""What stands in a login where the other half is a token."""

_SHORT = 12
"""Characters. A shorter secret is removed only as a whole word; else parts of other words would go."""
_LEAST = 6
"""Characters. A shorter secret stays in answers: it may be a word that the answer really means."""


def secrets_of(inputs: Iterable[TaskRunInput]) -> tuple[str, ...]:
    """All secret texts in these inputs, longest first."""
    found: set[str] = set()
    for run in inputs:
        for server in run.mcp_servers:
            headers = {
                name: HiddenText(v.get_secret_value()) for name, v in (server.headers or {}).items()
            }
            found |= header_secrets(headers.items())
            found |= url_secrets(server.url)
        if run.webhook:
            # Whoever has the address can post there; the words in it are not secret.
            found |= {run.webhook.url, *url_secrets(run.webhook.url)}
        found |= header_secrets(_extra_texts(run))
    return longest_first(found)


def extra_secrets(part: Extensible) -> tuple[str, ...]:
    """The secret texts in what callers send beside the fields that are known, longest first."""
    return longest_first(header_secrets(_extra_texts(part)))


def secrets_in(extra_body: Mapping[str, Any]) -> tuple[str, ...]:
    """All secret texts in what a caller sends beside the fields that are known, longest first."""
    return longest_first(header_secrets(_named_texts(extra_body)))


def _extra_texts(part: Extensible) -> Iterator[tuple[str, str]]:
    """The names and texts in what callers send beside the fields that are known."""
    yield from _named_texts(part.extra_body)
    for inner in part._parts.values():
        yield from _extra_texts(inner)


def _named_texts(extra_body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    left: list[tuple[str, Any]] = list(extra_body.items())
    while left:
        name, value = left.pop()
        if isinstance(value, str):
            yield name, HiddenText(value)
        elif isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(name, inner) for inner in value]


def longest_first(values: Iterable[str]) -> tuple[str, ...]:
    """Without empty ones. Removing a part first would leave the rest of the whole behind."""
    found = map(HiddenText, filter(str.strip, set(values)))
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def header_secrets(headers: Iterable[tuple[str, str]]) -> set[str]:
    """The secrets in these headers, by the header's name or by their own looks."""
    found: set[str] = set()
    for name, value in headers:
        named = _SECRET_NAME.search(name)
        found |= {part for part in _parts(value) if named or looks_random(part)}
    return {text for text in found if text.lower() not in _SCHEMES}


def is_secret_name(name: str) -> bool:
    """Whether a header, parameter or cookie of this name has a secret value."""
    return bool(_SECRET_NAME.search(name))


def _parts(value: str) -> set[str]:
    """A header's value, and what a server may repeat alone: `abc` of `Bearer abc`, of `session=abc; …`."""
    items = re.split(r"[\s;,]+", value)
    values = {item.partition("=")[2].strip('"') for item in items if item.rstrip("=").find("=") > 0}
    alone = {item for item in items if item.rstrip("=").find("=") <= 0}
    logins = {login for item in alone if (login := _login(item))}
    whole = {value} if alone else set()
    return {*whole, *alone, *values, *logins, *(login.partition(":")[2] for login in logins)}


def _login(text: str) -> str:
    """The `user:password` behind the base64 of a Basic authorization; empty if the text is none."""
    try:
        login = b64decode(text, validate=True).decode()
    except ValueError:
        return ""
    return login if ":" in login and login.isprintable() else ""


def url_secrets(url: str) -> set[str]:
    """The secrets in a URL: its login, values of its query, and what looks random in them or in the path."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    user, _, password = login.partition(":")
    found = {password} - _PLACEHOLDERS
    if looks_random(user) or not any(found):
        found.add(user)
    raw = (part.partition("=")[::2] for part in parts.query.split("&"))
    for name, value in (*raw, *parse_qsl(parts.query)):
        if _SECRET_NAME.search(name) or looks_random(value):
            found.add(value)
    found |= {part for part in parts.path.split("/") if looks_random(part)}
    found |= {unquote(value) for value in found}
    # All of it only where one of these is inside: an answer may name a plain address.
    whole = {login, parts.query, url, url.partition("://")[2]}
    return found | (whole if any(found) else set())


_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
"""The pieces that a person would read a name in: `my`, `Hook`, `2` in `myHook2`."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def looks_random(text: str) -> bool:
    """Whether a text looks like a token: letters, digits and cases change more often than in a name."""
    if not re.fullmatch(r"[\w.~+/=%-]{12,}", text, re.ASCII):
        return False
    if _UUID.fullmatch(text):
        return True
    words = re.findall(r"[A-Za-z0-9]+", text)
    size = sum(map(len, words))
    changes = sum(len(_RUNS.findall(word)) - 1 for word in words)
    long_one = any(len(word) >= 24 for word in words)
    return size >= 12 and changes >= 3 and (changes >= size / 4 or long_one)


_WORDS = re.compile(r"[^\W_]+(?:[-_./+: ]+[^\W_]+)*[-_./+:]*|\*/\*")
_MEDIA_TYPE = re.compile(
    r"(?:application|audio|font|image|message|model|multipart|text|video|\*)/[\w.+*-]+", re.ASCII
)


def is_ordinary(text: str) -> bool:
    """Whether an answer may mean this text: it is short, words, numbers, or a media type."""
    if len(text) < _LEAST or _MEDIA_TYPE.fullmatch(text):
        return True
    if len(text) >= 20 or not _WORDS.fullmatch(text):
        return False
    return all(map(_is_word, re.findall(r"[^\W_]+", text)))


def _is_word(piece: str) -> bool:
    if piece.isdigit():
        return len(piece) < 8
    if not piece.isalpha() or len(piece) > 14:
        return False
    is_cased_so = piece in (piece.lower(), piece.upper(), piece.capitalize())
    can_be_said = len(piece) < 6 or not piece.isascii() or re.search("[aeiouy]", piece.lower())
    return is_cased_so and bool(can_be_said)


def redact(text: str, secrets: Iterable[str], mark: str = "…") -> str:
    """`text` with each secret replaced by a mark."""
    for secret in secrets:
        if secret not in text:
            continue
        if len(secret) >= _SHORT:
            text = text.replace(secret, mark)
        else:
            text = re.sub(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", mark, text)
    return text


V = TypeVar("V")
Warned = TypeVar("Warned", bound="TaskRun | ChatAnswer | SearchResponse | ExtractResponse")

_IDS = frozenset(
    {"run_id", "interaction_id", "taskgroup_id", "ledger_id", "run_ids", "duplicates"}
    | {"search_id", "extract_id"}
)
"""Fields that stay: without them, what was paid for could not be found again."""


def redact_model(value: V, secrets: Iterable[str]) -> V:
    """The same model, or list of models, without secrets; its run, or the answer, says so in a warning."""
    certain = without_ordinary(tuple(secrets))
    return cast(V, _walk(value, certain)) if certain else value


@lru_cache(8)
def without_ordinary(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Those that no answer can mean."""
    return tuple(secret for secret in secrets if not is_ordinary(secret))


def _walk(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, BaseModel):
        return _redact_model(value, secrets)
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {_walk(k, secrets): _walk(v, secrets) for k, v in value.items()}
    if isinstance(value, ParallelError):
        redact_error(value, secrets)
    if type(value) in (list, tuple):
        return type(value)(_walk(v, secrets) for v in value)
    return value


def redact_error(error: ParallelError, secrets: Sequence[str]) -> None:
    """Remove the secrets from an error and from the errors behind it, and the way to where they arose: its
    local variables hold what the server said.
    """
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        if isinstance(one, ParallelError):
            one._map_text(lambda text: redact(text, secrets))
        one = one.__cause__ or one.__context__


def _as_json(text: str) -> str:
    """A text as it stands in a model's JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _redact_model(model: BaseModel, secrets: Sequence[str]) -> BaseModel:
    # Nearly all models hold none, and looking into their JSON is quicker than rebuilding them.
    text = model.model_dump_json()
    if not any(_as_json(secret) in text for secret in secrets):
        return model
    read = {name: _walk(value, secrets) for name, value in model if name not in _IDS}
    changed = {name: new for name, new in read.items() if new != getattr(model, name)}
    if not changed:
        return model
    told = model.model_copy(update=changed)
    run = getattr(told, "run", None)
    if isinstance(told, TaskRun | ChatAnswer | SearchResponse | ExtractResponse):
        return _add_warning(told)
    return told.model_copy(update={"run": _add_warning(run)}) if isinstance(run, TaskRun) else told


def _add_warning(told: Warned) -> Warned:
    """A run or an answer with the warning, once."""
    given = told.warnings or ()
    if any(warning.message == REDACTED for warning in given):
        return told
    return cast(
        Warned, told.model_copy(update={"warnings": (*given, TaskRunWarning(message=REDACTED))})
    )
