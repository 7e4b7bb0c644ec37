"""Templates of the native compiler: the code of each is compiled alone and run against NumPy."""

import ctypes
import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from templates import WAYS, Template, W, at, compiled, doubles, expected, inputs_of, run, template

from jaxmle._native.codegen.builder import Builder, iota, literal
from jaxmle._native.codegen.context import Context
from jaxmle._native.codegen.elements import emit_operation, from_double, to_double
from jaxmle._native.codegen.histogram import histogram
from jaxmle._native.codegen.lane_loop import emit_lane_loop
from jaxmle._native.codegen.loop import Carried, counted_loop, loop_over_rows
from jaxmle._native.codegen.recurrence import Recurrence, emit_recurrences
from jaxmle._native.codegen.reductions import NEUTRAL, combine, fold
from jaxmle._native.codegen.row_pass import emit_row_pass
from jaxmle._native.codegen.sorting import emit_sorts
from jaxmle._native.codegen.vector_math import ELEMENTARY
from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT
from jaxmle._native.passes.simplify import RULES

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


# --- loops -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "stop", "step", "visited"), [
    (0, 5, 1, [0, 1, 2, 3, 4]), (4, 0, -1, [4, 3, 2, 1, 0]), (0, 7, 3, [0, 3, 6]), (2, 2, 1, []),
])  # fmt: skip
def test_counted_loops(start, stop, step, visited):
    """Of the turns i the number x -> 3 x + i: their order matters; and the index after the last."""
    out = np.zeros(2)

    def body(b):
        carried = [Carried("double", "%x")]
        b.emit("  store double 1.0, ptr %x, align 64")

        def turn(i, old):
            return [b.op("fadd", b.op("fmul", old[0], b.const(3.0)), b.let(f"sitofp i64 {i} to double"))]

        end = counted_loop(b, str(start), str(stop), step, carried, turn)
        b.emit(f"  store double {b.let('load double, ptr %x, align 64')}, ptr %a0")
        b.emit(f"  store double {b.let(f'sitofp i64 {end} to double')}, ptr {at(b, '%a0', 1)}")

    run(body, out, reals=(), allocas=["  %x = alloca double, align 64"])
    x = 1.0
    for i in visited:
        x = 3 * x + i
    assert out.tolist() == [x, start + step * len(visited)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 11, 16])
def test_loops_over_rows_visit_each_row_once(n, reverse):
    """Vectors and a masked rest: each row of a column is doubled, none beyond; turns go in the direction asked for."""
    x, order, out = np.arange(1.0, n + 1), np.full(n + 8, -1.0), np.zeros(n + 8)

    def body(b):
        v = b.with_width(W)
        b.emit("  store double 0.0, ptr %x, align 64")

        def turn(i, mask, old):
            m = mask or "<" + ", ".join(["i1 true"] * W) + ">"
            value = v.let(
                f"call <4 x double> @llvm.masked.load.v4f64.p0(ptr {at(v, '%a0', i)}, i32 8, <4 x i1> {m}, <4 x double> {v.const(9.0)})"
            )
            twice, when = v.op("fadd", value, value), v.splat(old[0], "double")
            for pointer, y in (("%a1", twice), ("%a2", when)):
                v.emit(
                    f"  call void @llvm.masked.store.v4f64.p0(<4 x double> {y}, ptr {at(v, pointer, i)}, i32 8, <4 x i1> {m})"
                )
            return [b.op("fadd", old[0], b.const(1.0))]

        loop_over_rows(b, "%i0", W, reverse, [Carried("double", "%x")], turn)

    run(body, x, out, order, n, reals=(), allocas=["  %x = alloca double, align 64"])
    np.testing.assert_array_equal(out, np.r_[2 * x, np.zeros(8)])
    turns = order[:n][::-1] if reverse else order[:n]
    np.testing.assert_array_equal(turns, np.arange(n) // W)
    assert (order[n:] == -1).all()


@pytest.mark.parametrize("op", NEUTRAL)
def test_reductions(op):
    """The neutral element, the combination of two vectors, and the elements of one."""
    rng = np.random.default_rng(1)
    kind = BOOL if op in ("rand", "ror") else FLOAT
    x = (rng.random((2, 8)) < 0.9).astype(float) if kind == BOOL else doubles(rng, 2, 8)
    out, node = np.zeros(2), Graph({}).leaf(op, None, kind, False, False)

    def body(b):
        v = b.with_width(8)
        parts = [
            from_double(v, v.let(f"load <8 x double>, ptr {at(v, '%a0', 8 * i)}, align 8"), kind) for i in range(2)
        ]
        start = v.const(NEUTRAL[op], v.base(kind))
        total = combine(v, node, combine(v, node, start, parts[0]), parts[1])
        for i, y in enumerate((total, start)):
            value = to_double(b, fold(b, node, y, 8, "double"), kind)
            b.emit(f"  store double {value}, ptr {at(b, '%a1', i)}")

    run(body, x, out, reals=())
    f = {"rsum": np.sum, "rmax": np.max, "rmin": np.min, "rand": np.all, "ror": np.any}[op]
    np.testing.assert_allclose(out, [float(f(x)), float(NEUTRAL[op])], rtol=1e-14)


def test_extremes_of_rows_keep_nan():
    x, out, node = np.array([1.0, np.nan, 3.0, 2.0]), np.zeros(1), Graph({}).leaf("rmax", None, FLOAT, False, False)

    def body(b):
        vector = b.let("load <4 x double>, ptr %a0, align 8")
        b.emit(f"  store double {fold(b, node, vector, W, 'double')}, ptr %a1")

    run(body, x, out, reals=())
    assert np.isnan(out[0])


# --- passes over rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_pass_for_sums(way):
    """Sums, extremes and truths of rows, and a row that is kept, in one pass."""
    graph, t = Graph(RULES), template(way)
    make = graph.make
    (a, b, _), (x, y, z) = inputs_of(graph)
    eta = make("add", make("mul", a, x), make("mul", b, y))
    kept = make("exp", eta)
    row = graph.leaf("row", None, INT, True, True)
    numbered = make("mul", make("convert", row, attr=FLOAT), make("tanh", eta))
    sums = [graph.typed("rsum", make("log1p", kept)), graph.typed("rsum", numbered), graph.typed("rmax", eta)]
    sums += [graph.typed("rmin", make("mul", z, b)), graph.typed("rand", make("gt", eta, graph.const(-9.0)))]
    sums += [graph.typed("ror", make("gt", z, a)), graph.typed("rsum", make("convert", make("gt", z, a), attr=INT))]
    out, scratch, scope = t(lambda scope: emit_row_pass(scope, sums, [kept], False), sums)
    for lane in range(t.lanes):
        want = expected([*sums, kept], t, lane)
        np.testing.assert_allclose(out[:, lane], np.array(want[:-1], float), rtol=1e-13)
        held = scratch[scope.stored[kept], : t.lengths[lane], lane]
        np.testing.assert_allclose(held, want[-1], rtol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_pass_for_running_numbers(way, reverse):
    """x -> a x + b with a uniform, with a of the row, and x -> b: before each row, and after the last."""
    graph, t = Graph(RULES), template(way)
    make = graph.make
    (a, b, _), (x, y, _) = inputs_of(graph)
    lines = [make("linear", a, b, x, attr=reverse), make("linear", b, make("tanh", y), x, attr=reverse)]
    lines.append(make("linear", a, y, attr=reverse))
    ends = [make("final", line, attr=0) for line in lines]
    ends += [graph.typed("rsum", make("mul", line, make("exp", x))) for line in lines]
    out, scratch, scope = t(lambda scope: emit_row_pass(scope, ends, lines, reverse), ends)
    for lane in range(t.lanes):
        want = expected([*ends, *lines], t, lane)
        np.testing.assert_allclose(out[:, lane], np.array(want[: len(ends)]), rtol=1e-12, atol=1e-13)
        for line, values in zip(lines, want[len(ends) :], strict=True):
            held = scratch[scope.stored[line], : t.lengths[lane], lane]
            np.testing.assert_allclose(held, values, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [1, 8, 13])
def test_a_pass_in_float32(n):
    """Twice as many rows in a vector, sums of float32 as float64 at the end."""
    graph = Graph(RULES)
    rng = np.random.default_rng(n)
    t = Template(doubles(rng, 1, 3, n), rng.normal(size=(1, 3)), [n], W, real="float")
    (a, b, _), (x, y, _) = inputs_of(graph)
    row = graph.make("log1p", graph.make("exp", graph.make("add", graph.make("mul", a, x), b)))
    sums = [graph.typed("rsum", row), graph.typed("rmax", graph.make("mul", a, y))]
    out, _, _ = t(lambda scope: emit_row_pass(scope, sums, [], False), sums)
    want = np.array(expected(sums, t, 0))
    np.testing.assert_allclose(out[:, 0], want, rtol=3e-6)
    assert (out[:, 0] != want).all()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("way", ["one row at a time", "vectors", "interleaved"])
def test_recurrences(way, reverse):
    """Two numbers that depend on each other: c -> tanh(c) + a d x, d -> max(d, y) - c / 2."""
    graph, t = Graph(RULES), template(way)
    make = graph.make
    (a, b, _), (x, y, _) = inputs_of(graph)
    c, d = (graph.carried(i, FLOAT, False) for i in range(2))
    after = [make("add", make("tanh", c), make("mul", make("mul", a, d), x))]
    after.append(make("sub", make("max", d, y), make("mul", c, graph.const(0.5))))
    loop = make("loop", b, a, *after, attr=reverse)
    nodes = [make("series", loop, attr=i) for i in range(2)] + [make("final", loop, attr=i) for i in range(2)]
    used = nodes[1:]  # the first series is not asked for
    out, scratch, scope = t(lambda scope: emit_recurrences(scope, [Recurrence(loop, used)]), [nodes[2], nodes[3]])
    assert nodes[0] not in scope.stored
    for lane in range(t.lanes):
        series, *ends = expected(used, t, lane)
        np.testing.assert_allclose(out[:, lane], ends, rtol=1e-13)
        np.testing.assert_allclose(scratch[scope.stored[nodes[1]], : t.lengths[lane], lane], series, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 5, 64, 100])
def test_sorts(n):
    """Keys with ties and NaN, in a stable order, NaN last; another column follows."""
    graph = Graph(RULES)
    rng = np.random.default_rng(n)
    data = np.round(doubles(rng, 1, 3, n), 1)
    data[0, 0, rng.random(n) < 0.2] = np.nan
    t = Template(data, np.zeros((1, 3)), [n], W)
    _, (x, y, _) = inputs_of(graph)
    sort = graph.make("sort", x, x, y)
    ranked = [graph.make("at_rank", sort, attr=i) for i in (1, 2)]

    def emit(scope):
        emit_row_pass(scope, [], [x, y], False)
        emit_sorts(scope, [(sort, ranked)])

    _, scratch, scope = t(emit, [])
    order = np.argsort(data[0, 0], kind="stable")
    for node, column in zip(ranked, data[0], strict=False):
        np.testing.assert_array_equal(scratch[scope.stored[node], :n, 0], column[order])


@pytest.mark.parametrize("seed", range(6))
def test_histograms(seed):
    """Counts below the number of rows, above it, below 0, and what is no whole number: each value as often as it comes."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    y = rng.poisson(3.0, n).astype(float) * (10 if seed == 1 else 1)
    y[rng.random(n) < 0.2 * (seed > 1)] += 0.5
    y[rng.random(n) < 0.2 * (seed > 2)] = -1.0
    y[-1] = n - seed % 2  # the first that is counted by itself, or the last of the table
    value, times, count = np.full(n + 1, np.nan), np.full(n + 1, np.nan), np.zeros(1, np.int64)

    def body(b):
        b.emit(histogram("%a0", "%i0", "%a1", "%a2", "%a3", "h"))

    run(body, y, value, times, count, n, reals=())
    found = {}
    for v, k in zip(value[: count[0]], times[: count[0]], strict=True):
        if k:
            found[v] = found.get(v, 0) + k
    assert found == {v: np.sum(y == v) for v in np.unique(y)}
    assert count[0] <= n + 1 and np.isnan(value[count[0] + 1 :]).all()


def test_lane_loops():
    """Code for one data set, for the lanes that run: their number of rows, a number and a truth of each lane."""
    running, numbers = np.array([1, 0, 1, 1], np.uint8), np.array([1.0, 2.0, -3.0, 4.0])
    offset, count, out = np.array([0, 5, 7, 8]), np.array([5, 2, 1, 3]), np.full((W, 3), -1.0)
    context, graph = Context(Layout([Column(True, 1)], []), W, W), Graph({})
    state = graph.leaf("state", 0, FLOAT, False, False)
    positive = graph.make("gt", state, graph.const(0.0))
    column = np.arange(11.0)

    def body(b):
        wide = b.with_width(W)
        b.emit("  %lane = add i64 0, 0\n  %b = add i64 0, 0")
        names = {state: wide.let("load <4 x double>, ptr %numbers, align 8")}
        names[positive] = wide.compare("ogt", names[state], wide.const(0.0))
        context.leaves = ["%column"]

        def inner(lane):
            values = [to_double(lane.builder, context.n, INT), lane.name(state)]
            first = lane.builder.let(f"load double, ptr {context.row_base[0]}")
            values[1] = lane.builder.op("fadd", values[1], first)
            values.append(to_double(lane.builder, lane.name(positive), BOOL))
            start = lane.builder.let(f"mul i64 {lane.lane}, 3")
            for i, x in enumerate(values):
                place = at(lane.builder, "%out", lane.builder.let(f"add i64 {start}, {i}"))
                lane.builder.emit(f"  store double {x}, ptr {place}")

        written = set()
        emit_lane_loop(context, wide, names, written, inner)
        assert written == {state, positive} and context.n == "%n"

    builder = Builder()
    body(builder)
    names = "ptr %running, ptr %numbers, ptr %offset, ptr %count, ptr %column, ptr %scratch, ptr %out"
    text = [f"define void @f({names}) {{", "entry:", *context.allocas, *builder.text, "  ret void", "}"]
    arrays = [running, numbers, offset, count, column, np.zeros(1), out]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))
    call(compiled("\n".join(text)).get_function_address("f"))(*(x.ctypes.data for x in arrays))
    want = np.c_[count, numbers + column[offset], numbers > 0]
    want[1] = -1.0
    np.testing.assert_array_equal(out, want)
