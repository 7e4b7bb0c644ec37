"""Recurrences: loops over the rows in which each row needs the one before, one number after another."""

import itertools
from collections.abc import Sequence

from jaxmle._native.codegen.builder import BASE
from jaxmle._native.codegen.elements import emit_operation, to_double
from jaxmle._native.codegen.loop import Carried
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.ir.nodes import RECURRENT, Node, reachable


class Recurrence:
    """A loop over the rows, and what of it is used.

    Args:
        loop: its node.
        nodes: all nodes of the block that may use it.

    Attributes:
        first, after: its numbers before the first row, and after a row.
        reverse: whether it begins with the last row.
        body: what is made anew at each row from the numbers before it, operands first.
        inputs: other rows that this takes.
        series, final: the nodes that use number i.
    """

    def __init__(self, loop: Node, nodes: Sequence[Node]) -> None:
        count = len(loop.args) // 2
        self.first, self.after, self.reverse = loop.args[:count], loop.args[count:], loop.attr
        rows = reachable(self.after, lambda x: x.row and x.op not in RECURRENT)
        inside: set[Node] = set()
        for x in rows:
            if x.op == "before" or (x.op not in RECURRENT and any(a in inside for a in x.args)):
                inside.add(x)
        self.body = [x for x in rows if x in inside]
        taken = [*self.after, *(a for x in self.body for a in x.args)]
        self.inputs = list(dict.fromkeys(x for x in taken if x.row and x not in inside))
        self.series = {x.attr: x for x in nodes if x.op == "series" and x.args[0] is loop}
        self.final = {x.attr: x for x in nodes if x.op == "final" and x.args[0] is loop}


def emit_recurrences(scope: Scope, recurrences: Sequence[Recurrence]) -> None:
    """Emit one loop for recurrences of one direction; store their series, and define their last numbers in the scope."""
    context, builder = scope.context, scope.builder
    firsts = [x for r in recurrences for x in r.first]
    types = [builder.type(BASE[x.kind]) for x in firsts]
    carried = [Carried(t, context.allocate(t)) for t in types]
    for x, slot in zip(firsts, carried, strict=True):
        builder.emit(f"  store {slot.type} {scope.name(x)}, ptr {slot.at}, align 64")
    written = {x: scope.allocate(x) for r in recurrences for x in r.series.values()}

    def body(index: str, mask: str | None, old: list[str]) -> list[str]:
        rows: dict[Node, str] = {}
        before, new = iter(old), []
        for r in recurrences:
            names = list(itertools.islice(before, len(r.first)))
            for i, x in r.series.items():
                value, at = to_double(builder, names[i], x.kind), context.buffer_at(builder, written[x], index)
                context.store_rows(builder, value, at, None)
            made = {x: names[x.attr[0]] for x in r.body if x.op == "before"}
            for x in r.body:
                if x.op != "before":
                    args = [made[a] if a in made else _row(scope, a, index, rows) for a in x.args]
                    made[x] = emit_operation(builder, x, args)
            for x, name in zip(r.after, names, strict=True):
                after = made[x] if x in made else _row(scope, x, index, rows)
                new.append(after if mask is None else builder.select(mask, after, name, BASE[x.kind]))
        return new

    context.loop_over_rows(builder, 1, recurrences[0].reverse, carried, body)
    scope.stored |= written
    ends = iter(carried)
    for r in recurrences:
        for i, slot in enumerate(itertools.islice(ends, len(r.first))):
            if i in r.final:
                scope.define(r.final[i], builder.let(f"load {slot.type}, ptr {slot.at}, align 64"))


def _row(scope: Scope, x: Node, index: str, rows: dict[Node, str]) -> str:
    """Emit a node at one row, once."""
    if not x.row:
        return scope.name(x)
    if x not in rows:
        context, builder = scope.context, scope.builder
        if x in scope.stored:
            rows[x] = context.load_rows(builder, context.buffer_at(builder, scope.stored[x], index), None, x.kind)
        elif x.op == "load":
            rows[x] = context.load_column(builder, x, index, None)
        elif x.op == "row":
            rows[x] = builder.splat(index, "i64")
        else:
            rows[x] = emit_operation(builder, x, [_row(scope, a, index, rows) for a in x.args])
    return rows[x]
