"""Sums over the rows with uniform factors outside: sum_i w_i a x_i = a sum_i w_i x_i.

What is left of a sum that depends on the data alone is computed once for each data set. So a likelihood of exponential
family costs O(1) in n a step, whoever wrote it.
"""

import functools
from collections.abc import Callable, Iterable

import numpy as np

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, ROUNDED, SUMS, Node, by_id, cost, reachable
from jaxmle._native.passes.products import product

Term = tuple[Node, Node | None]
"A uniform factor and a row, None for 1."


def simplify_rsum(graph: Graph, a: Node, column: int | None = None) -> Node | None:
    """Rewrite a sum over the rows: uniform factors outside, invariant terms as sums of their own.

    With a column it is a sum over the values there, and stays as it is (see `value_counts`).
    """
    if column is not None:
        return graph.typed("rsum", a, attr=column)
    if not a.row:
        return graph.make("mul", a, graph.make("convert", graph.count(), attr=a.kind))
    if a.kind != FLOAT:
        return None
    sums = list(terms(graph, graph.const(1.0), a))
    total = graph.const(0.0)
    for factor, row in sums:
        if row is None or row.invariant:
            total = graph.make("add", total, graph.make("mul", factor, sum_of(graph, row)))
    varying = [(c, r) for c, r in sums if r is not None and not r.invariant]
    if len(varying) == 1:
        factor, row = varying[0]
        return graph.make("add", total, graph.make("mul", factor, sum_of(graph, row)))
    if varying:
        rest = functools.reduce(lambda x, y: graph.make("add", x, y), (graph.make("mul", *t) for t in varying))
        total = graph.make("add", total, sum_of(graph, rest))
    return total


def sum_of(graph: Graph, row: Node | None) -> Node:
    """Make the sum of a row as it is; of 1 the number of rows."""
    if row is None:
        return graph.make("convert", graph.count(), attr=FLOAT)
    return graph.typed("rsum", row)


def terms(graph: Graph, factor: Node, e: Node) -> Iterable[Term]:
    """Split factor * e into terms, each a uniform factor times a row."""
    if not e.row:
        yield graph.make("mul", factor, e), None
    elif e.op == "neg":
        yield from terms(graph, graph.make("neg", factor), e.args[0])
    elif e.op in ("add", "sub") and all(_separable(x) for x in e.args):
        yield from terms(graph, factor, e.args[0])
        yield from terms(graph, factor if e.op == "add" else graph.make("neg", factor), e.args[1])
    elif e.op == "mul":
        yield from _terms_of_product(graph, factor, e)
    elif e.op == "select" and e.args[0].row and e.args[0].invariant and not e.invariant:
        yield from _terms_of_select(graph, factor, e)
    else:
        yield factor, e


def _terms_of_select(graph: Graph, factor: Node, e: Node) -> Iterable[Term]:
    """Split an invariant choice: terms of both branches are unconditional, invariant terms become sums of their own."""
    which, one, zero = e.args[0], graph.const(1.0), graph.const(0.0)
    branches = [list(terms(graph, one, x)) for x in e.args[1:]]
    both = [t for t in branches[0] if t in branches[1]]
    rest = [[t for t in branch if t not in both] for branch in branches]
    if not both and all(r is not None and not r.invariant for branch in rest for _, r in branch):
        yield factor, e
        return
    for c, r in both:
        yield graph.make("mul", factor, c), r
    left = [zero, zero]
    for i, branch in enumerate(rest):
        for c, r in branch:
            if c.op == "const" and not np.isfinite(c.value) and r is None:
                graph.guards[which] = i == 1
            if r is None or r.invariant:
                row = one if r is None else r
                row = graph.make("select", which, row, zero) if i == 0 else graph.make("select", which, zero, row)
                # Where no row takes this branch an infinite factor means nothing.
                none = graph.make("rand", which if i else graph.make("not", which))
                yield graph.make("select", none, zero, graph.make("mul", factor, c)), row
            else:
                left[i] = graph.make("add", left[i], graph.make("mul", c, r))
    if left != [zero, zero]:
        yield factor, graph.make("select", which, *left)


def _terms_of_product(graph: Graph, factor: Node, e: Node) -> Iterable[Term]:
    for x, y in (e.args, e.args[::-1]):
        if not x.row:
            yield from terms(graph, graph.make("mul", factor, x), y)
            return
    for x, y in (e.args, e.args[::-1]):
        # An invariant row times a sum: each term may become invariant, as weights times contributions do.
        if x.invariant and not y.invariant:
            for c, r in terms(graph, graph.const(1.0), y):
                yield graph.make("mul", factor, c), x if r is None else graph.make("mul", x, r)
            return
    yield factor, e


def _separable(x: Node) -> bool:
    """Tell whether x may be summed apart from its neighbor: raw data must not, as their differences are exact."""
    todo, seen = [x], set[Node]()
    while todo:
        node = todo.pop()
        if node in seen or not node.row or node.op in ROUNDED:
            continue
        if node.op not in ("neg", "add", "sub", "select"):
            return False
        seen.add(node)
        todo.extend(node.args[node.op == "select" :])
    return True


# --- all sums of a step together -----------------------------------------------------------------------

MOST = 16
"Terms of a product of sums that is multiplied out."


def factor_sums(graph: Graph, outputs: list[Node]) -> list[Node]:
    """Rewrite varying sums as sums of products that value, scores and curvature share, where that is less work a row.

    sum_i (a x_i + b y_i) z_i = a sum_i x_i z_i + b sum_i y_i z_i for uniform a and b.
    """
    sums = [x for x in reachable(outputs) if x.op == "rsum" and x.kind == FLOAT and not x.invariant]
    best, least = outputs, work(outputs)
    for expands in (_never, _if_weighted, _if_varying):
        replaced: dict[Node, Node] = {}
        known: dict[Node, _Products] = {}
        for x in sums:
            total = graph.const(0.0)
            for rows, coefficient in _products(graph, x.args[0], expands, known).items():
                total = graph.make("add", total, graph.make("mul", coefficient, sum_of(graph, product(graph, rows))))
            replaced[x] = total
        made = graph.rebuild(outputs, replaced)
        if (cycles := work(made)) < least:
            best, least = made, cycles
    return best


_Products = dict[tuple[Node, ...], Node]
"Uniform coefficients of products of rows."


def _products(graph: Graph, e: Node, expands: Callable[[_Products], bool], known: dict[Node, _Products]) -> _Products:
    """Write e as a sum of products of rows; a sum in a product is multiplied out where `expands` says so.

    Args:
        known: results for other nodes, kept for later calls.
    """
    if e not in known:
        known[e] = _products_of(graph, e, expands, lambda x: _products(graph, x, expands, known))
    return known[e]


def _products_of(
    graph: Graph, e: Node, expands: Callable[[_Products], bool], products: Callable[[Node], _Products]
) -> _Products:
    one = graph.const(1.0)
    if not e.row:
        return {(): e}
    if e.op == "neg":
        return {rows: graph.make("neg", c) for rows, c in products(e.args[0]).items()}
    if e.op in ("add", "sub") and all(_separable(x) for x in e.args):
        found = dict(products(e.args[0]))
        for rows, c in products(e.args[1]).items():
            found[rows] = graph.make(e.op, found.get(rows, graph.const(0.0)), c)
        return found
    if e.op == "mul":
        both = [products(x) for x in e.args]
        both = [{(x,): one} if len(p) > 1 and not expands(p) else p for x, p in zip(e.args, both, strict=True)]
        if len(both[0]) * len(both[1]) <= MOST:
            found = {}
            for a, c in both[0].items():
                for b, d in both[1].items():
                    rows = tuple(sorted(a + b, key=by_id))
                    found[rows] = graph.make("add", found.get(rows, graph.const(0.0)), graph.make("mul", c, d))
            return found
    return {(e,): one}


def _never(_: _Products) -> bool:
    return False


def _if_varying(found: _Products) -> bool:
    """Tell whether it is not the distance of a row from something: small differences of large numbers must not be squared apart."""
    return all(rows and not all(x.invariant for x in rows) for rows in found)


def _if_weighted(found: _Products) -> bool:
    return _if_varying(found) and any(c.op != "const" for c in found.values())


def work(outputs: list[Node]) -> float:
    """Estimate the operations of a row, with a share of those of a data set."""
    nodes = [x for x in reachable(outputs) if not x.invariant]
    rows = sum(cost(x) for x in nodes if x.row)
    sums = sum(x.op in SUMS for x in nodes)
    return rows + 2 * sums + (len(nodes) - rows - sums) / 50
