"""Products of rows over the factors they share: what a polynomial in a product multiplies again and again, once."""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxmle._native.ir.nodes import COMMUTATIVE, FLOAT, Node, age, reachable

if TYPE_CHECKING:
    from jaxmle._native.ir.graph import Graph

LIMIT = 3000
"Products beyond which the search would take longer than it saves."

_Pair = tuple[Node, Node]


def fewer_products(graph: "Graph", outputs: list[Node]) -> list[Node]:
    """The same numbers with fewer multiplications a row, or as they are.

    `Graph` keeps a product as one list of factors, so that like terms meet; written out so, each use of w = u^2 / s in
    w (a + w (b + w c)) would be three multiplications. The pair of factors that most products have becomes one factor,
    and so on until none is in two (Breuer 1969, *Commun. ACM* 12, 333).
    """
    nodes = reachable(outputs)
    inside: set[Node] = set()  # of a loop, whose rows come one after the other
    for x in nodes:
        if x.op == "before" or any(a in inside for a in x.args):
            inside.add(x)
    products = {x for x in nodes if x.op == "mul" and x.kind == FLOAT and x.row and not x.known and x not in inside}
    wanted = {a for x in nodes if x not in products for a in x.args if a in products}
    if len(wanted) > LIMIT:
        return outputs
    left = {x: _factors(graph, x, products) for x in sorted(wanted, key=age)}
    made: dict[Node, Node] = {}
    halves = _pairs(graph, left)

    def built(x: Node) -> Node:
        if x not in made:
            made[x] = _product(graph, map(built, halves[x])) if x in halves else x
        return made[x]

    for x in nodes:
        if x in left:
            made[x] = _product(graph, map(built, left[x].elements()))
        elif x not in products:
            made[x] = _with(graph, x, [made[a] for a in x.args])
    new = [made[x] for x in outputs]
    return new if _multiplications(new) < _multiplications(outputs) else outputs


def _factors(graph: "Graph", x: Node, products: set[Node]) -> Counter[Node]:
    """Of a product; known rows are one factor, since they are computed once for each data set."""
    found: Counter[Node] = Counter()
    todo = [x]
    while todo:
        y = todo.pop()
        if y in products:
            todo.extend(y.args)
        else:
            found[y] += 1
    known = [y for y in found.elements() if y.row and y.known]
    if len(known) > 1:
        found -= Counter(known)
        found[_product(graph, known)] += 1
    return found


def _pairs(graph: "Graph", left: dict[Node, Counter[Node]]) -> dict[Node, _Pair]:
    """Replaces pairs in `left` by nodes that stand for them, as often as that saves something; which they stand for."""
    halves: dict[Node, _Pair] = {}
    where: dict[_Pair, dict[Node, int]] = defaultdict(dict)

    def note(x: Node, there: bool) -> None:
        factors = sorted(left[x], key=age)
        for i, f in enumerate(factors):
            for g in factors[i:]:
                times = min(left[x][f], left[x][g]) if f is not g else left[x][f] // 2
                if times and there:
                    where[f, g][x] = times
                elif times:
                    del where[f, g][x]

    for x in left:
        note(x, True)
    while True:
        pair = max(where, key=lambda p: (sum(where[p].values()), -p[0].id, -p[1].id), default=None)
        if pair is None or sum(where[pair].values()) < 2:
            return halves
        stands = graph.leaf("pair", (pair[0].id, pair[1].id), FLOAT, True, False)
        halves[stands] = pair
        for x, times in list(where[pair].items()):
            note(x, False)
            left[x] -= Counter({pair[0]: times}) + Counter({pair[1]: times})
            left[x][stands] += times
            note(x, True)


def _product(graph: "Graph", factors: Iterable[Node]) -> Node:
    return functools.reduce(lambda a, b: graph.raw("mul", a, b), sorted(factors, key=age))


def _with(graph: "Graph", x: Node, args: list[Node]) -> Node:
    """The same operation on other operands; nothing is simplified."""
    if all(a is b for a, b in zip(args, x.args, strict=True)):
        return x
    args = sorted(args, key=age) if x.op in COMMUTATIVE else args
    return graph.node(x.op, tuple(args), x.attr, x.kind, x.row, x.known)


def _multiplications(outputs: list[Node]) -> int:
    return sum(x.op == "mul" and x.row and not x.known for x in reachable(outputs))
