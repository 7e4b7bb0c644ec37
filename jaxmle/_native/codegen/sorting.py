"""Rows by their rank and by their number. Sorts are of rows that are known: keys are merged from pairs upwards."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node
from jaxmle._native.lowering.tracer import ROWS, Array, NotUnderstood, Tracer, objects

if TYPE_CHECKING:
    from jaxmle._native.codegen.block import Section


def sort(t: Tracer, eqn: Any, *args: Array) -> list[Array]:
    """Rows in the order of the first operand; of columns each is sorted for itself."""
    axis = eqn.params["dimension"]
    if eqn.params["num_keys"] != 1 or any(a.axis != axis or a.nodes.shape[axis] != 1 for a in args):
        raise NotUnderstood("a sort of something else than the rows, or by several keys")
    if not all(x.known for a in args for x in a.nodes.ravel()):
        raise NotUnderstood("a sort of rows that each step changes")
    make, columns = t.graph.make, [a.nodes.ravel() for a in args]
    sorts = [make("sort", make("convert", x[0], attr=FLOAT), *x) for x in zip(*columns, strict=True)]
    return [
        Array(objects((make("at_rank", x, attr=i) for x in sorts), a.nodes.shape), a.axis)
        for i, a in enumerate(args, 1)
    ]


def argmost(t: Tracer, eqn: Any, a: Array) -> Array:
    """The number of the first row where a is greatest, or least."""
    (axis,) = eqn.params["axes"]
    if a.axis != axis or a.nodes.shape[axis] != 1:
        raise NotUnderstood("the place of an extreme that is not one of the rows")
    t.partial = True  # where there is a NaN, that is JAX's
    g, most = t.graph, "rmax" if eqn.primitive.name == "argmax" else "rmin"
    row, none = g.leaf("row", None, INT, True, True), g.const((1 << 53) - 1)

    def first(x: Node) -> Node:
        return g.make("rmin", g.make("select", g.make("eq", x, g.make(most, x)), row, none))

    found = t.map(first, a)
    return Array(found.nodes.squeeze(axis), None)


def by_number(t: Tracer, a: Array, number: Node) -> np.ndarray:
    """The row that has this number, or the one at that end where there is none, without the rows' axis."""
    g = t.graph
    if a.axis is None or a.nodes.shape[a.axis] != 1 or number.row:
        raise NotUnderstood("rows by numbers that differ from row to row")
    least = g.make("max", g.make("convert", number, attr=INT), g.const(0))
    here = g.make("eq", g.leaf("row", None, INT, True, True), g.make("min", least, t.number(ROWS - 1, INT)))

    def picked(x: Node) -> Node:
        none = g.const(0, x.kind)
        return (
            g.make("ror", g.make("and", here, x)) if x.kind == BOOL else g.make("rsum", g.make("select", here, x, none))
        )

    return t.map(picked, a).nodes.squeeze(a.axis)


RULES = {"argmax": argmost, "argmin": argmost, "sort": sort}


def in_order(section: "Section", sorts: Sequence[tuple[Node, list[Node]]]) -> None:
    """Writes those rows of each sort that are used to buffers of their own."""
    e, lines = section.emit, section.lines
    work = [section.room(None) for _ in range(4)]

    def at(room: int) -> str:
        return e.buffer(lines, room, "0")

    for x, used in sorts:
        buffers = ", ".join(f"ptr {at(room)}" for room in (section.stored[x.args[0]], *work))
        order = lines.let(f"call ptr @order({buffers}, i64 {e.n})")
        for y in used:
            section.stored[y] = section.room(y)
            pair = ", ".join(f"ptr {at(section.stored[z])}" for z in (x.args[y.attr], y))
            lines.put(f"  call void @follow(ptr {order}, {pair}, i64 {e.n})")


ORDER = """
define internal ptr @order(ptr %key, ptr %keys, ptr %places, ptr %keys2, ptr %places2, i64 %n) {
entry:
  br label %fill
fill:
  %f = phi i64 [ 0, %entry ], [ %f.next, %fill ]
  %f.from = getelementptr double, ptr %key, i64 %f
  %f.key = load double, ptr %f.from, align 8
  %f.keys = getelementptr double, ptr %keys, i64 %f
  store double %f.key, ptr %f.keys, align 8
  %f.places = getelementptr i64, ptr %places, i64 %f
  store i64 %f, ptr %f.places, align 8
  %f.next = add i64 %f, 1
  %f.more = icmp slt i64 %f.next, %n
  br i1 %f.more, label %fill, label %pass
pass:
  %width = phi i64 [ 1, %fill ], [ %twice, %passed ]
  %ka = phi ptr [ %keys, %fill ], [ %kb, %passed ]
  %pa = phi ptr [ %places, %fill ], [ %pb, %passed ]
  %kb = phi ptr [ %keys2, %fill ], [ %ka, %passed ]
  %pb = phi ptr [ %places2, %fill ], [ %pa, %passed ]
  %twice = shl i64 %width, 1
  %whole = icmp sge i64 %width, %n
  br i1 %whole, label %done, label %pair
done:
  ret ptr %pa
pair:
  %low = phi i64 [ 0, %pass ], [ %low.next, %paired ]
  %low.next = add i64 %low, %twice
  %low.more = icmp slt i64 %low, %n
  br i1 %low.more, label %halves, label %passed
passed:
  br label %pass
halves:
  %middle.far = add i64 %low, %width
  %middle.in = icmp slt i64 %middle.far, %n
  %middle = select i1 %middle.in, i64 %middle.far, i64 %n
  %high.in = icmp slt i64 %low.next, %n
  %high = select i1 %high.in, i64 %low.next, i64 %n
  br label %merge
merge:
  %i = phi i64 [ %low, %halves ], [ %i.next, %take ]
  %j = phi i64 [ %middle, %halves ], [ %j.next, %take ]
  %o = phi i64 [ %low, %halves ], [ %o.next, %take ]
  %i.more = icmp slt i64 %i, %middle
  %j.more = icmp slt i64 %j, %high
  %both = and i1 %i.more, %j.more
  br i1 %both, label %take, label %left
take:
  %i.at = getelementptr double, ptr %ka, i64 %i
  %i.key = load double, ptr %i.at, align 8
  %j.at = getelementptr double, ptr %ka, i64 %j
  %j.key = load double, ptr %j.at, align 8
  %less = fcmp olt double %j.key, %i.key
  %i.none = fcmp uno double %i.key, 0.0
  %j.some = fcmp ord double %j.key, 0.0
  %ahead = and i1 %i.none, %j.some
  %second = or i1 %less, %ahead
  %least = select i1 %second, double %j.key, double %i.key
  %which = select i1 %second, i64 %j, i64 %i
  %which.at = getelementptr i64, ptr %pa, i64 %which
  %place = load i64, ptr %which.at, align 8
  %o.key = getelementptr double, ptr %kb, i64 %o
  store double %least, ptr %o.key, align 8
  %o.place = getelementptr i64, ptr %pb, i64 %o
  store i64 %place, ptr %o.place, align 8
  %one = zext i1 %second to i64
  %other = xor i64 %one, 1
  %i.next = add i64 %i, %other
  %j.next = add i64 %j, %one
  %o.next = add i64 %o, 1
  br label %merge
left:
  %r.end = select i1 %i.more, i64 %middle, i64 %high
  %r.begin = select i1 %i.more, i64 %i, i64 %j
  br label %rest
rest:
  %r = phi i64 [ %r.begin, %left ], [ %r.next, %copy ]
  %q = phi i64 [ %o, %left ], [ %q.next, %copy ]
  %r.more = icmp slt i64 %r, %r.end
  br i1 %r.more, label %copy, label %paired
paired:
  br label %pair
copy:
  %r.at = getelementptr double, ptr %ka, i64 %r
  %r.key = load double, ptr %r.at, align 8
  %q.at = getelementptr double, ptr %kb, i64 %q
  store double %r.key, ptr %q.at, align 8
  %r.place.at = getelementptr i64, ptr %pa, i64 %r
  %r.place = load i64, ptr %r.place.at, align 8
  %q.place.at = getelementptr i64, ptr %pb, i64 %q
  store i64 %r.place, ptr %q.place.at, align 8
  %r.next = add i64 %r, 1
  %q.next = add i64 %q, 1
  br label %rest
}
define internal void @follow(ptr %order, ptr %from, ptr %to, i64 %n) {
entry:
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %next, %each ]
  %i.place = getelementptr i64, ptr %order, i64 %i
  %place = load i64, ptr %i.place, align 8
  %i.from = getelementptr double, ptr %from, i64 %place
  %x = load double, ptr %i.from, align 8
  %i.to = getelementptr double, ptr %to, i64 %i
  store double %x, ptr %i.to, align 8
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %each, label %end
end:
  ret void
}
"""
"""`order` sorts the n >= 1 rows of `key` and says from which place each comes; equal keys keep their order, and NaN
come last. The other four are room. `follow` puts rows in that order."""
