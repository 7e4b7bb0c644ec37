"""Graphs of scalar expressions in NumPy: an evaluator, and random graphs to try passes on."""

import numpy as np

from jaxmle._native.ir.graph import NUMPY, Graph
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, cost, reachable

DTYPES = {FLOAT: np.float64, INT: np.int64, BOOL: np.bool_}
REDUCTIONS = {"rsum": np.sum, "rmax": np.max, "rmin": np.min, "rand": np.all, "ror": np.any}


def evaluate(outputs, inputs, rows):
    """Compute nodes by NumPy, as numbers or one number a row.

    Args:
        inputs: values by (op, attr) of a leaf.
        rows: how many.
    """
    made = {}
    with np.errstate(all="ignore"):
        for x in reachable(outputs, lambda x: x.op != "loop"):
            made[x] = _value(x, made, inputs, rows)
    return [made[x] for x in outputs]


def _value(x, made, inputs, rows):
    if x.op == "const":
        return DTYPES[x.kind](x.value)
    if (x.op, x.attr) in inputs:
        return inputs[x.op, x.attr]
    if x.op in ("count", "length"):
        return np.int64(rows)
    if x.op == "row":
        return np.arange(rows)
    if x.op == "loop":
        return _loop(x, inputs, rows)
    if x.op in ("series", "final") and x.args[0].op == "loop":
        return made[x.args[0]][x.op == "final"][x.attr]
    if x.op in ("linear", "final"):
        line = x.args[0] if x.op == "final" else x
        first, *parts = (made.get(a, None) for a in line.args)
        a, b = (np.broadcast_to(p, rows) for p in (parts if len(parts) == 2 else (0.0, *parts)))
        before, now = np.empty(rows), first
        for i in range(rows)[:: -1 if line.attr else 1]:
            before[i], now = now, a[i] * now + b[i]
        return now if x.op == "final" else before
    args = [made[a] for a in x.args]
    if x.op in REDUCTIONS:
        return REDUCTIONS[x.op](np.broadcast_to(args[0], rows) if x.attr is None else args[0])
    if x.op == "select":
        return np.where(*args)
    if x.op == "convert":
        return np.asarray(args[0]).astype(DTYPES[x.attr])
    if x.op == "div":
        return args[0] / args[1]
    if x.op == "sort":
        order = np.argsort(np.broadcast_to(args[0], rows), kind="stable")
        return [np.broadcast_to(a, rows)[order] for a in args]
    return args[0][x.attr] if x.op == "at_rank" else NUMPY[x.op](*args)


def _loop(loop, inputs, rows):
    """The numbers of a loop before each row, and after the last."""
    count = len(loop.args) // 2
    now = evaluate(loop.args[:count], inputs, rows)
    before = [[] for _ in now]
    for i in range(rows)[:: -1 if loop.attr else 1]:
        here = {k: v[i] if np.ndim(v) else v for k, v in inputs.items()}
        names = [x for x in reachable(loop.args[count:]) if x.op == "before"]
        here |= {("before", x.attr): now[x.attr[0]] for x in names}
        for held, value in zip(before, now, strict=True):
            held.append(value)
        now = evaluate(loop.args[count:], here, rows)
    return [np.array(x[:: -1 if loop.attr else 1]) for x in before], now


STATES, COLUMNS = 3, 3


def leaves(graph):
    """Three numbers of a state, and three columns of data."""
    states = [graph.leaf("state", i, FLOAT, False, False) for i in range(STATES)]
    return states, [graph.leaf("load", i, FLOAT, True, True) for i in range(COLUMNS)]


def values(rng, rows):
    """Random inputs for `leaves`."""
    inputs = {("state", i): rng.normal() for i in range(STATES)}
    return inputs | {("load", i): rng.normal(size=rows) for i in range(COLUMNS)}


def random_nodes(graph, rng, size):
    """Expressions of moderate size, made one of another; sums over the rows among them."""
    states, columns = leaves(graph)
    pool = [*states, *columns, *(graph.const(c) for c in (0.0, 1.0, -1.0, 2.0, 0.5))]
    make = graph.make

    def pick():
        return pool[rng.integers(len(pool))] if rng.random() < 0.5 else pool[-1 - rng.integers(min(4, len(pool)))]

    def positive(x):
        return make("add", make("mul", x, x), graph.const(0.5))

    ways = [
        lambda a, b: make("add", a, b), lambda a, b: make("sub", a, b), lambda a, b: make("mul", a, b),
        lambda a, b: make("neg", a), lambda a, b: make("div", a, positive(b)), lambda a, b: make("tanh", a),
        lambda a, b: make("exp", make("tanh", a)), lambda a, b: make("log", positive(a)),
        lambda a, b: make("mul", make("sqrt", positive(a)), b),
        lambda a, b: make("div", positive(a), make("sqrt", positive(a))),
        lambda a, b: make("select", make("lt", a, b), a, make("mul", a, b)),
        lambda a, b: make("select", make("lt", columns[0], columns[1]), make("mul", columns[2], a), graph.const(0.0)),
        lambda a, b: make("max", a, b), lambda a, b: make("log", make("exp", make("tanh", a))),
        lambda a, b: make("tanh", make("rsum", make("mul", a, b))),
    ]  # fmt: skip
    while len(pool) < size:
        pool.append(ways[rng.integers(len(ways))](pick(), pick()))
    return [make("rsum", x) if x.row else x for x in pool[-4:]]


def same_values(before, after, seed, rows=7):
    """Whether nodes compute the same, up to rounding in what they are made of."""
    for i in range(3):
        inputs = values(np.random.default_rng((seed, i)), rows)
        everything = evaluate(reachable(before, lambda x: x.op != "loop"), inputs, rows)
        scale = max(np.max(np.abs(x)) for x in everything if np.asarray(x).dtype == float)
        for a, b in zip(evaluate(before, inputs, rows), evaluate(after, inputs, rows), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9 * max(scale, 1.0))


def plain():
    """A graph that simplifies nothing."""
    return Graph({})


def varying(outputs):
    """The operations that a step does for each row."""
    return sum(cost(x) for x in reachable(outputs) if x.row and not x.invariant)


def size(outputs):
    return sum(x.op != "const" for x in reachable(outputs))
