"""Histograms: the values of a column of one data set, and how many rows have each.

Whole numbers below the number of rows are counted in a table; others are listed one by one.
"""

from collections.abc import Iterable

from jaxmle._native.codegen.context import Context
from jaxmle._native.codegen.lane_loop import LaneLoop


def number_of_values(column: int) -> str:
    """Name the memory that holds how many values a column has, one number for each lane."""
    return f"%values{column}"


def emit_histograms(context: Context, loop: LaneLoop, columns: Iterable[int]) -> None:
    """Emit the counting of the values of some columns of the data set that a lane loop is at, into their buffers."""
    builder = loop.builder
    for column in columns:
        value, times = (context.buffer_at(builder, context.value_buffers[column] + i, "0") for i in (0, 1))
        count = builder.let(f"getelementptr i64, ptr {number_of_values(column)}, i64 {loop.lane}")
        builder.emit(histogram(context.row_base[column], context.n, value, times, count, builder.label()))


def histogram(rows: str, n: str, value: str, times: str, count: str, label: str) -> str:
    """Write LLVM that lists the values of a column, and how many rows have each.

    Args:
        rows, n: where the column begins, and its length.
        value, times: where values, and how many rows have each, are to be written.
        count: where to write how many values there are, i64.
        label: a name for its blocks and numbers.
    """
    test = """
  %L.P.y.at = getelementptr double, ptr {rows}, i64 %L.P.i
  %L.P.y = load double, ptr %L.P.y.at, align 8
  %L.P.above = fcmp oge double %L.P.y, 0.0
  %L.P.below = fcmp olt double %L.P.y, %L.limit
  %L.P.inside = and i1 %L.P.above, %L.P.below
  %L.P.safe = select i1 %L.P.inside, double %L.P.y, double 0.0
  %L.P.k = fptosi double %L.P.safe to i64
  %L.P.back = sitofp i64 %L.P.k to double
  %L.P.whole = fcmp oeq double %L.P.back, %L.P.safe
  %L.P.counts = and i1 %L.P.inside, %L.P.whole"""
    text = (
        """
  %L.bytes = mul i64 {n}, 8
  call void @llvm.memset.p0.i64(ptr {times}, i8 0, i64 %L.bytes, i1 false)
  %L.limit = sitofp i64 {n} to double
  br label %L.count.head
L.count.head:
  br label %L.count
L.count:
  %L.1.i = phi i64 [ 0, %L.count.head ], [ %L.1.next, %L.count ]
  %L.top = phi i64 [ 0, %L.count.head ], [ %L.top.next, %L.count ]
  %L.others = phi i64 [ 0, %L.count.head ], [ %L.others.next, %L.count ]"""
        + test.replace(".P.", ".1.")
        + """
  %L.at = getelementptr double, ptr {times}, i64 %L.1.k
  %L.old = load double, ptr %L.at, align 8
  %L.one = uitofp i1 %L.1.counts to double
  %L.new = fadd double %L.old, %L.one
  store double %L.new, ptr %L.at, align 8
  %L.higher = icmp sgt i64 %L.1.k, %L.top
  %L.top.next = select i1 %L.higher, i64 %L.1.k, i64 %L.top
  %L.other = select i1 %L.1.counts, i64 0, i64 1
  %L.others.next = add i64 %L.others, %L.other
  %L.1.next = add i64 %L.1.i, 1
  %L.more = icmp slt i64 %L.1.next, {n}
  br i1 %L.more, label %L.count, label %L.pack.head
L.pack.head:
  br label %L.pack
L.pack:
  %L.j = phi i64 [ 0, %L.pack.head ], [ %L.j.next, %L.pack ]
  %L.d = phi i64 [ 0, %L.pack.head ], [ %L.d.next, %L.pack ]
  %L.from = getelementptr double, ptr {times}, i64 %L.j
  %L.many = load double, ptr %L.from, align 8
  %L.j.value = sitofp i64 %L.j to double
  %L.value.at = getelementptr double, ptr {value}, i64 %L.d
  store double %L.j.value, ptr %L.value.at, align 8
  %L.times.at = getelementptr double, ptr {times}, i64 %L.d
  store double %L.many, ptr %L.times.at, align 8
  %L.there = fcmp ogt double %L.many, 0.0
  %L.step = zext i1 %L.there to i64
  %L.d.next = add i64 %L.d, %L.step
  %L.j.next = add i64 %L.j, 1
  %L.j.more = icmp sle i64 %L.j.next, %L.top.next
  br i1 %L.j.more, label %L.pack, label %L.packed
L.packed:
  %L.any = icmp sgt i64 %L.others.next, 0
  br i1 %L.any, label %L.rest.head, label %L.end.none
L.end.none:
  br label %L.end
L.rest.head:
  br label %L.rest
L.rest:
  %L.2.i = phi i64 [ 0, %L.rest.head ], [ %L.2.next, %L.rest.next ]
  %L.e = phi i64 [ %L.d.next, %L.rest.head ], [ %L.e.next, %L.rest.next ]"""
        + test.replace(".P.", ".2.")
        + """
  br i1 %L.2.counts, label %L.rest.kept, label %L.rest.put
L.rest.kept:
  br label %L.rest.next
L.rest.put:
  %L.e.value = getelementptr double, ptr {value}, i64 %L.e
  store double %L.2.y, ptr %L.e.value, align 8
  %L.e.times = getelementptr double, ptr {times}, i64 %L.e
  store double 1.0, ptr %L.e.times, align 8
  %L.e.put = add i64 %L.e, 1
  br label %L.rest.next
L.rest.next:
  %L.e.next = phi i64 [ %L.e, %L.rest.kept ], [ %L.e.put, %L.rest.put ]
  %L.2.next = add i64 %L.2.i, 1
  %L.2.more = icmp slt i64 %L.2.next, {n}
  br i1 %L.2.more, label %L.rest, label %L.end.rest
L.end.rest:
  br label %L.end
L.end:
  %L.all = phi i64 [ %L.d.next, %L.end.none ], [ %L.e.next, %L.end.rest ]
  store i64 %L.all, ptr {count}, align 8"""
    )
    return text.replace("L.", f"{label}.").format(rows=rows, n=n, value=value, times=times, count=count)
