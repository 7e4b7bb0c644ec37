"""Products of rows over the factors they share: x a b and y a b are x (a b) and y (a b), with one product a b.

`products` keeps a product as one list of factors, so that like terms meet; written out so, each use of w = u^2 / s in
w (a + w (b + w c)) would be three multiplications.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import COMMUTATIVE, FLOAT, Node, by_id, reachable

LIMIT = 3000
"Products beyond which the search would take longer than it saves."

_Pair = tuple[Node, Node]


def share_products(graph: Graph, outputs: list[Node]) -> list[Node]:
    """Rewrite products of rows with fewer multiplications; the outputs as they are where there are no fewer.

    The pair of factors that most products have becomes one factor, and so on until none is in two (Breuer 1969,
    *Commun. ACM* 12, 333).
    """
    nodes = reachable(outputs)
    inside: set[Node] = set()  # of a loop, whose rows come one after the other
    for x in nodes:
        if x.op == "before" or any(a in inside for a in x.args):
            inside.add(x)
    products = {x for x in nodes if x.op == "mul" and x.kind == FLOAT and x.row and not x.invariant and x not in inside}
    wanted = {a for x in nodes if x not in products for a in x.args if a in products}
    if len(wanted) > LIMIT:
        return outputs
    left = {x: _factors(graph, x, products) for x in sorted(wanted, key=by_id)}
    made: dict[Node, Node] = {}
    pairs = _pairs(graph, left)

    def built(x: Node) -> Node:
        if x not in made:
            made[x] = _product(graph, map(built, pairs[x])) if x in pairs else x
        return made[x]

    for x in nodes:
        if x in left:
            made[x] = _product(graph, map(built, left[x].elements()))
        elif x not in products:
            made[x] = _with_operands(graph, x, [made[a] for a in x.args])
    new = [made[x] for x in outputs]
    return new if multiplications(new) < multiplications(outputs) else outputs


def multiplications(outputs: list[Node]) -> int:
    """Count the products of varying rows."""
    return sum(x.op == "mul" and x.row and not x.invariant for x in reachable(outputs))


def _factors(graph: Graph, x: Node, products: set[Node]) -> Counter[Node]:
    """Count the factors of a product; invariant rows are one factor, since they are computed once for each data set."""
    found: Counter[Node] = Counter()
    todo = [x]
    while todo:
        y = todo.pop()
        if y in products:
            todo.extend(y.args)
        else:
            found[y] += 1
    invariant = [y for y in found.elements() if y.row and y.invariant]
    if len(invariant) > 1:
        found -= Counter(invariant)
        found[_product(graph, invariant)] += 1
    return found


def _pairs(graph: Graph, left: dict[Node, Counter[Node]]) -> dict[Node, _Pair]:
    """Replace pairs in `left` by placeholder nodes as often as that saves something; return what they stand for."""
    pairs: dict[Node, _Pair] = {}
    where: dict[_Pair, dict[Node, int]] = defaultdict(dict)

    def note(x: Node, present: bool) -> None:
        factors = sorted(left[x], key=by_id)
        for i, f in enumerate(factors):
            for g in factors[i:]:
                times = min(left[x][f], left[x][g]) if f is not g else left[x][f] // 2
                if times and present:
                    where[f, g][x] = times
                elif times:
                    del where[f, g][x]

    for x in left:
        note(x, True)
    while True:
        pair = max(where, key=lambda p: (sum(where[p].values()), -p[0].id, -p[1].id), default=None)
        if pair is None or sum(where[pair].values()) < 2:
            return pairs
        placeholder = graph.leaf("pair", (pair[0].id, pair[1].id), FLOAT, True, False)
        pairs[placeholder] = pair
        for x, times in list(where[pair].items()):
            note(x, False)
            left[x] -= Counter({pair[0]: times}) + Counter({pair[1]: times})
            left[x][placeholder] += times
            note(x, True)


def _product(graph: Graph, factors: Iterable[Node]) -> Node:
    return functools.reduce(lambda a, b: graph.raw("mul", a, b), sorted(factors, key=by_id))


def _with_operands(graph: Graph, x: Node, args: list[Node]) -> Node:
    """Make the same operation on other operands; nothing is simplified."""
    if all(a is b for a, b in zip(args, x.args, strict=True)):
        return x
    args = sorted(args, key=by_id) if x.op in COMMUTATIVE else args
    return graph.node(x.op, tuple(args), x.attr, x.kind, x.row, x.invariant)
