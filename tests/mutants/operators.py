"""The small changes that are made to a module, one at a time.

Rule: a change is made where a mistake costs something: in conditions, numbers, what is returned, and what is
done at all. Texts, annotations, decorators and logging stay as they are.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Change: TypeAlias = tuple[ast.AST, str]
"""A node, and the source that takes its place."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    line: int
    before: str
    """The lines that are changed."""
    after: str
    source: str


_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}


def _expression(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _compare(node: ast.Compare) -> Iterator[Change]:
    """`<` or `<=`, `is` or `is not`, and so on; one of several values that are compared with."""
    for nth, operator in enumerate(node.ops):
        changed = copy.deepcopy(node)
        changed.ops[nth] = _COMPARED[type(operator)]()
        yield node, _expression(changed)
        if isinstance(among := node.comparators[nth], ast.Tuple | ast.List):
            yield from _fewer(among)


def _fewer(node: ast.Tuple | ast.List | ast.Set) -> Iterator[Change]:
    """A collection without one of its values."""
    for nth in range(len(node.elts) if len(node.elts) > 1 else 0):
        changed = copy.deepcopy(node)
        del changed.elts[nth]
        yield node, ast.unparse(changed)


def _operand(node: ast.BoolOp) -> Iterator[Change]:
    """`and`, `or` without one of its operands, which shows whether each of them matters."""
    for nth in range(len(node.values)):
        rest = [value for other, value in enumerate(node.values) if other != nth]
        yield node, _expression(ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0])


def _calculation(node: ast.BinOp) -> Iterator[Change]:
    """`+` or `-`, `*` or `/`."""
    other = _CALCULATED.get(type(node.op))
    if other and not any(isinstance(side, ast.JoinedStr) for side in (node.left, node.right)):
        yield node, _expression(ast.BinOp(node.left, other(), node.right))


def _without_not(node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.Not):
        yield node, _expression(node.operand)


def _constant(node: ast.Constant) -> Iterator[Change]:
    """A bool turned round, another number."""
    if isinstance(node.value, bool):
        yield node, str(not node.value)
    elif isinstance(node.value, int):
        yield node, str(node.value + 1)
    elif isinstance(node.value, float):
        yield node, str(node.value * 2 or 1.0)


def _singleton(node: ast.MatchSingleton) -> Iterator[Change]:
    if node.value is not None:
        yield node, str(not node.value)


def _negated(test: ast.expr) -> Iterator[Change]:
    """A condition turned round, unless the rules above change it as much."""
    is_covered = isinstance(test, ast.Compare | ast.BoolOp | ast.Constant)
    if not is_covered and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
        yield test, f"(not {_expression(test)})"


def _condition(node: ast.If | ast.While | ast.IfExp) -> Iterator[Change]:
    yield from _negated(node.test)


def _guard(node: ast.match_case) -> Iterator[Change]:
    if node.guard:
        yield from _negated(node.guard)


def _filter(node: ast.comprehension) -> Iterator[Change]:
    for test in node.ifs:
        yield from _negated(test)


def _returned(node: ast.Return) -> Iterator[Change]:
    """Nothing is returned; or the function goes on."""
    if node.value is None:
        yield node, "pass"
    elif not isinstance(node.value, ast.Constant):
        yield node, "return None"


def _removed(node: ast.stmt) -> Iterator[Change]:
    yield node, "pass"


def _removed_call(node: ast.Expr) -> Iterator[Change]:
    called = node.value.func if isinstance(node.value, ast.Call) else None
    is_log = called is not None and ast.unparse(called).startswith("_LOG.")
    if not is_log and not isinstance(node.value, ast.Constant):
        yield node, "pass"


def _removed_assignment(node: ast.Assign) -> Iterator[Change]:
    """Only of what is there before: to leave out the first one is an error in any case."""
    if any(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
        yield node, "pass"


# Each kind of node, and the functions that yield its changes.
OPERATORS: dict[type[ast.AST], tuple[Callable[..., Iterator[Change]], ...]] = {
    ast.Compare: (_compare,),
    ast.Set: (_fewer,),
    ast.BoolOp: (_operand,),
    ast.BinOp: (_calculation,),
    ast.UnaryOp: (_without_not,),
    ast.Constant: (_constant,),
    ast.MatchSingleton: (_singleton,),
    ast.If: (_condition,),
    ast.While: (_condition,),
    ast.IfExp: (_condition,),
    ast.match_case: (_guard,),
    ast.comprehension: (_filter,),
    ast.Return: (_returned,),
    ast.Expr: (_removed_call,),
    ast.Assign: (_removed_assignment,),
    ast.AugAssign: (_removed,),
    ast.Raise: (_removed,),
    ast.Continue: (_removed,),
    ast.Break: (_removed,),
    ast.Delete: (_removed,),
}


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    changes = [change for node in _walk(tree) for change in _changes(node)]
    for node, text in sorted(changes, key=lambda change: _place(change[0])):
        yield _apply(source, node, text)


def _changes(node: ast.AST) -> Iterator[Change]:
    for operator in OPERATORS.get(type(node), ()):
        yield from operator(node)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes whose change could be a mistake in what the package does."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                yield from _walk(child)


def _is_left_alone(node: ast.AST) -> bool:
    # Before Python 3.12 nothing in an f-string has its own place in the source.
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"


def _place(node: ast.AST) -> tuple[int, int, int, int]:
    place = (
        getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
    )
    line, column, end_line, end_column = place
    return line, column, end_line, end_column


def _apply(source: str, node: ast.AST, text: str) -> Mutant:
    line, column, end_line, end_column = _place(node)
    lines = source.encode().splitlines(keepends=True)  # columns count bytes
    before = lines[line - 1 : end_line]
    after = before[0][:column] + text.encode() + before[-1][end_column:]
    changed = b"".join([*lines[: line - 1], after, *lines[end_line:]])
    return Mutant(line, _one_line(b"".join(before)), _one_line(after), changed.decode())


def _one_line(source: bytes) -> str:
    return " ".join(source.decode().split())
