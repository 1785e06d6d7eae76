"""Working an explanation out again from its expressions alone, as a reader would."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worked_out(expression: str, known: Mapping[str, Fraction]) -> Fraction:
    """The value of `expression` over figures that are `known`; nothing but arithmetic is allowed."""
    return _value(ast.parse(expression, mode="eval").body, known)


def _value(node: ast.expr, known: Mapping[str, Fraction]) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value)
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, known), _value(node.right, known))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, known)
    assert isinstance(node, ast.Call), ast.dump(node)
    assert isinstance(node.func, ast.Name)
    values = [_value(one, known) for one in node.args]
    if node.func.id in {"ceil", "floor"}:
        (value,) = values
        return Fraction(ceil(value) if node.func.id == "ceil" else floor(value))
    assert node.func.id in {"max", "min"}
    return max(values) if node.func.id == "max" else min(values)
