"""Loops over the rows in which each row needs the one before, one number after another."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxmle._native.codegen.elements import element
from jaxmle._native.codegen.vector_math import BASE, splat
from jaxmle._native.ir.nodes import RUNNING, Node, reachable

if TYPE_CHECKING:
    from jaxmle._native.codegen.block import Section


class Turn:
    """A loop over the rows, and what of it is used.

    Attributes:
        first, after: its numbers before the first row, and after a row.
        reverse: whether it begins with the last row.
        moving: what is made anew at each row from what was before, operands first.
        inputs: other rows that this takes.
        series, final: the nodes that use number i.
    """

    def __init__(self, loop: Node, nodes: Sequence[Node]) -> None:
        count = len(loop.args) // 2
        self.first, self.after, self.reverse = loop.args[:count], loop.args[count:], loop.attr
        rows = reachable(self.after, lambda x: x.row and x.op not in RUNNING)
        moving: set[Node] = set()
        for x in rows:
            if x.op == "before" or (x.op not in RUNNING and any(a in moving for a in x.args)):
                moving.add(x)
        self.moving = [x for x in rows if x in moving]
        taken = [*self.after, *(a for x in self.moving for a in x.args)]
        self.inputs = list(dict.fromkeys(x for x in taken if x.row and x not in moving))
        self.series = {x.attr: x for x in nodes if x.op == "series" and x.args[0] is loop}
        self.final = {x.attr: x for x in nodes if x.op == "final" and x.args[0] is loop}


def in_turn(section: "Section", turns: Sequence[Turn]) -> None:
    """Loops of one direction, side by side."""
    e, lines = section.emit, section.lines
    firsts = [x for turn in turns for x in turn.first]
    spots = [(lines.type(BASE[x.kind]), e.accumulator(lines.type(BASE[x.kind]))) for x in firsts]
    for x, (kind, spot) in zip(firsts, spots, strict=True):
        lines.put(f"  store {kind} {section.name(x)}, ptr {spot}, align 64")
    written = {x: section.room(x) for turn in turns for x in turn.series.values()}

    def body(index: str, mask: str | None, old: list[str]) -> list[str]:
        rows: dict[Node, str] = {}
        before, new = iter(old), []
        for turn in turns:
            names = list(itertools.islice(before, len(turn.first)))
            for i, x in turn.series.items():
                value, at = e.to_double(lines, names[i], x.kind), e.buffer(lines, written[x], index)
                lines.put(f"  store {lines.type('double')} {value}, ptr {at}, align 8")
            made = {x: names[x.attr[0]] for x in turn.moving if x.op == "before"}
            for x in turn.moving:
                if x.op != "before":
                    args = [made[a] if a in made else _row(section, a, index, rows) for a in x.args]
                    made[x] = element(lines, x, args)
            for x, name in zip(turn.after, names, strict=True):
                after = made[x] if x in made else _row(section, x, index, rows)
                new.append(after if mask is None else lines.select(mask, after, name, BASE[x.kind]))
        return new

    e.over_rows(lines, 1, turns[0].reverse, spots, body)
    section.stored |= written
    ends = iter(spots)
    for turn in turns:
        for i, (kind, spot) in enumerate(itertools.islice(ends, len(turn.first))):
            if i in turn.final:
                section.made(turn.final[i], lines.let(f"load {kind}, ptr {spot}, align 64"))


def _row(section: "Section", x: Node, index: str, rows: dict[Node, str]) -> str:
    """A row's number."""
    if not x.row:
        return section.name(x)
    if x not in rows:
        e, lines = section.emit, section.lines
        if x in section.stored:
            rows[x] = e.load(lines, e.buffer(lines, section.stored[x], index), None, x.kind)
        elif x.op == "load":
            rows[x] = e.row(lines, x, index, None)
        elif x.op == "row":
            rows[x] = splat(lines, index, "i64", lines.width)
        else:
            rows[x] = element(lines, x, [_row(section, a, index, rows) for a in x.args])
    return rows[x]
