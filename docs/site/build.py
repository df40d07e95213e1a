"""Builds the site: `python docs/site/build.py build/site` lays out the pages and has Zensical build them.

The pages are the Markdown files of `docs/`, README and the other files at the top as they are, with links
that fit the site; the notebooks with their outputs; a page for each public module, made of its docstrings;
and `llms.txt`, for models that read the site. `--with mkdocs` builds with Material for MkDocs instead.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SITE = Path(__file__).parent
TOP = {
    "README.md": "index.md",
    "docs/index.md": "start.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/README.md": "project/measuring.md",
}
"""Pages that have another place on the site."""
_FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")
_NAME = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
_MODULE = re.compile(r"^## `(langchain_parallel[\w.]*)`", re.MULTILINE)


def sources() -> dict[Path, str]:
    """Where each page of the repository goes on the site."""
    pages = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]
    notebooks = {page: f"notebooks/{page.stem}.md" for page in (ROOT / "notebooks").glob("*.ipynb")}
    below = {
        page: page.relative_to(ROOT / "docs").as_posix()
        for page in pages
        if ROOT / "docs" in page.parents
    }
    return {**below, **{ROOT / name: place for name, place in TOP.items()}, **notebooks}


def public_names() -> dict[str, list[str]]:
    """By module, from the reference page, which a test compares with the package."""
    _, *parts = _MODULE.split((ROOT / "docs/reference/names.md").read_text())
    return {
        module: _NAME.findall(text) for module, text in zip(parts[::2], parts[1::2], strict=True)
    }


# --- pages ------------------------------------------------------------------------------------------


class Layout:
    """The pages in their places, and the files that they link to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = sources()

    def write(self) -> None:
        """Write all pages."""
        for source, place in self.places.items():
            if source.suffix == ".md":
                self._put(place, self.with_links(source.read_text(), source, place))
        self._notebooks()
        for module, names in public_names().items():
            self._put(f"api/{module}.md", module_page(module, names))
        self._put("site.css", (SITE / "site.css").read_text())
        self._put("llms.txt", index_for_models(self))
        self._put("llms-full.txt", "\n\n".join(self.read(place) for place in self.in_order()))

    def in_order(self) -> list[str]:
        """The pages' places, in the order of the navigation, those of the modules left out."""
        known = set(self.places.values())
        return [place for place in _places(navigation([])) if place in known]

    def read(self, place: str) -> str:
        """A page as it is on the site."""
        return (self.folder / place).read_text()

    def with_links(self, text: str, source: Path, place: str) -> str:
        """The text with links that lead to the same things from its place on the site."""

        def link(found: re.Match[str]) -> str:
            label, target = found[1], found[2]
            path, hash_sign, anchor = target.partition("#")
            if not path or re.match(r"[a-z]+:", target):
                return found[0]
            there = (source.parent / path).resolve()
            return f"{label}({self._from(place, self._place_of(there))}{hash_sign}{anchor})"

        return outside_fences(text, lambda part: _LINK.sub(link, part))

    def _place_of(self, there: Path) -> str:
        if place := self.places.get(there):
            return place
        place = f"files/{there.relative_to(ROOT).as_posix()}"
        if there.suffix == ".md":  # a file, not a page: its links are not followed
            place += ".txt"
        if there.parent == ROOT / "docs/images":
            place = f"images/{there.name}"
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(there, target)
        return place

    @staticmethod
    def _from(place: str, there: str) -> str:
        return Path(os.path.relpath(there, Path(place).parent)).as_posix()

    def _notebooks(self) -> None:
        import nbformat
        from nbconvert import MarkdownExporter

        exporter = MarkdownExporter()
        for source, place in self.places.items():
            if source.suffix == ".ipynb":
                notebook = as_markdown(nbformat.read(source, as_version=4))
                text, resources = exporter.from_notebook_node(notebook)
                self._put(place, self.with_links(text, source, place))
                for name, data in resources.get("outputs", {}).items():
                    (self.folder / place).with_name(name).write_bytes(data)

    def _put(self, place: str, text: str) -> None:
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """The text, changed outside of its blocks of code."""
    parts, end = list[str](), 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def as_markdown(notebook: Any) -> Any:
    """The notebook with drawings and Markdown in place of the pages that a browser shows in a frame."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if drawing := data.get("text/vnd.mermaid"):
                data["text/markdown"] = f"```mermaid\n{drawing}\n```"
            if "text/markdown" in data:
                data.pop("text/html", None)
    return notebook


def module_page(module: str, names: list[str]) -> str:
    """A page with each public name of a module, from its docstrings."""
    named = "\n\n".join(f"::: {module}.{name}" for name in names)
    return f"# `{module}`\n\n{named}\n"


def index_for_models(layout: Layout) -> str:
    """`llms.txt`: what the project is, and a line for each page."""
    lines = []
    for place in layout.in_order():
        text = layout.read(place)
        title = (re.findall(r"^# (.*)$", text, re.MULTILINE) or [place])[0]
        first = next(filter(re.compile(r"\w|`(?!``)").match, re.split(r"\n\s*\n", text)), "")
        said = " ".join(_LINK.sub(lambda link: link[1][1:-1], first).split())
        lines.append(f"- [{title}]({place}): {shorten(said, 200, placeholder='…')}")
    return (
        "# langchain-parallel\n\n> Web research for LangGraph, paid for once.\n\n"
        + "\n".join(lines)
        + "\n"
    )


# --- the site ---------------------------------------------------------------------------------------


def navigation(modules: list[str]) -> list[object]:
    """That of `mkdocs.yml`, with the pages of the modules in the reference."""
    text = (SITE / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    nav = list[object](yaml.safe_load(text))
    for section in nav:
        if isinstance(section, dict) and "Reference" in section and modules:
            section["Reference"].append({"Modules": [*map(_module_entry, modules)]})
    return nav


def _module_entry(module: str) -> dict[str, str]:
    return {module.removeprefix("langchain_parallel."): f"api/{module}.md"}


def _places(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _places(part)


def main() -> int:
    """Lay the site out and build it."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("folder", type=Path, help="where it goes; what is there is removed")
    parser.add_argument("--with", dest="tool", choices=["zensical", "mkdocs"], default="zensical")
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    Layout(folder / "pages").write()
    config = (SITE / "mkdocs.yml").read_text().partition("\nnav:\n")[0]
    nav = yaml.safe_dump(
        {"nav": navigation([*public_names()])}, sort_keys=False, allow_unicode=True
    )
    (folder / "mkdocs.yml").write_text(f"{config}\n{nav}")
    tool = Path(sys.executable).with_name(given.tool)
    build = subprocess.run([tool, "build", "--strict", "-f", "mkdocs.yml"], cwd=folder, check=False)
    return build.returncode


if __name__ == "__main__":
    raise SystemExit(main())
