"""Sorts of invariant rows: keys are merged from pairs upwards, then rows follow in the order of the keys."""

from collections.abc import Sequence

from jaxmle._native.codegen.scope import Scope
from jaxmle._native.ir.nodes import Node


def emit_sorts(scope: Scope, sorts: Sequence[tuple[Node, list[Node]]]) -> None:
    """Emit sorts, each with those of its rows that are used: these go to buffers of their own."""
    context, builder = scope.context, scope.builder
    work = [scope.allocate(None) for _ in range(4)]

    def at(buffer: int) -> str:
        return context.buffer_at(builder, buffer, "0")

    for x, used in sorts:
        buffers = ", ".join(f"ptr {at(buffer)}" for buffer in (scope.stored[x.args[0]], *work))
        order = builder.let(f"call ptr @order({buffers}, i64 {context.n})")
        for y in used:
            scope.stored[y] = scope.allocate(y)
            pair = ", ".join(f"ptr {at(scope.stored[z])}" for z in (x.args[y.attr], y))
            builder.emit(f"  call void @follow(ptr {order}, {pair}, i64 {context.n})")


FUNCTIONS = """
define internal ptr @order(ptr %key, ptr %keys, ptr %indices, ptr %keys2, ptr %indices2, i64 %n) {
entry:
  br label %fill
fill:
  %f = phi i64 [ 0, %entry ], [ %f.next, %fill ]
  %f.from = getelementptr double, ptr %key, i64 %f
  %f.key = load double, ptr %f.from, align 8
  %f.keys = getelementptr double, ptr %keys, i64 %f
  store double %f.key, ptr %f.keys, align 8
  %f.indices = getelementptr i64, ptr %indices, i64 %f
  store i64 %f, ptr %f.indices, align 8
  %f.next = add i64 %f, 1
  %f.more = icmp slt i64 %f.next, %n
  br i1 %f.more, label %fill, label %pass
pass:
  %width = phi i64 [ 1, %fill ], [ %twice, %passed ]
  %ka = phi ptr [ %keys, %fill ], [ %kb, %passed ]
  %pa = phi ptr [ %indices, %fill ], [ %pb, %passed ]
  %kb = phi ptr [ %keys2, %fill ], [ %ka, %passed ]
  %pb = phi ptr [ %indices2, %fill ], [ %pa, %passed ]
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
  %index = load i64, ptr %which.at, align 8
  %o.key = getelementptr double, ptr %kb, i64 %o
  store double %least, ptr %o.key, align 8
  %o.index = getelementptr i64, ptr %pb, i64 %o
  store i64 %index, ptr %o.index, align 8
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
  %r.index.at = getelementptr i64, ptr %pa, i64 %r
  %r.index = load i64, ptr %r.index.at, align 8
  %q.index.at = getelementptr i64, ptr %pb, i64 %q
  store i64 %r.index, ptr %q.index.at, align 8
  %r.next = add i64 %r, 1
  %q.next = add i64 %q, 1
  br label %rest
}
define internal void @follow(ptr %order, ptr %from, ptr %to, i64 %n) {
entry:
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %next, %each ]
  %i.index = getelementptr i64, ptr %order, i64 %i
  %index = load i64, ptr %i.index, align 8
  %i.from = getelementptr double, ptr %from, i64 %index
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
"""`order` sorts the n >= 1 rows of `key` and returns the index from which each comes; equal keys keep their order, and NaN
come last. Its other four arguments are memory for the work. `follow` puts rows in that order."""
