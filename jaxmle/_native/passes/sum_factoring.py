"""Sums over the rows as uniform factors times sums of rows, so that what is known is summed once for each data set."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from jaxmle._native.ir.nodes import FLOAT, ROUNDED, SUMS, Node, age, cost, reachable

if TYPE_CHECKING:
    from jaxmle._native.ir.graph import Graph


def terms(graph: "Graph", factor: Node, e: Node) -> Iterable[tuple[Node, Node | None]]:
    """e as a sum of uniform factors times rows (None for 1)."""
    if not e.row:
        yield graph.make("mul", factor, e), None
    elif e.op == "neg":
        yield from terms(graph, graph.make("neg", factor), e.args[0])
    elif e.op in ("add", "sub") and all(_apart(x) for x in e.args):
        yield from terms(graph, factor, e.args[0])
        yield from terms(graph, factor if e.op == "add" else graph.make("neg", factor), e.args[1])
    elif e.op == "mul":
        yield from _product(graph, factor, e)
    elif e.op == "select" and e.args[0].row and e.args[0].known and not e.known:
        yield from _either(graph, factor, e)
    else:
        yield factor, e


def _either(graph: "Graph", factor: Node, e: Node) -> Iterable[tuple[Node, Node | None]]:
    """A choice that is known: what both ways share is unconditional, and known terms become sums of their own."""
    which, one, zero = e.args[0], graph.const(1.0), graph.const(0.0)
    ways = [list(terms(graph, one, x)) for x in e.args[1:]]
    both = [t for t in ways[0] if t in ways[1]]
    apart = [[t for t in way if t not in both] for way in ways]
    if not both and all(r is not None and not r.known for way in apart for _, r in way):
        yield factor, e
        return
    for c, r in both:
        yield graph.make("mul", factor, c), r
    left = [zero, zero]
    for i, way in enumerate(apart):
        for c, r in way:
            if c.op == "const" and not np.isfinite(c.value) and r is None:
                graph.guards[which] = i == 1
            if r is None or r.known:
                row = one if r is None else r
                row = graph.make("select", which, row, zero) if i == 0 else graph.make("select", which, zero, row)
                # Where no row goes this way an infinite factor means nothing.
                none = graph.make("eq", graph.sum_of(row), zero)
                yield graph.make("select", none, zero, graph.make("mul", factor, c)), row
            else:
                left[i] = graph.make("add", left[i], graph.make("mul", c, r))
    if left != [zero, zero]:
        yield factor, graph.make("select", which, *left)


def _product(graph: "Graph", factor: Node, e: Node) -> Iterable[tuple[Node, Node | None]]:
    for x, y in (e.args, e.args[::-1]):
        if not x.row:
            yield from terms(graph, graph.make("mul", factor, x), y)
            return
    for x, y in (e.args, e.args[::-1]):
        # A known row times a sum: each term may become known, as weights times contributions do.
        if x.known and not y.known:
            for c, r in terms(graph, graph.const(1.0), y):
                yield graph.make("mul", factor, c), x if r is None else graph.make("mul", x, r)
            return
    yield factor, e


def _apart(x: Node) -> bool:
    """Whether x may be summed apart from its neighbor: raw data must not, as their differences are exact."""
    if not x.row or x.op in ROUNDED:
        return True
    return x.op in ("neg", "add", "sub", "select") and all(_apart(a) for a in x.args[x.op == "select" :])


# --- all sums of a step together -----------------------------------------------------------------------

MOST = 16
"Terms of a product of sums that is multiplied out."


def fewer_sums(graph: "Graph", outputs: list[Node]) -> list[Node]:
    """The same numbers from sums of products, which value, scores and curvature share, where that is less work a row."""
    sums = [x for x in reachable(outputs) if x.op == "rsum" and x.kind == FLOAT and not x.known]
    best, least = outputs, _work(outputs)
    for opened in (_never, _weighted, _moving):
        put, known = {}, {}
        for x in sums:
            total = graph.const(0.0)
            for factors, coefficient in _products(graph, x.args[0], opened, known).items():
                total = graph.make("add", total, graph.make("mul", coefficient, graph.sum_of(graph.product(factors))))
            put[x] = total
        made = graph.again(outputs, put)
        if (work := _work(made)) < least:
            best, least = made, work
    return best


_Products = dict[tuple[Node, ...], Node]
"Uniform coefficients of products of rows."


def _products(graph: "Graph", e: Node, opened: Callable[[_Products], bool], known: dict[Node, _Products]) -> _Products:
    """e as a sum of products of rows; a sum in a product is multiplied out if it is to be `opened`.

    Args:
        known: what was found before, for others to come.
    """
    if e not in known:
        known[e] = _found(graph, e, opened, lambda x: _products(graph, x, opened, known))
    return known[e]


def _found(
    graph: "Graph", e: Node, opened: Callable[[_Products], bool], products: Callable[[Node], _Products]
) -> _Products:
    one = graph.const(1.0)
    if not e.row:
        return {(): e}
    if e.op == "neg":
        return {rows: graph.make("neg", c) for rows, c in products(e.args[0]).items()}
    if e.op in ("add", "sub") and all(_apart(x) for x in e.args):
        found = dict(products(e.args[0]))
        for rows, c in products(e.args[1]).items():
            found[rows] = graph.make(e.op, found.get(rows, graph.const(0.0)), c)
        return found
    if e.op == "mul":
        ways = [products(x) for x in e.args]
        ways = [{(x,): one} if len(way) > 1 and not opened(way) else way for x, way in zip(e.args, ways, strict=True)]
        if len(ways[0]) * len(ways[1]) <= MOST:
            found = {}
            for a, c in ways[0].items():
                for b, d in ways[1].items():
                    rows = tuple(sorted(a + b, key=age))
                    found[rows] = graph.make("add", found.get(rows, graph.const(0.0)), graph.make("mul", c, d))
            return found
    return {(e,): one}


def _never(_: _Products) -> bool:
    return False


def _moving(found: _Products) -> bool:
    """Not the distance of a row from something: small differences of large numbers must not be squared apart."""
    return all(rows and not all(x.known for x in rows) for rows in found)


def _weighted(found: _Products) -> bool:
    return _moving(found) and any(c.op != "const" for c in found.values())


def _work(outputs: list[Node]) -> float:
    """What a row costs, with a share of what a data set does."""
    nodes = [x for x in reachable(outputs) if not x.known]
    rows = sum(cost(x) for x in nodes if x.row)
    sums = sum(x.op in SUMS for x in nodes)
    return rows + 2 * sums + (len(nodes) - rows - sums) / 50
