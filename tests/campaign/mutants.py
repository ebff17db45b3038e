"""Small faults put into a module on purpose: each is one place where code is decided, counted or returned otherwise.

Texts are left alone (tests compare them as a whole), and so are annotations, decorators and descriptions.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault, and what the fault is: ``42: a < b -> a <= b``."""

    what: str
    tree: ast.Module


def count(text: str) -> int:
    """How many mutants a module has."""
    return sum(1 for node in _mutable(ast.parse(text)) for _ in _variants(node))


def mutants(text: str, first: int = 1, last: int | None = None) -> Iterator[Mutant]:
    """The mutants of a module, counted from 1, always in the same order."""
    tree = ast.parse(text)
    places = [(node, variant) for node in _mutable(tree) for variant in _variants(node)]
    for node, variant in places[first - 1 : last]:
        what = f"{_line(node)}: {ast.unparse(node):.90} -> {ast.unparse(variant):.90}"
        # A copy without the node: it is exchanged while it is copied.
        faulty = copy.deepcopy(tree, {id(node): copy.deepcopy(variant)})
        yield Mutant(" ".join(what.split()), ast.fix_missing_locations(faulty))


def _line(node: ast.AST) -> int:
    return int(getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0))


def _mutable(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run, in the order of the text."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment") or _is_description(value):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield part
                yield from _mutable(part)


def _is_description(value: object) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """The node with one fault each."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in _COMPARED:
            yield ast.Compare(left, [_COMPARED[type(operator)]()], right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _COMPUTED:
            yield ast.BinOp(left, _COMPUTED[type(operator)](), right)
        case ast.AugAssign(target, operator, value) if type(operator) in _COMPUTED:
            yield ast.AugAssign(target, _COMPUTED[type(operator)](), value)
        case ast.Constant(value) if isinstance(value, bool):
            yield ast.Constant(not value)
        case ast.Constant(value) if isinstance(value, int | float):
            yield ast.Constant(value + 1)
        case ast.Return(value) if value is not None and not _is_empty(value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(ast.Yield() | ast.YieldFrom()):
            yield ast.If(ast.Constant(False), [node], [])
        case ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.If(test, body, other) if _is_worth_negating(test):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, other)
        case ast.IfExp(test, body, other) if _is_worth_negating(test):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, other)
        case ast.comprehension(target, source, tests, is_async):
            for index in range(len(tests)):
                yield ast.comprehension(target, source, tests[:index] + tests[index + 1 :], is_async)


def _is_empty(value: ast.expr) -> bool:
    """Nothing, or what an if would not tell from it."""
    return isinstance(value, ast.Constant) and not value.value


def _is_worth_negating(test: ast.expr) -> bool:
    """An equality is turned around by its own mutant, and so is what is negated already."""
    return not isinstance(test, ast.UnaryOp) and not (
        isinstance(test, ast.Compare) and not isinstance(test.ops[0], _ORDERED)
    )
