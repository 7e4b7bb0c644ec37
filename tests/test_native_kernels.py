"""Blocks and whole kernels of the native compiler, from programs of nodes, against NumPy."""

import ctypes

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import llvmlite.binding as llvm
from templates import W, compiled, doubles, expected, inputs_of, template
from threads import THREAD_LOOP

from jaxmle._native.codegen.block import emit_nodes
from jaxmle._native.codegen.entry import GRID
from jaxmle._native.codegen.interleaved_kernel import InterleavedKernelEmitter
from jaxmle._native.codegen.kernel import thread_kernel, vector_kernel
from jaxmle._native.codegen.module import assemble_module
from jaxmle._native.codegen.schedule import number_passes, schedule
from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import FLOAT, reachable
from jaxmle._native.ir.program import FitProgram
from jaxmle._native.passes.simplify import RULES
from jaxmle._native.runtime import cpu

# --- blocks ----------------------------------------------------------------------------------------------


def softmax(graph):
    """A sum of exp(eta - max eta), then one of what is divided by it: three passes, each of which needs the one before."""
    make = graph.make
    (a, *_), (x, y, _) = inputs_of(graph)
    eta = make("mul", a, x)
    shifted = make("exp", make("sub", eta, graph.typed("rmax", eta)))
    total = graph.typed("rsum", shifted)
    share = make("div", shifted, total)
    return shifted, [graph.typed("rsum", make("mul", share, make("tanh", y)))]


def test_a_schedule_has_a_pass_for_each_sum_that_another_needs():
    graph = Graph(RULES)
    shifted, outputs = softmax(graph)
    nodes = reachable(outputs)
    number = number_passes(nodes)
    stages = schedule(nodes, number, [], {})
    assert [len(s.ends) for s in stages if s.ends] == [1, 1, 1]
    keeps = [x for s in stages for x in s.keep]
    assert shifted in keeps  # costly, and needed by two passes
    assert all(number[a] <= number[x] for x in nodes for a in x.args)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("way", ["one row at a time", "vectors", "interleaved"])
def test_a_block_of_dependent_sums(way, reverse):
    """Sums that take other sums; a running number in several of them runs once, in its direction."""
    graph, t = Graph(RULES), template(way)
    _, outputs = softmax(graph)
    make = graph.make
    (a, b, _), (x, *_) = inputs_of(graph)
    line = make("linear", b, make("tanh", a), x, attr=reverse)
    outputs += [make("rsum", make("exp", make("mul", line, graph.const(0.1)))), make("add", outputs[0], b)]
    for _ in range(2):
        outputs.append(make("rsum", make("tanh", make("mul", line, outputs[-1]))))
    out, _, _ = t(lambda scope: emit_nodes(scope, outputs), outputs)
    for lane in range(t.lanes):
        np.testing.assert_allclose(out[:, lane], expected(outputs, t, lane), rtol=1e-12)


# --- kernels ---------------------------------------------------------------------------------------------


def newton(graph):
    """The mean of exp(x / 2) y + z by steps that take a share of what is left, z a number of the data set.

    State: the mean so far, the steps. It ends when the step is small, or after 40.
    """
    make = graph.make
    now, steps = (graph.leaf("state", i, FLOAT, False, False) for i in range(2))
    x, y = (graph.leaf("load", i, FLOAT, True, True) for i in range(2))
    z = graph.leaf("number", 0, FLOAT, False, True)
    row = make("add", make("mul", make("exp", make("mul", x, graph.const(0.5))), y), z)
    apart = make("div", make("rsum", make("sub", row, now)), make("convert", graph.count(), attr=FLOAT))
    step = make("mul", apart, graph.const(0.75))
    new = [make("add", now, step), make("add", steps, graph.const(1.0))]
    small = make("lt", make("abs", make("sub", new[0], now)), graph.const(1e-9))
    done = make("or", small, make("ge", new[1], graph.const(40.0)))
    valid = [make("rand", make("gt", x, graph.const(-5.0)))]
    first = [z, graph.const(0.0)]
    ends = [now, steps, make("rsum", make("mul", row, now))]
    return FitProgram(valid, first, graph.const(False), new, done, ends)


def batch(rng, sets):
    """Data sets of several lengths, one without rows and one that is not valid."""
    lengths = rng.integers(1, 20, sets)
    lengths[2] = 0
    x, y = (doubles(rng, sets, 20) for _ in range(2))
    x[4, 0] = -6.0
    return x, y, doubles(rng, sets), lengths


def numpy_fits(x, y, z, lengths):
    out, left = np.zeros((3, len(x))), np.ones(len(x), np.uint8)
    for i, n in enumerate(lengths):
        if n and (x[i, :n] > -5).all():
            row = np.exp(x[i, :n] / 2) * y[i, :n] + z[i]
            now, steps, done = z[i], 0, False
            while not done:
                new = now + 0.75 * np.mean(row - now)
                done, now, steps = abs(new - now) < 1e-9 or steps + 1 >= 40, new, steps + 1
            out[:, i], left[i] = (now, steps, np.sum(row * now)), 0
    return out, left


def call_kernel(text, context, x, y, z, lengths):
    address = compiled(text).get_function_address("fit")
    out, left = np.zeros((3, len(x))), np.ones(len(x), np.uint8)
    offset, count = 20 * np.arange(len(x)), lengths.astype(np.int64)
    leaves = (ctypes.c_void_p * 3)(x.ctypes.data, y.ctypes.data, z.ctypes.data)
    scratch = np.full(max(context.lanes, len(x)) * context.buffers * 20 + 1, 7.0)
    pointers = [ctypes.addressof(leaves), *(a.ctypes.data for a in (offset, count, out, left, scratch))]
    cpu.CALL(address)(0, len(x), *pointers, 20, len(x))
    return out, left


KERNELS = {
    "vectors of rows": lambda p, layout: vector_kernel(p, layout, W, W),
    "two vectors of rows": lambda p, layout: vector_kernel(p, layout, 2 * W, W),
    "interleaved": lambda p, layout: InterleavedKernelEmitter(p, layout, W),
    "a thread each": thread_kernel,
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name):
    """More data sets than lanes, of other lengths and numbers of steps; those without rows or not valid are left alone."""
    rng = np.random.default_rng(9)
    emitter = KERNELS[name](newton(Graph(RULES)), Layout([Column(True, 1)] * 2, [Column(True, 1)]))
    text = emitter.text().replace(GRID, THREAD_LOOP)
    data = batch(rng, 13)
    out, left = call_kernel(text, emitter.context, *data)
    want, missing = numpy_fits(*data)
    np.testing.assert_array_equal(left, missing)
    fitted = missing == 0
    assert fitted.sum() == 11 and len(set(want[1, fitted])) > 1
    np.testing.assert_allclose(out[:, fitted], want[:, fitted], rtol=1e-12)


@pytest.mark.parametrize(
    "options", [(1, 1, False, False), (4, 4, False, True), (8, 4, True, False), (1, 8, False, False)]
)
def test_modules_are_well_formed(options):
    width, lanes, draft, sorts = options
    module = llvm.parse_assembly(
        assemble_module(["define void @f() {", "  ret void", "}"], "", width, lanes, draft, sorts)
    )
    module.verify()
    names = {f.name for f in module.functions}
    assert {f"jm.exp.{width}d", f"jm.exp.{lanes}d", "erf"} <= names and ("order" in names) == sorts
    assert ("jm.exp.16f" in names) == draft
