"""Templates of the native compiler for loops and passes over rows: compiled alone and run against NumPy."""

import ctypes

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from templates import WAYS, Template, W, at, compiled, doubles, expected, inputs_of, run, template

from jaxmle._native.codegen.builder import Builder
from jaxmle._native.codegen.context import Context
from jaxmle._native.codegen.elements import from_double, to_double
from jaxmle._native.codegen.histogram import histogram
from jaxmle._native.codegen.lane_loop import emit_lane_loop
from jaxmle._native.codegen.loop import Carried, counted_loop, loop_over_rows
from jaxmle._native.codegen.recurrence import Recurrence, emit_recurrences
from jaxmle._native.codegen.reductions import NEUTRAL, combine, fold
from jaxmle._native.codegen.row_pass import emit_row_pass
from jaxmle._native.codegen.sorting import emit_sorts
from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT
from jaxmle._native.passes.simplify import RULES

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
