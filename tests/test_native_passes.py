"""Passes of the native compiler over sums, products, counts and conditions: each by the identity that it uses, on random graphs evaluated by NumPy, and where it must not act."""

import numpy as np
import pytest
from graphs import evaluate, leaves, plain, random_nodes, same_values, values, varying

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, INT, reachable
from jaxmle._native.passes.guards import assume, check_guards, find_guards, implied_by
from jaxmle._native.passes.product_sharing import multiplications, share_products
from jaxmle._native.passes.simplify import RULES, simplify
from jaxmle._native.passes.sum_factoring import factor_sums, work
from jaxmle._native.passes.value_counts import columns_summed, count_columns, sum_by_value

SEEDS = range(20)


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
