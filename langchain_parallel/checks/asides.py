"""What stands in an answer and claims nothing: list markers, citation marks, addresses, code, headings."""

from __future__ import annotations

import re

_ASIDES = re.compile(
    r"```.*?(?:```|\Z)"
    r"|`[^`\n]*`"
    r"|\]\([^)\s]*(?:\s+\"[^\"\n]*\")?\)"
    r"|\[\^?\d+(?:\s*[,;–-]\s*\^?\d+)*\]"
    r"|【[^】\n]{0,40}】"
    r"|(?:https?://|www\.)[^\s<>)\]]+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|<[^<>\n]{1,200}>"
    r"|\+\d[\d\s()/-]{7,20}\d"
    r"|^[ \t]*(?:[-*+•>]\s+)?\**(?:\(?\d{1,3}[.)](?=[\s*])|\(\d{1,3}\)|\d{1,3}[、．](?!\d)|[①-⑳])"
    r"|^[ \t]*#+\s*\d+(?:\.\d+)*\.?\s"
    r"|(?:^|(?<=[\s(]))(?:table|figure|fig\.|section|chapter|step|appendix|note|page|p\.|pp\.|§|no\.|tabelle|"
    r"abbildung|abb\.|abschnitt|kapitel|schritt|seite|tableau|étape|tabla|paso|sección|таблица|рис\.|шаг|"
    r"図表?|表|图|第)\s?\d+(?:\.\d+)*(?:章|节|節)?",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_HEADINGS = re.compile(
    r"^[ \t]*#+[^\n]*|^[ \t]*\*\*[^*\n]+\*\*:?[ \t]*$|^[ \t]*\|[^\n]*\n(?=[ \t]*\|?[ \t]*:?-{2,})"
    r"|^[ \t]*(?:(?:[-*+•]\s+|\d+[.)]\s+)\**|\*\*)[^\n:*|.]{1,60}(?::\**|\*\*:)(?=\s)(?!\s*[\"“„«‘「])"
    r"|^[ \t]*[^\n:*|.,]{1,60}:(?=\s)(?!\s*[\"“„«‘「])",
    re.MULTILINE,
)


def blank_asides(text: str) -> str:
    """The text with blanks in their place, as long as before."""
    return _ASIDES.sub(_blank, text)


def blank_headings(text: str) -> str:
    """The text with blanks for headings and labels, which write every word with a capital."""
    return _HEADINGS.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    return "".join("\n" if char == "\n" else " " for char in found[0])
