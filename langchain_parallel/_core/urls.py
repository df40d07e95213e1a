"""What an http(s) URL points to."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def host(url: str) -> str:
    """The host in lower case; empty for what is no http(s) URL, or where programs disagree about its host.

    Browsers read a backslash as a slash, and drop blanks: they may go elsewhere than Python would.
    """
    if "\\" in url or any(char.isspace() for char in url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "").rstrip(".") if parts.scheme in ("http", "https") else ""


def is_http(url: str) -> bool:
    """Whether this is an http(s) URL with a host."""
    return bool(host(url))


def without_login_and_query(url: str) -> str:
    """Scheme, host and path of a URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
