"""Passes of the native compiler: each by the identity that it uses, on random graphs evaluated by NumPy, and where it must not act."""

import numpy as np
import pytest
from graphs import evaluate, leaves, plain, random_nodes, same_values, values

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, INT, cost, reachable
from jaxmle._native.passes.finite import keep_nan
from jaxmle._native.passes.guards import assume, check_guards, find_guards, implied_by
from jaxmle._native.passes.product_sharing import multiplications, share_products
from jaxmle._native.passes.quotients import inverse_of
from jaxmle._native.passes.simplify import RULES, simplify
from jaxmle._native.passes.sqrt_powers import factors_of
from jaxmle._native.passes.sum_factoring import factor_sums, work
from jaxmle._native.passes.value_counts import columns_summed, count_columns, sum_by_value

SEEDS = range(20)


def varying(outputs):
    """The operations that a step does for each row."""
    return sum(cost(x) for x in reachable(outputs) if x.row and not x.invariant)


def size(outputs):
    return sum(x.op != "const" for x in reachable(outputs))


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


# --- sums ------------------------------------------------------------------------------------------------


def test_uniform_factors_leave_a_sum():
    """sum_i w_i a x_i = a sum_i w_i x_i: a sum of the data alone is left, and nothing for a step to do with rows."""

    def total(graph):
        (a, b, _), (w, x, y) = leaves(graph)
        inner = graph.make(
            "add", graph.make("mul", a, graph.make("log", x)), graph.make("mul", b, graph.make("exp", y))
        )
        return [graph.make("rsum", graph.make("mul", w, graph.make("add", inner, a)))]

    before = total(plain())
    after = simplify(Graph(RULES), before)
    assert varying(before) > 0 == varying(after)
    assert sum(x.op == "rsum" and x.invariant for x in reachable(after)) == 3
    rng = np.random.default_rng(3)
    inputs = {k: np.abs(v) + 0.1 for k, v in values(rng, 50).items()}
    np.testing.assert_allclose(evaluate(after, inputs, 50), evaluate(before, inputs, 50), rtol=1e-12)


def test_the_sum_of_a_uniform_number():
    """sum_i a = n a."""
    graph = Graph(RULES)
    (a, *_), _ = leaves(graph)
    total = graph.make("rsum", a)
    assert total.op == "mul" and not varying([total])
    np.testing.assert_allclose(evaluate([total], {("state", 0): 1.5}, 7), 10.5)


def test_differences_of_data_are_not_summed_apart():
    """sum_i (x_i - a)^2 must not become sum_i x_i^2 - 2 a sum_i x_i + n a^2: of large x nothing would be left of it."""
    graph = Graph(RULES)
    (a, *_), (x, *_) = leaves(graph)
    apart = graph.make("sub", x, a)
    outputs = [graph.make("rsum", graph.make("mul", apart, apart)), graph.make("rsum", apart)]
    after = factor_sums(graph, outputs)
    inputs = values(np.random.default_rng(4), 9)
    inputs["load", 0] = 1e9 + inputs["load", 0]
    inputs["state", 0] = 1e9
    exact = [np.sum((inputs["load", 0] - 1e9) ** 2), np.sum(inputs["load", 0] - 1e9)]
    np.testing.assert_allclose(evaluate(after, inputs, 9), exact, rtol=1e-12)


def test_an_invariant_choice():
    """sum_i select(c_i, a x_i, b y_i) = a sum_i select(c_i, x_i, 0) + b sum_i select(c_i, 0, y_i)."""

    def total(graph):
        (a, b, _), (c, x, y) = leaves(graph)
        which = graph.make("lt", c, graph.const(0.0))
        ways = graph.make("mul", a, graph.make("exp", x)), graph.make("mul", b, graph.make("tanh", y))
        return [graph.make("rsum", graph.make("select", which, *ways))]

    before = total(plain())
    after = simplify(Graph(RULES), before)
    same_values(before, after, 5)
    assert varying(before) > 0 == varying(after)


@pytest.mark.parametrize(("rows", "finite"), [([-1.0, -2.0, -3.0], True), ([-1.0, 0.0, 2.0], False)])
def test_an_infinite_factor_of_a_branch_means_nothing_where_no_row_takes_it(rows, finite):
    """sum_i select(c_i, a x_i, y_i) with a infinite; where a row takes the branch and x is 0 it is NaN, as 0 a is."""

    def total(graph):
        (a, *_), (c, x, y) = leaves(graph)
        which = graph.make("ge", c, graph.const(0.0))
        return [graph.make("rsum", graph.make("select", which, graph.make("mul", a, x), graph.make("exp", y)))]

    after = simplify(Graph(RULES), total(plain()))
    assert not varying(after)
    inputs = {("state", 0): np.inf, ("load", 0): np.array(rows), ("load", 1): np.zeros(3), ("load", 2): np.zeros(3)}
    found, want = (evaluate(nodes, inputs, 3)[0] for nodes in (after, total(plain())))
    np.testing.assert_array_equal(found, want)
    assert np.isfinite(found) == finite


def products_of_sums(graph):
    """Sums of (a p + b q) p and the like, p and q rows of the state: three products in place of as many as there are sums."""
    make = graph.make
    (a, b, c), (x, y, _) = leaves(graph)
    p, q = make("tanh", make("mul", a, x)), make("tanh", make("mul", b, y))
    ways = [(a, b, p), (a, b, q), (b, c, p), (c, a, q)]
    rows = [make("mul", make("add", make("mul", u, p), make("mul", v, q)), w) for u, v, w in ways]
    return [make("rsum", row) for row in rows]


def test_sums_of_products_are_shared():
    """sum_i (a p_i + b q_i) p_i = a sum_i p_i p_i + b sum_i q_i p_i, where that is less work a row."""
    graph = Graph(RULES)
    before = products_of_sums(graph)
    after = factor_sums(graph, before)
    same_values(before, after, 6)
    assert work(after) < work(before) and varying(after) < varying(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_factored_sums_compute_the_same(seed):
    graph = Graph(RULES)
    before = random_nodes(graph, np.random.default_rng(seed), 60)
    after = factor_sums(graph, before)
    same_values(before, after, seed)
    assert work(after) <= work(before)


def test_sums_that_are_least_work_are_kept():
    graph = Graph(RULES)
    (a, *_), (x, *_) = leaves(graph)
    outputs = [graph.make("rsum", graph.make("tanh", graph.make("mul", a, x)))]
    assert factor_sums(graph, outputs) is outputs


# --- products --------------------------------------------------------------------------------------------


def test_a_polynomial_in_a_product_multiplies_by_it_once_a_power():
    """sum of P(w), w = (u x / (1 + y))^2 and P of degree 6: w costs 4 multiplications, each power one more."""
    graph = Graph(RULES)
    u = graph.leaf("state", 0, FLOAT, False, False)
    x, y = (graph.leaf("load", i, FLOAT, True, True) for i in (0, 1))
    inverse = graph.make("div", graph.const(1.0), graph.make("add", y, u))
    root = graph.make("mul", graph.make("mul", u, x), inverse)
    w = graph.make("mul", root, root)
    value = graph.const(0.125)
    for k in range(6):
        value = graph.make("add", graph.const(1.0 / (k + 2)), graph.make("mul", value, w))
    outputs = [graph.make("rsum", graph.make("mul", value, root))]
    new = share_products(graph, outputs)
    assert multiplications(new) <= 11 < 25 < multiplications(outputs)
    for seed in range(4):
        inputs = values(np.random.default_rng(seed), 5)
        rows = [evaluate([nodes[0].args[0]], inputs, 5)[0] for nodes in (new, outputs)]
        np.testing.assert_allclose(*rows, rtol=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_shared_products_compute_the_same(seed):
    """x a b and y a b are x (a b) and y (a b)."""
    graph = Graph(RULES)
    before = random_nodes(graph, np.random.default_rng(seed), 80)
    after = share_products(graph, before)
    same_values(before, after, seed)
    assert multiplications(after) <= multiplications(before)


def test_products_that_share_nothing_are_kept():
    graph = Graph(RULES)
    (a, b, _), (x, y, _) = leaves(graph)
    p, q = (graph.make("tanh", graph.make("mul", u, v)) for u, v in ((a, x), (b, y)))
    outputs = [graph.make("rsum", graph.make("tanh", graph.make("mul", p, q)))]
    assert share_products(graph, outputs) is outputs


# --- values of counts ------------------------------------------------------------------------------------


def count_sum(graph, costly=True, second=False):
    """The sum of a function of a column of counts, and of what another column adds."""
    make = graph.make
    (a, b, _), (y, x, _) = leaves(graph)
    row = make("log", make("add", make("exp", a), y))
    for _ in range(6 if costly else 0):
        row = make("log1p", make("exp", row))
    row = make("mul", row, make("exp", make("mul", b, x))) if second else row
    return [make("rsum", make("add", row, make("tanh", make("mul", a, x))))]


def test_a_column_of_counts_is_summed_by_value():
    """sum_i f(y_i) = sum_v count(v) f(v)."""
    graph = Graph(RULES)
    before = count_sum(graph)
    after = sum_by_value(graph, before, {0})
    assert columns_summed(after) == [0] and columns_summed(before) == []
    rng = np.random.default_rng(7)
    inputs = values(rng, 40)
    inputs["load", 0] = rng.poisson(3.0, 40).astype(float)
    found, times = np.unique(inputs["load", 0], return_counts=True)
    more = {("load", ("value", 0)): found, ("load", ("times", 0)): times.astype(float)}
    np.testing.assert_allclose(evaluate(after, inputs | more, 40), evaluate(before, inputs, 40), rtol=1e-12)
    by_row = [x for x in reachable(after) if x.op == "rsum" and x.attr is None]
    assert varying([x.args[0] for x in by_row]) < 20 < varying(before)


@pytest.mark.parametrize(
    ("columns", "options"), [(set(), {}), ({1}, {}), ({0}, {"costly": False}), ({0}, {"second": True})],
    ids=["no counts", "another column", "too little work", "with another column"],
)  # fmt: skip
def test_what_is_not_summed_by_value(columns, options):
    graph = Graph(RULES)
    outputs = count_sum(graph, **options)
    assert sum_by_value(graph, outputs, columns) is outputs or not columns_summed(sum_by_value(graph, outputs, columns))


def test_columns_of_counts():
    graph = Graph(RULES)
    _, (x, y, z) = leaves(graph)
    whole = graph.make("eq", graph.make("floor", x), x)
    k = graph.leaf("load", 9, INT, True, True)
    real = graph.make("convert", k, attr=FLOAT)
    also = graph.make("eq", real, graph.make("floor", real))
    assert count_columns({whole: True, also: True, graph.make("eq", y, z): True}) == {0, 9}
    assert count_columns({whole: False}) == set()


# --- conditions on rows ----------------------------------------------------------------------------------


def supported(graph):
    """A log-likelihood that is -inf where x is not positive, or larger than 10."""
    make = graph.make
    (a, *_), (x, *_) = leaves(graph)
    inside = make("and", make("gt", x, graph.const(0.0)), make("lt", x, graph.const(10.0)))
    row = make("sub", make("mul", a, make("log", x)), make("tanh", make("mul", a, x)))
    value = make("select", make("is_finite", x), row, graph.const(0.0))
    return inside, [make("rsum", make("select", inside, value, graph.const(-np.inf)))]


def test_a_condition_on_rows_is_checked_once():
    """select(c, a, -inf) = a where c holds of every row; where it does not, the check says so."""
    graph = Graph(RULES)
    inside, before = supported(graph)
    guards = find_guards(graph, before)
    assert guards == {inside: True}
    assumed = implied_by(graph, guards, {})
    after = assume(graph, before, assumed)
    valid = check_guards(graph, guards)
    assert all(x.invariant for x in valid)
    assert not [x for x in reachable(after) if x.row and x.op in ("select", "is_finite", "gt", "lt")]
    inputs = values(np.random.default_rng(8), 20)
    inputs["load", 0] = np.linspace(0.5, 9.5, 20)
    np.testing.assert_allclose(evaluate(after, inputs, 20), evaluate(before, inputs, 20), rtol=1e-12)
    assert evaluate(valid, inputs, 20) == [True]
    for bad in (-1.0, 10.0, np.nan, np.inf):
        inputs["load", 0] = np.r_[np.linspace(0.5, 9.5, 19), bad]
        assert evaluate(valid, inputs, 20) == [False]


def test_a_finite_alternative_is_no_condition():
    graph = Graph(RULES)
    (a, *_), (x, *_) = leaves(graph)
    row = graph.make("select", graph.make("gt", x, graph.const(0.0)), graph.make("tanh", a), graph.const(-9.0))
    assert find_guards(graph, [graph.make("rsum", row)]) == {}


def test_a_condition_on_the_state_is_no_guard():
    """Whether it holds may change with each step."""
    graph = Graph(RULES)
    (a, *_), (x, *_) = leaves(graph)
    row = graph.make("select", graph.make("gt", x, a), graph.make("tanh", x), graph.const(-np.inf))
    assert find_guards(graph, [graph.make("rsum", row)]) == {}
