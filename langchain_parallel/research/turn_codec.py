"""Turns as a checkpoint has them: each source of the session once, and each field's name once.

A citation is a row of numbers, `[source, field, …]`, with its excerpts behind them where a turn keeps them:

    {"sources": [["https://…", "Title"]], "fields": ["ceo"], "turns": [{…, "cited": [[0, 0]]}]}

Rule: what is read is what was written, also where a person or another program wrote it: a turn with citations
of another form stays as it is. A plain list of turns, as earlier versions wrote it, is read as that.
"""

from __future__ import annotations

from typing import Any

_CITATIONS, _CITED = "citations", "cited"
_SOURCES, _FIELDS, _TURNS = "sources", "fields", "turns"
_KEPT = frozenset((_SOURCES, _FIELDS, _TURNS))
_PLAIN = ("number", "url", "title", "fields")
_WITH_EXCERPTS = (*_PLAIN, "excerpts")


class TurnTable:
    """Turns, packed. A session writes its turns in every step, and packs each of them once."""

    def __init__(self) -> None:
        self._turns: list[Any] = []
        self._rows: list[Any] = []
        """The same turns, packed."""
        self._sources: dict[tuple[str, str | None], int] = {}
        self._fields: dict[str, int] = {}
        self._sizes: list[tuple[int, int]] = []
        """How many sources and fields there were behind each turn."""

    def pack(self, turns: Any) -> Any:
        """Turns for a checkpoint; unchanged where they cite nothing, or could not be read back."""
        if not isinstance(turns, list) or any(map(_has_rows, turns)):
            return turns
        self._keep(_count_same(self._turns, turns))
        for turn in turns[len(self._turns) :]:
            self._rows.append(_pack_turn(turn, self._sources, self._fields))
            self._turns.append(turn)
            self._sizes.append((len(self._sources), len(self._fields)))
        if not self._sources:
            return turns
        # Copies: a checkpointer may write them while the next step adds to these.
        sources = [list(source) for source in self._sources]
        return {_SOURCES: sources, _FIELDS: [*self._fields], _TURNS: [*self._rows]}

    def unpack(self, kept: Any) -> Any:
        """The turns of a checkpoint; anything else is returned as it is."""
        if not isinstance(kept, dict) or kept.keys() != _KEPT:
            return kept
        sources, fields = kept[_SOURCES], kept[_FIELDS]
        try:
            turns = [_unpack_turn(row, sources, fields) for row in kept[_TURNS]]
            self._turns, self._rows, self._sizes = [*turns], [*kept[_TURNS]], _sizes(kept[_TURNS])
            self._sources = {(url, title): n for n, (url, title) in enumerate(sources)}
            self._fields = {name: n for n, name in enumerate(fields)}
        except (TypeError, ValueError, LookupError, AttributeError):
            return kept  # made by another program
        return turns

    def _keep(self, count: int) -> None:
        """Forget all turns but the first ones, and what they alone cite."""
        del self._turns[count:], self._rows[count:], self._sizes[count:]
        sources, fields = self._sizes[-1] if count else (0, 0)
        while len(self._sources) > sources:
            self._sources.popitem()
        while len(self._fields) > fields:
            self._fields.popitem()


def _sizes(rows: list[Any]) -> list[tuple[int, int]]:
    """How many sources and fields there are behind each of the packed turns."""
    sizes, sources, fields = list[tuple[int, int]](), 0, 0
    for row in rows:
        for source, *names in row[_CITED] if _has_rows(row) else ():
            if source >= sources:
                sources = source + 1
            for name in names:
                if isinstance(name, int) and name >= fields:
                    fields = name + 1
        sizes.append((sources, fields))
    return sizes


def unpack_turns(kept: Any) -> Any:
    """The turns of a checkpoint; anything else is returned as it is."""
    return TurnTable().unpack(kept)


def _count_same(known: list[Any], turns: list[Any]) -> int:
    """How many turns at the beginning are known, being the same objects."""
    count = 0
    for one, other in zip(known, turns, strict=False):
        if one is not other:
            break
        count += 1
    return count


# --- one turn ------------------------------------------------------------------------------------


def _pack_turn(
    turn: Any, sources: dict[tuple[str, str | None], int], fields: dict[str, int]
) -> Any:
    cited = turn.get(_CITATIONS) if isinstance(turn, dict) else None
    if not isinstance(cited, list) or not cited:
        return turn
    if not all(_is_usual(one, number) for number, one in enumerate(cited, start=1)):
        return turn
    rows: list[list[Any]] = []
    for one in cited:
        row = [sources.setdefault((one["url"], one["title"]), len(sources))]
        row += [fields.setdefault(name, len(fields)) for name in one["fields"]]
        rows.append([*row, one["excerpts"]] if "excerpts" in one else row)
    return _replace(turn, _CITATIONS, _CITED, rows)


def _is_usual(one: Any, number: int) -> bool:
    """Whether it is a citation as this package makes it, so that its row says all of it."""
    if not isinstance(one, dict) or tuple(one) not in (_PLAIN, _WITH_EXCERPTS):
        return False
    at, url, title, fields = one["number"], one["url"], one["title"], one["fields"]
    return (
        (type(at) is int and at == number)
        and isinstance(url, str)
        and (title is None or isinstance(title, str))
        and isinstance(fields, list)
        and all(isinstance(name, str) for name in fields)
        and isinstance(one.get("excerpts", []), list)
    )


def _unpack_turn(row: Any, sources: list[Any], fields: list[str]) -> Any:
    if not _has_rows(row):
        return row
    cited = [_citation(number, one, sources, fields) for number, one in enumerate(row[_CITED], 1)]
    return _replace(row, _CITED, _CITATIONS, cited)


def _has_rows(row: Any) -> bool:
    return isinstance(row, dict) and _CITED in row


def _citation(number: int, row: list[Any], sources: list[Any], fields: list[str]) -> dict[str, Any]:
    source, *names = row
    excerpts = names.pop() if names and isinstance(names[-1], list) else None
    (url, title), cited = sources[source], [fields[name] for name in names]
    one = {"number": number, "url": url, "title": title, "fields": cited}
    return one if excerpts is None else {**one, "excerpts": excerpts}


def _replace(turn: dict[str, Any], name: str, new: str, value: Any) -> dict[str, Any]:
    """The turn with another key in the place of one."""
    return {new if key == name else key: value if key == name else one for key, one in turn.items()}
