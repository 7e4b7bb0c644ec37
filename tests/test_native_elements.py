"""Templates of the native compiler for numbers and vectors: compiled alone and run against NumPy."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from templates import W, at, run

from jaxmle._native.codegen.builder import iota, literal
from jaxmle._native.codegen.elements import emit_operation, from_double, to_double
from jaxmle._native.codegen.loop import counted_loop
from jaxmle._native.codegen.vector_math import ELEMENTARY
from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT

# --- numbers and vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [0.0, -0.0, 1.5, 1e308, 5e-324, math.inf, -math.inf, math.nan])
def test_literals(x):
    out = np.zeros(2)

    def body(b):
        b.emit(f"  store double {literal(x)}, ptr %a0")
        value = b.let(f"fpext float {literal(x, 'float')} to double")
        b.emit(f"  store double {value}, ptr {at(b, '%a0', 1)}")

    run(body, out, reals=())
    np.testing.assert_array_equal(out[0], x)
    assert np.signbit(out[0]) == np.signbit(x)
    single = np.finfo(np.float32)
    expected = np.float64(np.float32(np.clip(x, -single.max, single.max))) if math.isfinite(x) else x
    np.testing.assert_array_equal(out[1], single.tiny if x == 5e-324 else expected)


def test_vectors_are_filled_and_shifted():
    x, out = np.arange(1.0, W + 1), np.zeros((4, W))

    def body(b):
        v = b.with_width(W)
        whole = v.let("load <4 x double>, ptr %a0, align 8")
        zero = v.const(0.0)
        results = [v.splat(v.let("load double, ptr %a0"), "double"), v.shifted(whole, zero, 1, False, "double")]
        results += [v.shifted(whole, zero, 2, True, "double"), v.const(-2.0)]
        for i, y in enumerate(results):
            v.emit(f"  store <4 x double> {y}, ptr {at(v, '%a1', i * W)}, align 8")

    run(body, x, out, reals=())
    np.testing.assert_array_equal(out, [[1, 1, 1, 1], [0, 1, 2, 3], [3, 4, 0, 0], [-2] * 4])
    assert iota(3) == "<i64 0, i64 1, i64 2>" and iota(1) == "0"


OPERATIONS = {
    FLOAT: {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum, "min": np.minimum,
        "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "floor": np.floor,
        "ceil": np.ceil, "sign": np.sign, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
        "gt": np.greater, "ge": np.greater_equal, "is_finite": np.isfinite, "rem": np.fmod, "sin": np.sin,
        "pow": np.power, "exp": np.exp,
    },
    INT: {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "neg": np.negative,
        "abs": np.abs, "eq": np.equal, "lt": np.less, "not": np.invert, "and": np.bitwise_and, "or": np.bitwise_or,
        "xor": np.bitwise_xor, "rem": lambda x, y: np.where(y == 0, 0, np.fmod(x, np.where(y == 0, 1, y))),
        "div": lambda x, y: np.where(y == 0, x, np.trunc(x / np.where(y == 0, 1, y))),
    },
    BOOL: {
        "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not, "max": np.logical_or,
        "min": np.logical_and, "eq": np.equal, "ne": np.not_equal,
    },
}  # fmt: skip
UNARY = {"neg", "abs", "sqrt", "rsqrt", "floor", "ceil", "sign", "is_finite", "sin", "exp", "not"}
SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, 3.7, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("width", [1, W])
@pytest.mark.parametrize("kind", OPERATIONS)
def test_operations_on_elements(kind, width):
    """Every operation on numbers of each kind, those that are not finite among them, as NumPy has it."""
    first, second = (x.ravel() for x in np.meshgrid(SPECIAL, SPECIAL))
    if kind != FLOAT:
        first, second = (np.where(np.isfinite(x), np.floor(x), 3.0) for x in (first, second))
    out = np.zeros((len(OPERATIONS[kind]), 64))
    graph = Graph({})

    def body(b):
        v = b.with_width(width)

        def turn(i, _):
            args = []
            for j in range(2):
                x = v.let(f"load {v.type('double')}, ptr {at(v, f'%a{j}', i)}, align 8")
                args.append(from_double(v, x, kind))
            for k, op in enumerate(OPERATIONS[kind]):
                operands = [graph.leaf("load", j, kind, True, True) for j in range(1 if op in UNARY else 2)]
                node = graph.typed(op, *operands)
                value = to_double(v, emit_operation(v, node, args[: len(operands)]), node.kind)
                place = at(v, "%a2", v.let(f"add i64 {i}, {k * 64}"))
                v.emit(f"  store {v.type('double')} {value}, ptr {place}, align 8")
            return []

        counted_loop(b, "0", "64", width, [], turn)

    names = {"sin": 1, "cos": 1, "fmod": 2, "pow": 2}
    libm = "".join(f"declare double @{f}({', '.join(['double'] * k)})\n" for f, k in names.items())
    run(body, first, second, out, widths=(width,), extra=libm)
    as_kind = {FLOAT: np.float64, INT: np.int64, BOOL: np.bool_}[kind]
    with np.errstate(all="ignore"):
        for (op, f), row in zip(OPERATIONS[kind].items(), out, strict=True):
            args = [x.astype(as_kind) for x in ((first,) if op in UNARY else (first, second))]
            np.testing.assert_allclose(row, np.asarray(f(*args), float), rtol=1e-15, err_msg=op)


@pytest.mark.parametrize(("start", "end"), [(FLOAT, INT), (INT, FLOAT), (BOOL, FLOAT), (BOOL, INT), (FLOAT, BOOL)])
def test_conversions(start, end):
    x, out = np.array([0.0, 1.0, 1.0, 0.0] if start == BOOL else [-2.7, 0.0, 3.0, 5.9]), np.zeros(W)
    graph = Graph({})
    node = graph.make("convert", graph.leaf("load", 0, start, True, True), attr=end)

    def body(b):
        v = b.with_width(W)
        value = from_double(v, v.let("load <4 x double>, ptr %a0, align 8"), start)
        v.emit(f"  store <4 x double> {to_double(v, emit_operation(v, node, [value]), end)}, ptr %a1, align 8")

    run(body, x, out, reals=())
    kinds = {FLOAT: float, INT: int, BOOL: bool}
    np.testing.assert_array_equal(out, x.astype(kinds[start]).astype(kinds[end]).astype(float))


EXACT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize("width", [1, W])
def test_elementary_functions(width, real):
    """Within 4 units in the last place of NumPy's in long double, in both precisions; the ends of the range too."""
    grid = np.r_[-np.logspace(-30, 30, 60), np.logspace(-30, 30, 60), np.linspace(-20, 20, 81), 0.0, -0.0, np.inf]
    grid = np.r_[grid, -np.inf, np.nan, np.full(-len(grid) % 4 + 2, 1.0)]
    grid = np.r_[grid, np.ones(-len(grid) % 4)]
    if real == "float":
        grid = grid.astype(np.float32).astype(float)
    out = np.zeros((len(ELEMENTARY), len(grid)))

    def body(b):
        v = b.with_width(width, real)

        def turn(i, _):
            x = from_double(v, v.let(f"load {v.type('double')}, ptr {at(v, '%a0', i)}, align 8"), FLOAT)
            for k, name in enumerate(ELEMENTARY):
                place = at(v, "%a1", v.let(f"add i64 {i}, {k * len(grid)}"))
                value = to_double(v, v.elementary(name, x), FLOAT)
                v.emit(f"  store {v.type('double')} {value}, ptr {place}, align 8")
            return []

        counted_loop(b, "0", str(len(grid)), width, [], turn)

    run(body, grid, out, widths=(width,), reals=(real,))
    kind = np.dtype(np.float64 if real == "double" else np.float32).type
    with np.errstate(all="ignore"):
        for name, row in zip(ELEMENTARY, out, strict=True):
            want = EXACT[name](grid.astype(np.longdouble)).astype(kind)
            small = np.abs(want) < np.finfo(kind).tiny
            apart = np.abs(row - want.astype(float)) / np.spacing(np.maximum(np.abs(want), np.finfo(kind).tiny))
            same = np.isnan(want) & np.isnan(row) | (row == want) | small & (row == 0)
            assert np.max(np.where(same, 0, apart)) <= 4, name
