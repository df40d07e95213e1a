"""What is wrong with the addresses of an answer's sources, as far as it can be told offline."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from .._core.plain_text import cut
from .._core.urls import host
from ..models import SourcePolicy
from .checked_claim import CheckedSource

_URL_CHARS = 300
_TRACKING = re.compile(
    r"utm_\w+|gclid|fbclid|msclkid|dclid|mc_[ce]id|_ga|igshid|ref|ref_src|cmpid|ocid|spm|yclid|srsltid",
    re.IGNORECASE,
)
_INDEX = re.compile(r"/(?:index|default)\.(?:html?|php|aspx?)$", re.IGNORECASE)
_MIRRORS = re.compile(r"^(?:www\d?|m|mobile|amp)\.(?=[^.]+\.)")


def find_source_problems(
    citations: Sequence[Mapping[str, Any]], policy: SourcePolicy | None
) -> Iterator[CheckedSource]:
    """What is wrong with these citations, in their order; one may have two faults."""
    seen: dict[str, int] = {}
    for position, citation in enumerate(citations, start=1):
        url = citation.get("url")
        url = url if isinstance(url, str) else ""
        number = citation.get("number")
        number = number if isinstance(number, int) else position
        shown = cut(url, _URL_CHARS)
        if not host(url):
            yield CheckedSource(number=number, url=shown, problem="no_address")
            continue
        first = seen.setdefault(page_of(url), number)
        if first != number:
            yield CheckedSource(number=number, url=shown, problem="repeated", same_as=first)
        if policy is not None and not is_allowed(url, policy):
            yield CheckedSource(number=number, url=shown, problem="excluded")


def page_of(url: str) -> str:
    """One text for all forms of a page's address: with or without `www.`, https, the last slash, an anchor,
    parameters that only count visits.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        return url
    path = quote(unquote(_INDEX.sub("/", parts.path)), safe="/:@!$&'()*+,;=~")
    path = posixpath.normpath(path or "/").lstrip("/")
    pairs = [pair for pair in parse_qsl(parts.query, True) if not _TRACKING.fullmatch(pair[0])]
    anchor = f"#{parts.fragment}" if parts.fragment.startswith(("!", "/")) else ""
    query = f"?{urlencode(sorted(pairs))}" if pairs else ""
    return f"{_MIRRORS.sub('', host(url))}{port}/{'' if path == '.' else path}{query}{anchor}"


def is_allowed(url: str, policy: SourcePolicy) -> bool:
    """Whether a source policy allows an address. Where sites are included, excluded ones do not matter."""
    if policy.include_domains:
        return _is_among(url, policy.include_domains)
    return not _is_among(url, policy.exclude_domains)


def _is_among(url: str, sites: Collection[str]) -> bool:
    name, path = f".{host(url)}", urlsplit(url).path
    for site in sites:
        domain, _, beginning = site.strip().lower().removeprefix("https://").partition("/")
        if not name.endswith(f".{domain.strip('.')}"):
            continue
        if not beginning or f"{path}/".lower().startswith(f"/{beginning.strip('/')}/"):
            return True
    return False
