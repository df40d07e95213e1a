"""What an http(s) URL points to."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit


def host(url: str) -> str:
    """The host in lower case; empty for what is no http(s) URL, or where programs disagree about its host.

    Browsers read a backslash as a slash, and drop blanks: they may go elsewhere than Python would.
    """
    if "\\" in url or url.split() != [url]:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "").rstrip(".") if parts.scheme in ("http", "https") else ""


def is_http(url: str) -> bool:
    """Whether this is an http(s) URL with a host."""
    return bool(host(url))


def is_plain_to_others(url: str) -> bool:
    """Whether what is sent there crosses a network unencrypted: http, and not to this machine."""
    return url[:5].lower() == "http:" and not is_loopback(host(url))


def is_loopback(name: str) -> bool:
    """Whether this host is the machine itself."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def without_login_and_query(url: str) -> str:
    """Scheme, host and path of a URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def login_and_query(url: str) -> tuple[str, str, str]:
    """What `without_login_and_query` leaves out: login, query and fragment."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[0], parts.query, parts.fragment
