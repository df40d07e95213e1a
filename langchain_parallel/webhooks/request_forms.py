"""The headers and the body of a request, in the forms in which web frameworks have them.

Rule: what is no such form is the caller's mistake (`InvalidRequest`); whatever a sender may have put into it
is not. A body stays byte for byte as it came: a parsed one cannot be verified.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from typing import Any, TypeAlias

from .._core.kinds import kind_of
from ..errors import InvalidRequest, WebhookRejected

Headers: TypeAlias = Mapping[str, Any] | Iterable[tuple[str | bytes, str | bytes]] | Message
Body: TypeAlias = str | bytes | bytearray | memoryview

_HEADER_FORMS = (
    "Give a mapping of names and values, pairs of them, the headers of http.client or http.server, an ASGI "
    "scope, a WSGI environ, or the event of an AWS Lambda."
)
_BODY_FORMS = (
    "Give the request's body as it came, as bytes or text: a parsed one cannot be verified."
)


def read_body(headers: Headers, body: Body | None) -> bytes:
    """The body as bytes; of a Lambda event its own, unless another is given.

    Raises:
        InvalidRequest: It is neither bytes nor text.
        WebhookRejected: A Lambda event calls its body base64, and it is not.
    """
    if isinstance(headers, Mapping) and "isBase64Encoded" in headers:
        given = headers.get("body")
        if body is None or body == given:
            return _lambda_body(given, is_base64=headers["isBase64Encoded"] is True)
    content: object = body
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass")
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    problem = "There is no body." if content is None else f"The body is {kind_of(content)}."
    raise InvalidRequest([problem], hint=_BODY_FORMS)


def _lambda_body(body: object, *, is_base64: bool) -> bytes:
    text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else b""
    if not is_base64:
        return text
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise WebhookRejected("The body is not base64.", reason="malformed") from None


def read_headers(headers: Headers, names: Iterable[str]) -> dict[str, str]:
    """These headers, by their names in lower case; of a repeated one, the values with a blank between them.

    Raises:
        InvalidRequest: It is none of the known forms.
    """
    found: dict[str, list[str]] = {name: [] for name in names}
    try:
        for name, value in _pairs(headers):
            values = found.get(_as_text(name).lower().replace("_", "-").removeprefix("http-"))
            if values is not None and isinstance(value, str | bytes):
                values.append(_as_text(value))
    except (TypeError, ValueError):  # they are no pairs
        raise InvalidRequest(
            [f"The headers are {kind_of(headers)} that holds none."], hint=_HEADER_FORMS
        ) from None
    return {name: " ".join(values) for name, values in found.items() if values}


def _pairs(headers: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(headers, Mapping):
        many, one = headers.get("multiValueHeaders"), headers.get("headers")
        if (
            isinstance(many, Mapping) and many
        ):  # an AWS Lambda's; its `headers` are the last ones of these
            headers = [(name, value) for name, values in many.items() for value in values]
        elif one is not None and not isinstance(one, str):  # a Lambda's, or an ASGI scope's
            headers = one
    items = getattr(headers, "items", None)
    yield from items() if callable(items) else headers


def _as_text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
