"""Sums over the rows that depend on one column of counts alone, as sums over the values that it takes.

Of a hundred counts around five a dozen differ. What a likelihood does with its counts alone, such as the rising factorial
of a negative binomial with its derivatives, is done a dozen times a step then, and each value counts as often as there are
rows of it. They are gathered once for each data set: in a histogram of whole numbers below the number of rows, and one by
one where they are none.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxmle._native.ir.nodes import FLOAT, Node, cost, reachable, rows_under
from jaxmle._native.passes.sum_factoring import terms

if TYPE_CHECKING:
    from jaxmle._native.ir.graph import Graph

WORTH = 50
"What a row costs from which on a pass over the values is worth it."


def columns_of_counts(assumed: dict[Node, bool]) -> set[int]:
    """The columns that hold whole numbers, as the support has it: x == floor(x) holds of every row."""
    found = set()
    for x, holds in assumed.items():
        if holds and x.op == "eq":
            for a, b in (x.args, x.args[::-1]):
                column = a.args[0] if a.op == "convert" else a
                if column.op == "load" and b.op == "floor" and b.args[0] is a:
                    found.add(column.attr)
    return found


def by_value(graph: "Graph", outputs: list[Node], columns: set[int]) -> list[Node]:
    """The same numbers, each sum over the rows split into what depends on one of these columns alone, and the rest.

    A sum over values has its column as `attr`; its rows are values, loads of ("value", column), and how many rows have
    each, ("times", column).
    """
    if not columns:
        return outputs
    one, put, made = graph.const(1.0), {}, []
    for x in reachable(outputs):
        if x.op != "rsum" or x.kind != FLOAT:
            continue
        parts: dict[int | None, list[Node]] = defaultdict(list)
        (summed,) = graph.again([x.args[0]], put)  # what is summed may take other sums
        for factor, row in terms(graph, one, summed):
            parts[None if row is None else _column(row, columns)].append(graph.make("mul", factor, row or one))
        if not parts.keys() - {None}:
            continue
        total = graph.const(0.0)
        for column, found in parts.items():
            row = functools.reduce(lambda a, b: graph.make("add", a, b), found)
            if column is None:
                part = graph.make("rsum", row)
            else:
                made.append(_on_values(graph, row, column))
                part = graph.node("rsum", (made[-1],), column, FLOAT, False, made[-1].known)
            total = graph.make("add", total, part)
        put[x] = total
    rows, _ = rows_under(made, {})
    return graph.again(outputs, put) if sum(map(cost, rows)) >= WORTH else outputs


def _column(row: Node, columns: set[int]) -> int | None:
    """The one of these columns that a row depends on alone, and on the state."""
    body, _ = rows_under([row], {})
    found = {x.attr if x.op == "load" else None for x in body if not any(a.row for a in x.args)}
    return next(iter(found)) if len(found) == 1 and found <= columns else None


def _on_values(graph: "Graph", row: Node, column: int) -> Node:
    """The row of a value, times how many rows have it."""
    loads = [x for x in rows_under([row], {})[0] if x.op == "load"]
    put = {x: graph.leaf("load", ("value", column), x.kind, True, True) for x in loads}
    (copy,) = graph.again([row], put, lambda x: x.row)
    return graph.raw("mul", graph.leaf("load", ("times", column), FLOAT, True, True), copy)


def depends_on_values(x: Node) -> bool:
    return any(y.op == "load" and isinstance(y.attr, tuple) for y in reachable([x], lambda y: y.row))


def columns_summed(outputs: Iterable[Node]) -> list[int]:
    """The columns over whose values sums go."""
    return sorted({x.attr for x in reachable(outputs) if x.op == "rsum" and x.attr is not None})


def counted(column: int) -> str:
    """Where the numbers of a column's values are, one for each data set abreast."""
    return f"%values{column}"


def gathered(rows: str, n: str, value: str, times: str, count: str, label: str) -> str:
    """LLVM that gathers the values of one column of one data set.

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
