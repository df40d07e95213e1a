"""What is wrong with a request, as a list, and the 422 made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .http_messages import ApiError

Loc: TypeAlias = tuple[str | int, ...]
_SHOWN = 20
"""Problems that the message repeats; `detail` has them all."""


@dataclass(frozen=True)
class Problem:
    """The path of a field, what is wrong with it, and pydantic's word for that."""

    loc: Loc
    msg: str
    type: str = "value_error"

    def below(self, *loc: str | int) -> Problem:
        """The same problem of a value that stands at `loc`."""
        return Problem((*loc, *self.loc), self.msg, self.type)


def invalid_request(problems: Sequence[Problem], part: str = "body") -> ApiError:
    """Build the 422 for these problems; each has an entry in `detail.errors`."""
    errors = [{"loc": [part, *p.loc], "msg": p.msg, "type": p.type} for p in problems]
    said = [
        f"{'.'.join(str(step)[:60] for step in p.loc) or part}: {p.msg}" for p in problems[:_SHOWN]
    ]
    return ApiError(422, f"Request validation error: {'; '.join(said)}", {"errors": errors})
