"""The small faults that can be put into a module: each a change of one expression or statement of its syntax tree.

Left alone are docstrings, annotations, messages of assertions, text inside f-strings, ``__slots__`` and the options of a class.
"""

import ast
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DROPPED_CALLS = {"sorted", "reversed", "abs"}
_CONTEXT = 12  # a change is told with at least so many characters
_PARTS = (ast.expr, ast.comprehension, ast.keyword, ast.arguments)

Step = tuple[
    ast.AST, str, int | None
]  # from a node to its child: the field, and the index where that is a list


class Place(NamedTuple):
    """A node, the function it is in, and the way to it."""

    function: str
    above: tuple[Step, ...]
    node: ast.AST


class Mutant(NamedTuple):
    """One fault: where it is, the change as ``before → after``, and the compiled module."""

    line: int
    function: str
    change: str
    code: CodeType


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Every fault of a module, in the order of its text."""
    tree = ast.parse(source)
    for place in list(_places(tree, "", ())):
        for replacement in _replacements(place.node):
            yield _mutant(path, tree, place, replacement)


def _mutant(path: str, tree: ast.Module, place: Place, replacement: ast.AST) -> Mutant:
    function, above, node = place
    shown = _shown(above, node)
    before = _said(shown)
    ast.copy_location(replacement, node)
    _put(above[-1], replacement)
    try:
        after = _said(replacement if shown is node else shown)
        code = compile(ast.fix_missing_locations(tree), path, "exec")
    finally:
        _put(above[-1], node)
    line = next(
        one.lineno for one in (node, *(step[0] for step in reversed(above))) if hasattr(one, "lineno")
    )
    return Mutant(line, function or "module", f"{before} → {after}", code)


def _put(step: Step, node: ast.AST) -> None:
    parent, field, index = step
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _said(node: ast.AST) -> str:
    """The first line of what a node says."""
    return ast.unparse(node).strip().splitlines()[0]


def _shown(above: Sequence[Step], node: ast.AST) -> ast.AST:
    """The node, or the expression or statement around it that is long enough to tell where it is."""
    shown = node
    for parent, _, _ in reversed(above):
        if len(ast.unparse(shown)) >= _CONTEXT or not isinstance(shown, _PARTS):
            break
        if not isinstance(parent, (*_PARTS, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)):
            break
        shown = parent
    return shown


# ------------------------------------------------------------------------------------------------------ what is looked at


def _places(node: ast.AST, function: str, above: tuple[Step, ...]) -> Iterator[Place]:
    if above:
        yield Place(function, above, node)
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}" if function else node.name
    for field, value in ast.iter_fields(node):
        if _is_left_alone(node, field):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield from _places(child, function, (*above, (node, field, index)))


def _is_left_alone(node: ast.AST, field: str) -> bool:
    match node:
        case ast.AnnAssign():
            return field in ("annotation", "target")
        case ast.arg() | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.FunctionDef():
            return field in ("returns", "decorator_list")
        case ast.ClassDef():
            return field in ("keywords", "bases", "decorator_list")
        case ast.Assert():
            return field == "msg"
        case ast.Subscript(value=ast.Name(id="Literal")):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__")]):
            return True
        case _:
            return field == "ctx"


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


# ------------------------------------------------------------------------------------------------------------ the faults


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for compared in _COMPARISONS[type(op)]:
                    yield ast.Compare(
                        node.left, [*ops[:place], compared(), *ops[place + 1 :]], node.comparators
                    )
        case ast.BinOp(op=ast.BitOr()):
            yield node.left
            yield node.right
        case ast.BinOp():
            for other in _ARITHMETIC.get(type(node.op), ()):
                yield ast.BinOp(node.left, other(), node.right)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for place in range(len(node.values)):
                left = [*node.values[:place], *node.values[place + 1 :]]
                yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant():
            yield from _other_constants(node.value)
        case ast.Call():
            yield from _other_calls(node)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.stmt():
            yield from _other_statements(node)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.match_case():
            yield ast.match_case(node.pattern, ast.Constant(value=False), node.body)
        case _:
            pass


def _other_constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case str():
            yield ast.Constant(value + "X")
        case bytes():
            yield ast.Constant(value + b"X")
        case _:
            pass


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    if isinstance(node.func, ast.Name):
        if node.func.id in _CALLS:
            yield ast.Call(ast.Name(_CALLS[node.func.id], ast.Load()), node.args, node.keywords)
        if node.func.id in _DROPPED_CALLS:
            yield node.args[0]


def _other_statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Expr() | ast.AugAssign() | ast.Assert() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            for other in _ARITHMETIC[type(op)]:
                yield ast.AugAssign(node.target, other(), node.value)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Return(value=None) | ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.If(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), node.body, node.orelse)
