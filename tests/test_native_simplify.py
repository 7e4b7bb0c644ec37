"""Simplification in the native compiler: each rule by the identity that it uses, on random graphs evaluated by NumPy, and where it must not act."""

import numpy as np
import pytest
from graphs import evaluate, leaves, plain, random_nodes, same_values, values, varying

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, INT, reachable
from jaxmle._native.passes.finite import keep_nan
from jaxmle._native.passes.quotients import inverse_of
from jaxmle._native.passes.simplify import RULES, simplify
from jaxmle._native.passes.sqrt_powers import factors_of

SEEDS = range(20)


# --- rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_simplified_graphs_compute_the_same(seed):
    plain_nodes = random_nodes(plain(), np.random.default_rng(seed), 60)
    made = simplify(Graph(RULES), plain_nodes)
    same_values(plain_nodes, made, seed)


def test_simplified_graphs_are_less_work():
    """Of twenty random graphs the rows that each step computes cost a third less, and none costs more than a little."""
    before, after = [], []
    for seed in SEEDS:
        nodes = random_nodes(plain(), np.random.default_rng(seed), 60)
        before.append(varying(nodes))
        after.append(varying(simplify(Graph(RULES), nodes)))
    assert sum(after) < 0.67 * sum(before)
    assert np.all(np.array(after) <= 1.1 * np.array(before))


def simplest(make):
    """The result of `make` on a graph with rules, and the leaves: a and b uniform, x and y rows."""
    graph = Graph(RULES)
    (a, b, _), (x, y, _) = leaves(graph)
    return make(graph, a, b, x, y)


IDENTITIES = {
    "x + 0 = x": lambda g, a, b, x, y: (g.make("add", x, g.const(0.0)), x),
    "0 - x = -x": lambda g, a, b, x, y: (g.make("sub", g.const(0.0), x), g.make("neg", x)),
    "x - (-y) = x + y": lambda g, a, b, x, y: (g.make("sub", x, g.make("neg", y)), g.make("add", x, y)),
    "-(-x) = x": lambda g, a, b, x, y: (g.make("neg", g.make("neg", x)), x),
    "x * -1 = -x": lambda g, a, b, x, y: (g.make("mul", x, g.const(-1.0)), g.make("neg", x)),
    "a x + b x = (a + b) x": lambda g, a, b, x, y: (
        g.make("add", g.make("mul", a, x), g.make("mul", b, x)), g.make("mul", g.make("add", a, b), x)),
    "x y a = a y x": lambda g, a, b, x, y: (
        g.make("mul", g.make("mul", x, y), a), g.make("mul", g.make("mul", a, y), x)),
    "x / y = x * (1 / y)": lambda g, a, b, x, y: (
        g.make("div", x, y), g.make("mul", x, g.make("div", g.const(1.0), y))),
    "log(exp(x)) = x": lambda g, a, b, x, y: (g.make("log", g.make("exp", x)), x),
    "select(p, x, x) = x": lambda g, a, b, x, y: (g.make("select", g.make("lt", x, y), x, x), x),
    "select(not p, x, y) = select(p, y, x)": lambda g, a, b, x, y: (
        g.make("select", g.make("not", g.make("lt", x, y)), x, y), g.make("select", g.make("lt", x, y), y, x)),
    "exp(select(p, x, 0)) = select(p, exp(x), 1)": lambda g, a, b, x, y: (
        g.make("exp", g.make("select", g.make("lt", x, y), x, g.const(0.0))),
        g.make("select", g.make("lt", x, y), g.make("exp", x), g.const(1.0))),
    "max(x, x) = x": lambda g, a, b, x, y: (g.make("max", x, x), x),
    "x == max(x, y) is x >= y": lambda g, a, b, x, y: (
        g.make("eq", x, g.make("max", x, y)), g.make("ge", x, y)),
    "p and True = p": lambda g, a, b, x, y: (g.make("and", g.make("lt", x, y), g.const(True)), g.make("lt", x, y)),
    "p or True = True": lambda g, a, b, x, y: (g.make("or", g.make("lt", x, y), g.const(True)), g.const(True)),
    "all(p) = p for uniform p": lambda g, a, b, x, y: (g.make("rand", g.make("lt", a, b)), g.make("lt", a, b)),
    "2 + 3 = 5": lambda g, a, b, x, y: (g.make("add", g.const(2.0), g.const(3.0)), g.const(5.0)),
    "x -> 0 x + y is x -> y": lambda g, a, b, x, y: (
        g.make("linear", a, g.const(0.0), y, attr=False), g.make("linear", a, y, attr=False)),
    "x -> x + y from a ends in a + sum(y)": lambda g, a, b, x, y: (
        g.make("final", g.make("linear", a, g.const(1.0), y, attr=False), attr=0),
        g.make("add", a, g.make("rsum", y))),
}  # fmt: skip


@pytest.mark.parametrize("identity", IDENTITIES)
def test_identities(identity):
    made, expected = simplest(IDENTITIES[identity])
    assert made is expected


KEPT = {
    "exp(log(x)): NaN where x < 0": lambda g, a, b, x, y: (g.make("exp", g.make("log", x)), "exp"),
    "x / x: NaN where x = 0": lambda g, a, b, x, y: (g.make("div", x, x), "mul"),
    "max(x, y)": lambda g, a, b, x, y: (g.make("max", x, y), "max"),
    "a x + b y": lambda g, a, b, x, y: (g.make("add", g.make("mul", a, x), g.make("mul", b, y)), "add"),
    "select(p, x, y)": lambda g, a, b, x, y: (g.make("select", g.make("lt", x, y), x, y), "select"),
    "x == x: False where it is NaN": lambda g, a, b, x, y: (g.make("eq", x, x), "eq"),
    "x -> x / 2 + y": lambda g, a, b, x, y: (
        g.make("final", g.make("linear", a, g.const(0.5), y, attr=False), attr=0), "final"),
}  # fmt: skip


@pytest.mark.parametrize("expression", KEPT)
def test_what_is_not_an_identity_is_kept(expression):
    made, op = simplest(KEPT[expression])
    assert made.op == op


def test_equal_nodes_are_one():
    graph = Graph(RULES)
    (a, *_), (x, y, _) = leaves(graph)
    assert graph.make("add", x, y) is graph.make("add", y, x)
    assert graph.make("sub", x, y) is not graph.make("sub", y, x)
    assert graph.const(0.0) is not graph.const(-0.0) and graph.const(1) is not graph.const(1.0)
    assert graph.make("mul", a, x).row and not graph.make("mul", a, x).invariant and x.invariant


# --- products with 0 -------------------------------------------------------------------------------------


def with_zeros(graph, rng, size):
    """Sums and products of rows and of their logarithms, many of them by 0."""
    states, columns = leaves(graph)
    pool = [*columns, *states, *(graph.const(c) for c in (0.0, 0.0, 0.0, 1.0, -1.0))]
    make = graph.make
    ways = [
        lambda a, b: make("add", a, b), lambda a, b: make("sub", a, b), lambda a, b: make("mul", a, b),
        lambda a, b: make("neg", a), lambda a, b: make("log", a), lambda a, b: make("mul", a, graph.const(0.0)),
        lambda a, b: make("select", make("lt", columns[0], states[0]), a, b), lambda a, b: make("tanh", a),
        lambda a, b: make("sub", a, a), lambda a, b: make("div", graph.const(0.0), b),
    ]  # fmt: skip
    while len(pool) < size:
        pool.append(ways[rng.integers(len(ways))](*(pool[rng.integers(len(pool))] for _ in range(2))))
    return pool[-8:]


def spoiled(seed):
    """Inputs with an infinite row, one that is NaN, and zeros."""
    inputs = values(np.random.default_rng((seed, 1)), 12)
    for i, bad in enumerate((np.inf, np.nan, 0.0)):
        inputs["load", i][3 * i : 3 * i + 2] = bad
    return inputs


def checked(graph, seed):
    """Which rows meet the conditions under which the graph simplified; data sets with others are left to the lanes."""
    held = evaluate([*graph.guards], spoiled(seed), 12)
    return np.all([np.ones(12, bool), *(np.broadcast_to(x, 12) for x in held)], axis=0)


@pytest.mark.parametrize("seed", range(100))
def test_exact_graphs_keep_what_is_not_finite(seed):
    """0 x = 0 for a finite x only."""
    before = with_zeros(plain(), np.random.default_rng(seed), 60)
    graph = Graph(RULES, exact=True)
    after = simplify(graph, before)
    rows = checked(graph, seed)
    for a, b in zip(evaluate(before, spoiled(seed), 12), evaluate(after, spoiled(seed), 12), strict=True):
        a, b = (np.broadcast_to(x, 12)[rows] for x in (a, b))
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))


@pytest.mark.parametrize("seed", range(100))
def test_nan_is_put_back(seed):
    """An inexact node with the NaN of the exact one: the number of one, where the other is one."""
    nodes = with_zeros(plain(), np.random.default_rng(seed), 60)
    graph = Graph(RULES)
    inexact = simplify(graph, nodes)
    exact = simplify(graph.exactly(), nodes)
    assert graph.inexact or exact == inexact
    mended = [keep_nan(graph, *pair) for pair in zip(exact, inexact, strict=True)]
    rows = checked(graph, seed)
    for a, b in zip(evaluate(exact, spoiled(seed), 12), evaluate(mended, spoiled(seed), 12), strict=True):
        a, b = (np.broadcast_to(x, 12)[rows] for x in (a, b))
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
        np.testing.assert_allclose(b[np.isfinite(a)], a[np.isfinite(a)], rtol=1e-9, atol=1e-9)


def test_zero_times_what_is_finite_is_zero():
    """In exact graphs too; and graphs that are not count where they use more than holds of all numbers."""
    for graph in (Graph(RULES), Graph(RULES, exact=True)):
        _, (x, *_) = leaves(graph)
        zero, k = graph.const(0.0), graph.leaf("load", 9, INT, True, True)
        bounded = graph.make("tanh", graph.make("convert", k, attr=FLOAT))
        assert graph.make("mul", zero, bounded) is zero and graph.inexact == 0
        assert graph.make("mul", graph.const(0), k).is_(0) and graph.inexact == 0
        made = graph.make("mul", zero, x)
        assert (made.op, graph.inexact) == (("times_zero", 0) if graph.exact else ("const", 1))


def test_an_exact_node_shares_the_inexact_one():
    """a (b + 0 x) is a b + 0 x, where that is NaN or not; not so where a choice decides whether it counts."""
    graph = Graph(RULES)
    (a, b, _), (x, y, _) = leaves(graph)
    row = graph.make("mul", graph.make("exp", graph.make("mul", a, y)), b)
    zero = graph.exactly().make("mul", graph.const(0.0), x)
    exact = graph.make("tanh", graph.make("add", row, zero))
    inexact = graph.make("tanh", row)
    assert keep_nan(graph, inexact, inexact) is inexact
    assert keep_nan(graph, exact, inexact) is graph.make("add", inexact, zero)
    chosen = graph.make("select", graph.make("lt", a, b), graph.make("add", row, zero), row)
    assert keep_nan(graph, chosen, row) is chosen


def test_a_factor_leaves_a_choice_only_where_it_is_finite():
    """select(p, a x, 0) = select(p, a, 0) x for finite x: of data it is a condition, of what steps change it is not done."""
    graph = Graph(RULES)
    (a, b, _), (x, y, _) = leaves(graph)
    p, zero = graph.make("lt", a, b), graph.const(0.0)
    shared = graph.make("select", p, graph.make("mul", a, x), zero)
    assert shared.op == "mul" and graph.guards == {graph.make("is_finite", x): True}
    running = graph.make("linear", b, a, y, attr=False)
    kept = graph.make("select", p, graph.make("mul", a, running), zero)
    assert kept.op == "select" and len(graph.guards) == 1


# --- powers of a root ------------------------------------------------------------------------------------


def test_powers_of_a_root():
    """sqrt(v) sqrt(v) = v, v / sqrt(v) = sqrt(v), where v is a variance; where it may be below 0 its root says so."""
    graph = Graph(RULES)
    x = graph.leaf("load", 0, FLOAT, True, True)
    state = graph.leaf("state", 0, FLOAT, False, False)
    positive = graph.make("add", graph.make("exp", state), graph.make("mul", x, x))
    unknown = graph.make("add", state, x)
    for v, merges in ((positive, True), (unknown, False)):
        root = graph.make("sqrt", v)
        inverse = graph.make("div", graph.const(1.0), root)
        assert (graph.make("mul", root, root) is v) == merges
        assert (graph.make("mul", root, inverse) is graph.const(1.0)) == merges
        assert (graph.make("mul", graph.make("div", graph.const(1.0), v), v).is_(1)) is False
        assert (graph.make("mul", inverse, v) is root) == merges
        assert (graph.make("mul", inverse, inverse) is inverse_of(graph, v)) == merges


@pytest.mark.parametrize("powers", [(1, 1), (1, -1), (1, -2), (1, 1, 1, -2), (-1, -1, -1), (2, 1, -2, -1)])
def test_powers_of_a_root_in_numbers(powers):
    def product(graph):
        (a, *_), (x, *_) = leaves(graph)
        v = graph.make("exp", graph.make("mul", a, x))
        root, one = graph.make("sqrt", v), graph.const(1.0)
        ways = {1: root, 2: v, -1: graph.make("div", one, root), -2: graph.make("div", one, v)}
        total = one
        for k in powers:
            total = graph.make("mul", total, ways[k])
        return graph.make("rsum", total)

    before = [product(plain())]
    after = simplify(Graph(RULES), before)
    same_values(before, after, 1)
    total = abs(sum(powers))  # v^(total / 2), of v or 1 / v and a root
    rows = [x.args[0] for x in reachable(after) if x.op == "rsum"]
    assert [len(factors_of(x)) for x in rows] == ([total // 2 + total % 2] if total else [])


# --- quotients -------------------------------------------------------------------------------------------


def test_quotients_share_a_division():
    """a / b = a * (1 / b), 1 / (b c) = (1 / b) (1 / c): of four quotients two divisions are left."""

    def quotients(graph):
        (a, b, _), (x, y, _) = leaves(graph)
        p, q = (graph.make("add", graph.make("mul", u, v), graph.const(5.0)) for u, v in ((a, x), (b, y)))
        ways = [(x, p), (y, p), (x, q), (y, graph.make("mul", p, q))]
        return [graph.make("rsum", graph.make("div", u, v)) for u, v in ways]

    before = quotients(plain())
    after = simplify(Graph(RULES), before)
    same_values(before, after, 2)
    assert [sum(x.op == "div" for x in reachable(nodes)) for nodes in (before, after)] == [4, 2]
