"""Draws the figures of a case as bars, in SVG that can be read on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW, _LABEL, _BAR, _WIDTH = 18, 250, 380, 760
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.h{font-weight:600}.ours{fill:#2f6feb}"
    ".control{fill:#9aa4b0}@media(prefers-color-scheme:dark){text{fill:#adbac7}.ours{fill:#539bf5}"
    ".control{fill:#636e7b}}"
)


@dataclass(frozen=True)
class Bar:
    """One bar; without a value, its label says why."""

    name: str
    value: float | None
    label: str
    is_control: bool


def draw_bars(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """An SVG picture of groups of bars on one scale, each group under its heading."""
    most = max((bar.value or 0.0 for _, bars in groups for bar in bars), default=0.0) or 1.0
    parts, y = [], 0
    for heading, bars in groups:
        y += _ROW + 4
        parts.append(f'<text class="h" x="0" y="{y - 5}">{escape(heading)}</text>')
        for bar in bars:
            width = round((bar.value or 0.0) / most * _BAR, 1)
            kind = "control" if bar.is_control else "ours"
            parts.append(
                f'<text x="{_LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>'
            )
            parts.append(
                f'<rect class="{kind}" x="{_LABEL}" y="{y + 3}" width="{max(width, 1)}" '
                f'height="{_ROW - 6}" rx="2"/>'
            )
            parts.append(f'<text x="{_LABEL + width + 6}" y="{y + 13}">{escape(bar.label)}</text>')
            y += _ROW
        y += 6
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )
