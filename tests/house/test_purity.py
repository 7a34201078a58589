"""The science is pure, and its sources say so: no floats, no libm, no clock, no chance, no order of a set.

Columns hold int64. There alone a float64 may guess an integer, by operations that IEEE 754 rounds in one way only, and only where
integers or a bound on the error decide: so of numpy nothing is let in whose last bit is the machine's.
"""

import ast
from pathlib import Path

import pytest

SCIENCE = Path(__file__).resolve().parents[2] / "science"

# What the science may import. A newcomer is added here with open eyes: the same bits on every machine, and no world.
ALLOWED = {
    *(
        "__future__",
        "abc",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "enum",
        "fractions",
        "functools",
        "hashlib",
    ),
    *(
        "heapq",
        "importlib",
        "itertools",
        "math",
        "msgspec",
        "operator",
        "pkgutil",
        "re",
        "science",
        "types",
        "typing",
    ),
}
INTEGER_MATH = {
    "comb",
    "factorial",
    "gcd",
    "isqrt",
    "lcm",
    "perm",
    "prod",
}  # all the rest of math is floating point
FOREIGN = {"columns": {"numpy"}, "research": {"numpy", "scipy", "math", "random", "statistics"}}
BANNED_CALLS = {
    *(
        "float",
        "complex",
        "round",
        "pow",
        "hash",
        "id",
        "open",
        "print",
        "input",
        "eval",
        "exec",
        "__import__",
    ),
}
# By a library of the machine, in an order of its own, or in another width.
BANNED_NUMPY = {
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "cbrt", "hypot"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
    *(
        "mean",
        "average",
        "std",
        "var",
        "median",
        "quantile",
        "percentile",
        "dot",
        "matmul",
        "inner",
        "einsum",
    ),
    *("linalg", "random", "fft", "float16", "float32", "longdouble", "complex128", "true_divide"),
}
ORDERED_BY = {
    "sorted",
    "min",
    "max",
    "len",
    "sum",
    "any",
    "all",
    "set",
    "frozenset",
    "Counter",
}  # no order comes out


def offences(source: str, foreign: frozenset[str] = frozenset()) -> list[str]:
    """What in this source is not pure; ``foreign`` are modules that this folder may import besides."""
    tree = ast.parse(source)
    found = [
        f"line {getattr(node, 'lineno', 0)}: {offence}"
        for node in ast.walk(tree)
        if (offence := _offence(node, foreign)) is not None
    ]
    return sorted(found)


def _offence(node: ast.AST, foreign: frozenset[str]) -> str | None:
    match node:
        case ast.Constant(value=float() | complex()):
            return "a floating-point literal"
        case ast.BinOp(op=ast.Div(), right=right) if not _is_text(right):
            return "true division gives a float"  # with a text it is a path
        case ast.BinOp(op=ast.Pow()) | ast.AugAssign(op=ast.Pow()):
            return "** may give a float: multiply, or shift"
        case ast.AugAssign(op=ast.Div()):
            return "true division gives a float"
        case ast.BinOp(op=ast.MatMult()):
            return "@ adds floats in an order of its own"
        case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in BANNED_NUMPY:
            return f"np.{name} differs between machines"
        case ast.Import(names=names):
            return _imports({alias.name for alias in names}, foreign, whole=True)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            return _imports({module}, foreign, whole=False) or _from_math(module, names, foreign)
        case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
            return f"{name}() is not the same everywhere"
        case ast.Call(func=func, args=arguments) if not _is_orderless(func):
            return "the order of a set comes out" if any(map(_is_set, arguments)) else None
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated) | ast.Starred(value=iterated) if (
            _is_set(iterated)
        ):
            return "the order of a set comes out"
    return None


def _imports(names: set[str], foreign: frozenset[str], *, whole: bool) -> str | None:
    strangers = {name for name in names if name.partition(".")[0] not in ALLOWED | foreign}
    if strangers:
        return f"imports {', '.join(sorted(strangers))}"
    return (
        "import math whole: its floating-point half comes along"
        if whole and "math" in names - foreign
        else None
    )


def _from_math(module: str, names: list[ast.alias], foreign: frozenset[str]) -> str | None:
    floating = {alias.name for alias in names} - INTEGER_MATH
    return (
        f"math.{min(floating)} differs between machines" if module == "math" and floating - foreign else None
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_set(left) or _is_set(right)
    return False


def _is_orderless(func: ast.expr) -> bool:
    """Whether what is called takes a set without showing its order; our own functions (``_product``) are trusted to."""
    match func:
        case ast.Name(id=name):
            return name in ORDERED_BY or name not in {
                "list",
                "tuple",
                "enumerate",
                "iter",
                "next",
                "map",
                "zip",
                "filter",
            }
        case ast.Attribute(attr=name):
            return name not in {"join", "extend", "fromkeys"}
    return True


def modules() -> list[Path]:
    """Every source of the science."""
    return sorted(SCIENCE.rglob("*.py"))


def foreign_of(path: Path) -> frozenset[str]:
    """What the folder of a module may import besides: columns numpy, research the float world."""
    return frozenset(FOREIGN.get(path.relative_to(SCIENCE).parts[0], set()))


def test_the_science_is_found() -> None:
    """An empty check would pass."""
    assert len(modules()) > 15


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SCIENCE)))
def test_the_science_is_pure(path: Path) -> None:
    """No module holds anything whose result depends on the machine, the moment or chance."""
    if path.relative_to(SCIENCE).parts[0] == "research":
        pytest.skip("research is off the official path: floats are its business")
    assert offences(path.read_text(), foreign_of(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 0.5",
        "x = 1e6",
        "x = 2j",
        "x = a / b",
        "x /= 2",
        "x = a ** b",
        "x = a @ b",
        "x = np.log(a)",
        "x = np.random.default_rng()",
        "x = a.astype(np.float32)",
        "x = 2 ** 0.5",
        "x **= 2",
        "import math",
        "from math import exp",
        "from math import isqrt, log",
        "from math import sin, erf",
        "import statistics",
        "import random",
        "import time",
        "from datetime import datetime",
        "import os.path",
        "import numpy as np",
        "from scipy.stats import norm",
        "import decimal",
        "import secrets",
        "import json",
        "x = hash(y)",
        "x = id(y)",
        "x = pow(a, b)",
        "x = float(y)",
        "x = round(y)",
        "print(1)",
        "open('x')",
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "for x in frozenset(y) | z: pass",
        "x = [a for a in {b for b in c}]",
        "x = list(set(y))",
        "x = tuple({1, 2})",
        "x = [*{1, 2}]",
        "x = ','.join({a for a in b})",
        "for i, x in enumerate(set(y)): pass",
        "d = dict.fromkeys(set(y))",
    ],
)
def test_the_check_bites(source: str) -> None:
    """Each of the forbidden things is found where it is planted, also deep inside a function."""
    assert len(offences(source)) >= 1
    assert len(offences(f"def f(a, b):\n    if a:\n        {source}")) >= 1


@pytest.mark.parametrize(
    "source",
    [
        "from math import isqrt, gcd",
        "x = a // b",
        "x = 1 << 32",
        "x = files('science') / 'norms'",
        "x = sorted(set(y))",
        "x = a in {1, 2}",
        "for x in sorted({1, 2}): pass",
        "x = len({a for a in b})",
        "x = 'a string with 0.5 and hash(x)'",
    ],
)
def test_the_check_lets_the_exact_through(source: str) -> None:
    """Integers, paths, and sets whose order does not come out."""
    assert offences(source) == []


def test_columns_may_hold_numpy_and_nobody_else() -> None:
    """int64 columns take the same steps as the integers; scipy has no place on the official path."""
    assert foreign_of(SCIENCE / "columns" / "exact.py") == {"numpy"}
    assert offences("import numpy as np", frozenset({"numpy"})) == []
    assert offences("import scipy", frozenset({"numpy"})) != []
    assert foreign_of(SCIENCE / "exact.py") == frozenset()
