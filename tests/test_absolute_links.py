"""README on a package index: each link leads to the tag's files, and nothing else of the page changes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci/absolute_links.py"
AT = "https://code.example/owner/name"

if not SCRIPT.exists():  # a copy of the sdist has no workflow either
    pytest.skip("the scripts of CI are not here", allow_module_level=True)


def rewritten(text: str, folder: Path) -> str:
    (folder / "README.md").write_text(text)
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs/tool.md").touch()
    (folder / "docs/a.svg").touch()
    command = [sys.executable, str(SCRIPT), str(folder / "README.md"), AT, "v1.0"]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[tool](docs/tool.md)", f"[tool]({AT}/blob/v1.0/docs/tool.md)"),
        ("[tool](docs/tool.md#options)", f"[tool]({AT}/blob/v1.0/docs/tool.md#options)"),
        ("![a picture](docs/a.svg)", f"![a picture]({AT}/raw/v1.0/docs/a.svg)"),
        ("[site](https://docs.example/x)", "[site](https://docs.example/x)"),
        ("[above](#install)", "[above](#install)"),
        ("`[1](docs/tool.md)`", "`[1](docs/tool.md)`"),
        ("```text\n[1](docs/tool.md)\n```", "```text\n[1](docs/tool.md)\n```"),
        (
            "```py\nx = [f](y)\n```\n[t](docs/tool.md)",
            "```py\nx = [f](y)\n```\n[t](" + AT + "/blob/v1.0/docs/tool.md)",
        ),
    ],
)
def test_only_links_to_files_change(link: str, becomes: str, tmp_path: Path) -> None:
    assert rewritten(f"# Title\n\n{link}\n", tmp_path) == f"# Title\n\n{becomes}\n"


def test_a_link_that_leads_nowhere_stops_the_release(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        rewritten("[gone](docs/gone.md)", tmp_path)
    assert "docs/gone.md" in stopped.value.stderr.decode()


def test_readme_has_no_relative_link_left(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    shutil.copytree(
        ROOT, folder, ignore=lambda *_: {".git", ".venv", "build", "tests", ".mypy_cache"}
    )
    command = [sys.executable, str(SCRIPT), str(folder / "README.md"), AT, "v1.0"]
    subprocess.run(command, check=True, capture_output=True)
    text = re.sub(r"```.*?```", "", (folder / "README.md").read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert [t for t in targets if not t.startswith(("https://", "#"))] == []
    assert f"{AT}/raw/v1.0/docs/images/session.svg" in targets
