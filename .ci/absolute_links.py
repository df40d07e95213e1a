"""Point a page's links at a tag of its repository: `absolute_links.py README.md https://host/owner/name v1`.

A package index shows README, but has none of the files that it links to. The page is rewritten in place.
Links inside code, to another site, or to a heading of the page itself stay as they are; a link to a file
that is not there stops the release.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_CODE_OR_LINK = re.compile(
    r"^(?P<fence>`{3,}).*?^(?P=fence)$|`[^`\n]+`|(?P<image>!?)(?P<label>\[[^\]]*\])\((?P<target>[^)\s]+)\)",
    re.MULTILINE | re.DOTALL,
)
_NO_FILE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)


def with_absolute_links(text: str, folder: Path, repository: str, tag: str) -> str:
    """The page's text. Raises FileNotFoundError for a link to a file that `folder` does not have."""

    def absolute(found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or _NO_FILE.match(target):
            return found[0]
        if not (folder / target.partition("#")[0]).exists():
            raise FileNotFoundError(f"{found[0]} leads nowhere")
        view = "raw" if found["image"] else "blob"
        return f"{found['image']}{found['label']}({repository.rstrip('/')}/{view}/{tag}/{target})"

    return _CODE_OR_LINK.sub(absolute, text)


if __name__ == "__main__":
    page, repository, tag = Path(sys.argv[1]), *sys.argv[2:]
    page.write_text(with_absolute_links(page.read_text(), page.parent, repository, tag))
