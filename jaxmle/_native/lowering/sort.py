"""Rules of the tracer for sorts: rows by their rank and by their number."""

import numpy as np
from jax.extend.core import JaxprEqn

from jaxmle._native.ir.layout import ROWS, Unsupported
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node
from jaxmle._native.lowering.tracer import Array, Tracer, objects


def sort(t: Tracer, eqn: JaxprEqn, *args: Array) -> list[Array]:
    """Sort rows by the first operand; of columns each is sorted for itself."""
    axis = eqn.params["dimension"]
    if eqn.params["num_keys"] != 1 or any(a.axis != axis or a.nodes.shape[axis] != 1 for a in args):
        raise Unsupported("a sort of something else than the rows, or by several keys")
    if not all(x.invariant for a in args for x in a.nodes.ravel()):
        raise Unsupported("a sort of rows that each step changes")
    make, columns = t.graph.make, [a.nodes.ravel() for a in args]
    sorts = [make("sort", make("convert", x[0], attr=FLOAT), *x) for x in zip(*columns, strict=True)]
    return [
        Array(objects((make("at_rank", x, attr=i) for x in sorts), a.nodes.shape), a.axis)
        for i, a in enumerate(args, 1)
    ]


def arg_extreme(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    """Find the number of the first row where a is greatest, or least."""
    (axis,) = eqn.params["axes"]
    if a.axis != axis or a.nodes.shape[axis] != 1:
        raise Unsupported("the index of an extreme that is not one of the rows")
    t.partial = True  # where there is a NaN, that is JAX's
    g, most = t.graph, "rmax" if eqn.primitive.name == "argmax" else "rmin"
    row, none = g.leaf("row", None, INT, True, True), g.const((1 << 53) - 1)

    def first(x: Node) -> Node:
        return g.make("rmin", g.make("select", g.make("eq", x, g.make(most, x)), row, none))

    found = t.map(first, a)
    return Array(found.nodes.squeeze(axis), None)


def row_by_number(t: Tracer, a: Array, number: Node) -> np.ndarray:
    """Pick the row that has this number, or the one at that end where there is none; the result has no axis of rows."""
    g = t.graph
    if a.axis is None or a.nodes.shape[a.axis] != 1 or number.row:
        raise Unsupported("rows by numbers that differ from row to row")
    least = g.make("max", g.make("convert", number, attr=INT), g.const(0))
    here = g.make("eq", g.leaf("row", None, INT, True, True), g.make("min", least, t.number(ROWS - 1, INT)))

    def picked(x: Node) -> Node:
        none = g.const(0, x.kind)
        return (
            g.make("ror", g.make("and", here, x)) if x.kind == BOOL else g.make("rsum", g.make("select", here, x, none))
        )

    return t.map(picked, a).nodes.squeeze(a.axis)


RULES = {"argmax": arg_extreme, "argmin": arg_extreme, "sort": sort}
