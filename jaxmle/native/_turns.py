"""Loops over the rows in which each row needs the one before, one number after another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxmle.native._elements import element
from jaxmle.native._math import BASE
from jaxmle.native._nodes import Node, reachable

if TYPE_CHECKING:
    from jaxmle.native._section import Section


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
        rows = reachable(self.after, lambda x: x.row and x.op not in ("series", "linear"))
        moving: set[Node] = set()
        for x in rows:
            if x.op == "before" or (x.op not in ("series", "linear") and any(a in moving for a in x.args)):
                moving.add(x)
        self.moving = [x for x in rows if x in moving]
        taken = [*self.after, *(a for x in self.moving for a in x.args)]
        self.inputs = list(dict.fromkeys(x for x in taken if x.row and x not in moving))
        self.series = {x.attr: x for x in nodes if x.op == "series" and x.args[0] is loop}
        self.final = {x.attr: x for x in nodes if x.op == "final" and x.args[0] is loop}


def in_turn(section: "Section", turns: Sequence[Turn]) -> None:
    """Loops of one direction, side by side."""
    emit, lines, label = section.emit, section.lines, section.emit.label()
    last = lines.let(f"sub i64 {emit.n}, 1")
    start, stop, step = (last, "-1", -1) if turns[0].reverse else ("0", emit.n, 1)
    lines.put(f"  br label %{label}.head\n{label}.head:\n  br label %{label}.body\n{label}.body:")
    index, following = lines.name(), lines.name()
    lines.put(f"  {index} = phi i64 [ {start}, %{label}.head ], [ {following}, %{label}.body ]")
    spots, before = [], []
    for turn in turns:
        before.append([lines.name() for _ in turn.first])
        spots.append(len(lines.text))
        lines.text += [""] * len(turn.first)
    rows: dict[Node, str] = {}
    written: dict[Node, int] = {}
    for turn, names, spot in zip(turns, before, spots, strict=True):
        for i, x in turn.series.items():
            written[x] = section.room(x)
            at = emit.buffer(lines, written[x], index)
            lines.put(f"  store double {emit.to_double(lines, names[i], x.kind)}, ptr {at}, align 8")
        made = {x: names[x.attr[0]] for x in turn.moving if x.op == "before"}
        for x in turn.moving:
            if x.op != "before":
                made[x] = element(lines, x, [made[a] if a in made else _row(section, a, index, rows) for a in x.args])
        for i, (x, first) in enumerate(zip(turn.after, turn.first, strict=True)):
            after = made[x] if x in made else _row(section, x, index, rows)
            base = BASE[x.kind]
            lines.text[spot + i] = (
                f"  {names[i]} = phi {base} [ {section.name(first)}, %{label}.head ], [ {after}, %{label}.body ]"
            )
            if i in turn.final:
                section.made(turn.final[i], after)
    section.stored |= written
    lines.put(f"  {following} = add i64 {index}, {step}")
    done = lines.let(f"icmp eq i64 {following}, {stop}")
    lines.put(f"  br i1 {done}, label %{label}.end, label %{label}.body\n{label}.end:")


def _row(section: "Section", x: Node, index: str, rows: dict[Node, str]) -> str:
    """A row's number as a scalar."""
    if not x.row:
        return section.name(x)
    if x not in rows:
        e, lines = section.emit, section.lines
        if x in section.stored:
            rows[x] = e.load(lines, e.buffer(lines, section.stored[x], index), None, x.kind)
        elif x.op == "load":
            rows[x] = e.load(lines, e.place(lines, x, index), None, x.kind)
        elif x.op == "row":
            rows[x] = index
        else:
            rows[x] = element(lines, x, [_row(section, a, index, rows) for a in x.args])
    return rows[x]
