"""Products of rows in one order, (uniform factors) * (varying rows) * (invariant rows), so that equal products are one node.

A uniform factor that stands outside can leave a sum over the rows (see `sum_factoring`).
"""

import functools
from collections.abc import Sequence

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, RECURRENT, Node, by_id
from jaxmle._native.passes.finite import finite, zero_times
from jaxmle._native.passes.sqrt_powers import has_root, merge_root_powers, root_power


def simplify_mul(graph: Graph, a: Node, b: Node) -> Node | None:
    """Rewrite a * b: by 0, 1 and -1, signs outside, products of rows in their order."""
    for x, y in ((a, b), (b, a)):
        if x.is_(0):
            return zero_times(graph, x, y)
        if x.is_(1):
            return y
        if x.is_(-1):
            return graph.make("neg", y)
        if y.op == "neg" and x.op != "const":
            return graph.make("neg", graph.make("mul", x, y.args[0]))
    if (a.row or b.row) and a.kind == FLOAT and any(x.row and (x.op == "mul" or root_power(x)[1] % 2) for x in (a, b)):
        return ordered(graph, *factors(graph, a), *factors(graph, b))
    return None


def factors(graph: Graph, x: Node) -> tuple[list[Node], list[Node], list[Node]]:
    """Split a product into its factors: uniform ones, invariant rows, varying rows."""
    if x.op == "mul" and x.row:
        (u, i, v), (uniform, invariant, varying) = (factors(graph, a) for a in x.args)
        return u + uniform, i + invariant, v + varying
    if x.op == "neg" and x.row:
        uniform, invariant, varying = factors(graph, x.args[0])
        return [graph.const(-1.0), *uniform], invariant, varying
    return ([], [], [x]) if x.row and not x.invariant else ([], [x], []) if x.row else ([x], [], [])


def ordered(graph: Graph, *parts: list[Node]) -> Node:
    """Make the product of factors, given as `factors` splits them, in the one order."""
    uniform, invariant, varying = ([x for part in parts[i::3] for x in part] for i in range(3))
    if (fewer := merge_root_powers(graph, varying)) is not None:
        return ordered(graph, uniform, invariant, [], *(part for x in fewer for part in factors(graph, x)))
    if not (invariant or varying):
        return times(graph, sorted(uniform, key=by_id))
    rows = [*sorted(varying, key=by_id), *sorted(invariant, key=by_id)]
    row = functools.reduce(lambda x, y: graph.raw("mul", x, y), rows)
    factor = times(graph, sorted(uniform, key=by_id))
    if factor.is_(1):
        return row
    return graph.make("neg", row) if factor.is_(-1) else graph.raw("mul", factor, row)


def times(graph: Graph, nodes: Sequence[Node]) -> Node:
    """Make the product of nodes from left to right; 1 for none."""
    return functools.reduce(lambda x, y: graph.make("mul", x, y), nodes, graph.const(1.0))


def product(graph: Graph, rows: Sequence[Node]) -> Node | None:
    """Make the product of rows in the one order; None for none."""
    return ordered(graph, *(part for x in rows for part in factors(graph, x))) if rows else None


def power(graph: Graph, a: Node, n: int) -> Node:
    """Make a**n by repeated squares."""
    if n < 0:
        return graph.make("div", graph.const(1.0), power(graph, a, -n))
    result, square = graph.const(1.0 if a.kind == FLOAT else 1, a.kind), a
    while n:
        result = graph.make("mul", result, square) if n & 1 else result
        n >>= 1
        square = graph.make("mul", square, square) if n else square
    return result


def combine_alike(graph: Graph, op: str, a: Node, b: Node) -> Node | None:
    """Rewrite op(u r, v r) as op(u, v) r for uniform u, v and a row r, op being add or sub; None where rows differ."""
    if not (a.row and b.row) or a.kind != FLOAT:
        return None
    (u, *rows), (v, *other) = (factors(graph, x) for x in (a, b))
    if any(sorted(x, key=by_id) != sorted(y, key=by_id) for x, y in zip(rows, other, strict=True)):
        return None
    return graph.make("mul", graph.make(op, times(graph, u), times(graph, v)), ordered(graph, [], *rows))


def share_factors(graph: Graph, op: str, args: tuple[Node, Node], *before: Node) -> Node | None:
    """Rewrite op(a f, b f) as op(a, b) f, op being add, sub or select: of a tangent's direction one multiplication is left.

    For invariant rows f, for running numbers, whose sums are not taken apart later, and for powers of roots, which meet
    others so. Products of other rows are left to `factor_sums`, which weighs them all together.
    """
    splits = [factors(graph, x) for x in args]
    zeros = [x.is_(0) for x in args]
    if all(x.invariant for x in (*args, *before)) or any(x.kind != FLOAT for x in args):
        return None
    shared = [
        [*rows, *(f for f in varying if f.op in RECURRENT or has_root(graph, f))]
        for (_, rows, varying), zero in zip(splits, zeros, strict=True)
        if not zero
    ]
    both = [f for f in dict.fromkeys(shared[0] if shared else ()) if all(f in fs for fs in shared)]
    if any(zeros):  # where that branch is taken, 0 f must be 0
        both = [f for f in both if finite(f) or f.invariant]
        graph.guards |= {graph.make("is_finite", f): True for f in both if not finite(f)}
    if not both:
        return None
    rests = []
    for x, (uniform, rows, varying), zero in zip(args, splits, zeros, strict=True):
        if zero:
            rests.append(x)
            continue
        rows, varying = list(rows), list(varying)
        for f in both:
            (rows if f.invariant else varying).remove(f)
        rests.append(ordered(graph, uniform, rows, varying))
    return times(graph, [graph.make(op, *before, *rests), *both])
