"""A page of a session: one file, without a script and without a request.

Rule: its Content-Security-Policy allows its own style alone, by digest, so that injected text stays inert.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from string import Template

from ..text.web_html import safe


def page(title: str, body: str, style: str) -> str:
    """The whole page.

    Args:
        title: Of the window; escaped here.
        body: HTML.
        style: The name of the style sheet that follows after the one of all pages.
    """
    sheet = _file("base.css") + _file(style)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return Template(_file("page.html")).substitute(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=sheet,
        title=safe(title),
        body=body,
    )


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
