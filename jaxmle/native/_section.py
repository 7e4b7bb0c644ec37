"""Straight code for some nodes of a kernel, with loops over the rows where there are sums or series."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from jaxmle.native._elements import BASE, element
from jaxmle.native._math import Lines
from jaxmle.native._nodes import SUMS, Node, dear, reachable, rows_under

if TYPE_CHECKING:
    from jaxmle.native._emit import Emitter

_START = {"rsum": 0.0, "rmax": float("-inf"), "rmin": float("inf"), "rand": True, "ror": False}


class Turn:
    """A loop over the rows, and what of it is used.

    Attributes:
        first, after: its numbers before the first row, and after a row.
        moving: what is made anew at each row from what was before, operands first.
        inputs: other rows that this takes.
        series, final: the nodes that use number i.
        is_shift: whether it only moves rows to the next place.
    """

    def __init__(self, loop: Node, nodes: Sequence[Node]) -> None:
        count = len(loop.args) // 2
        self.first, self.after, self.reverse = loop.args[:count], loop.args[count:], loop.attr
        rows = reachable(self.after, lambda x: x.row and x.op != "series")
        moving: set[Node] = set()
        for x in rows:
            if x.op == "before" or (x.row and x.op != "series" and any(a in moving for a in x.args)):
                moving.add(x)
        self.moving = [x for x in rows if x in moving]
        taken = [*self.after, *(a for x in self.moving for a in x.args)]
        self.inputs = list(dict.fromkeys(x for x in taken if x.row and x not in moving))
        self.series = {x.attr: x for x in nodes if x.op == "series" and x.args[0] is loop}
        self.final = {x.attr: x for x in nodes if x.op == "final" and x.args[0] is loop}
        self.is_shift = not moving and not self.final


class Keep(NamedTuple):
    """A row that a pass writes down: in which buffer, and by how many rows later."""

    row: Node
    room: int
    shift: int = 0


class Section:
    """Straight code for some nodes.

    Attributes:
        names: of uniform nodes that are computed.
        stored: rows that are in a buffer.
    """

    def __init__(self, emit: "Emitter", known: dict[Node, str], stored: dict[Node, int]) -> None:
        self.emit, self.lines, self.names, self.stored = emit, emit.lines, dict(known), dict(stored)
        self.rooms = len(emit.buffers)

    def need(self, outputs: Sequence[Node], keep: Sequence[Node] = ()) -> None:
        """Computes uniform nodes; rows in `keep` go to their buffers."""
        nodes = reachable([*outputs, *keep], lambda x: x not in self.names and x not in self.stored)
        stages: dict[Node, int] = {}
        for x in nodes:
            below = max((stages.get(a, 0) for a in x.args), default=0)
            stages[x] = below + (x.op in SUMS or x.op == "loop")
        for stage in range(max(stages.values(), default=0) + 1):
            now = [x for x in nodes if stages[x] == stage and x not in self.names and x not in self.stored]
            sums = [x for x in now if x.op in SUMS]
            turns = [Turn(x, nodes) for x in now if x.op == "loop"]
            written = [k for turn in turns for k in self.before_turn(turn)]
            if sums or written:
                self.loop(sums, list(dict.fromkeys(written)))
                self.stored |= {k.row: k.room for k in written if not k.shift}
            for reverse in (False, True):
                if group := [x for x in turns if x.reverse == reverse and not x.is_shift]:
                    self.in_turn(group, reverse)
            for x in now:
                if not x.row and x.op != "loop" and x not in self.names:
                    self.names[x] = self.scalar(x)
        if left := [Keep(x, self.room(x)) for x in keep if x not in self.stored]:
            self.loop((), left)

    def room(self, x: Node) -> int:
        """The number of a buffer for a row."""
        if x in self.emit.buffers:
            return self.emit.buffers[x]
        self.rooms += 1
        self.emit.rooms = max(self.emit.rooms, self.rooms)
        return self.rooms - 1

    def scalar(self, x: Node) -> str:
        e = self.emit
        if x.op == "load":
            raise AssertionError("a row outside its loop")
        if x.op == "first":
            return e.from_double(self.lines, self.lines.let(f"load double, ptr {e.row_base[x.attr]}, align 8"), x.kind)
        args = [self.names[a] if a in self.names else e.constant(self.lines, a) for a in x.args]
        return element(self.lines, x, args)

    # --- one row after another ---------------------------------------------------------------------------

    def before_turn(self, turn: Turn) -> list[Keep]:
        """What a pass over the rows writes down so that a loop can follow."""
        if not turn.is_shift:
            return [Keep(x, self.room(x)) for x in dear(turn.inputs, self.stored)]
        made = []
        for i, x in turn.series.items():
            made.append(Keep(turn.after[i], self.room(x), -1 if turn.reverse else 1))
            self.stored[x] = made[-1].room
            edge = self.lines.let("sub i64 %n, 1") if turn.reverse else "0"
            self.put_row(x, self.name(turn.first[i]), edge)
        return made

    def put_row(self, x: Node, value: str, index: str) -> None:
        at = self.emit.buffer(self.lines, self.stored[x], index)
        self.lines.put(f"  store double {self.emit.to_double(self.lines, value, x.kind)}, ptr {at}, align 8")

    def name(self, x: Node) -> str:
        return self.names[x] if x in self.names else self.emit.constant(self.lines, x)

    def in_turn(self, turns: Sequence[Turn], reverse: bool) -> None:
        """Loops in which each row needs the one before, side by side."""
        lines, label = self.lines, self.emit.label()
        last = lines.let("sub i64 %n, 1")
        start, stop, step = (last, "-1", -1) if reverse else ("0", "%n", 1)
        lines.put(f"  br label %{label}.head\n{label}.head:\n  br label %{label}.body\n{label}.body:")
        index, following = lines.name(), lines.name()
        lines.put(f"  {index} = phi i64 [ {start}, %{label}.head ], [ {following}, %{label}.body ]")
        spots, now = [], []
        for turn in turns:
            now.append([lines.name() for _ in turn.first])
            spots.append(len(lines.text))
            lines.text += [""] * len(turn.first)
        rows: dict[Node, str] = {}
        for turn, names, spot in zip(turns, now, spots, strict=True):
            for i, x in turn.series.items():
                self.stored[x] = self.room(x)
                self.put_row(x, names[i], index)
            made = {x: names[x.attr[0]] for x in turn.moving if x.op == "before"}
            for x in turn.moving:
                if x.op != "before":
                    args = [made[a] if a in made else self.one_row(a, index, rows) for a in x.args]
                    made[x] = element(lines, x, args)
            for i, (x, first) in enumerate(zip(turn.after, turn.first, strict=True)):
                after = made[x] if x in made else self.one_row(x, index, rows)
                base = BASE[x.kind]
                lines.text[spot + i] = (
                    f"  {names[i]} = phi {base} [ {self.name(first)}, %{label}.head ], [ {after}, %{label}.body ]"
                )
                if i in turn.final:
                    self.names[turn.final[i]] = after
        lines.put(f"  {following} = add i64 {index}, {step}")
        done = lines.let(f"icmp eq i64 {following}, {stop}")
        lines.put(f"  br i1 {done}, label %{label}.end, label %{label}.body\n{label}.end:")

    def one_row(self, x: Node, index: str, rows: dict[Node, str]) -> str:
        """A row's number as a scalar."""
        if not x.row:
            return self.name(x)
        if x not in rows:
            e, lines = self.emit, self.lines
            if x in self.stored:
                rows[x] = e.load(lines, e.buffer(lines, self.stored[x], index), None, x.kind)
            elif x.op == "load":
                rows[x] = e.load(lines, e.place(lines, x, index), None, x.kind)
            elif x.op == "row":
                rows[x] = index
            else:
                rows[x] = element(lines, x, [self.one_row(a, index, rows) for a in x.args])
        return rows[x]

    # --- many rows at once -------------------------------------------------------------------------------

    def loop(self, sums: Sequence[Node], keep: Sequence[Keep]) -> None:
        """One pass over the rows."""
        e, lines = self.emit, self.lines
        width = e.width
        body, uniform = rows_under([*(x.args[0] for x in sums), *(k.row for k in keep)], self.stored)
        vector = Lines(width)
        splat: dict[Node, str] = {}
        for x in uniform:
            if x.op == "const":
                splat[x] = vector.const(x.value, BASE[x.kind])
            else:
                base = BASE[x.kind]
                one = lines.let(f"insertelement {vector.type(base)} poison, {base} {self.names[x]}, i64 0")
                splat[x] = lines.let(
                    f"shufflevector {vector.type(base)} {one}, {vector.type(base)} poison, <{width} x i32> zeroinitializer"
                )
        spots = []
        for x in sums:
            spot = e.accumulator(x.kind)
            lines.put(
                f"  store {vector.type(BASE[x.kind])} {vector.const(_START[x.op], BASE[x.kind])}, ptr {spot}, align 64"
            )
            spots.append(spot)
        label = e.label()
        lines.put(f"  br label %{label}.head")
        for tail in (False, True):
            self._pass(f"{label}{'.tail' if tail else ''}", tail, sums, spots, keep, body, splat)
        lines.put(f"{label}.end:")
        for x, spot in zip(sums, spots, strict=True):
            base = BASE[x.kind]
            vec = lines.let(f"load {vector.type(base)}, ptr {spot}, align 64")
            self.names[x] = e.folded(lines, x, vec)

    def _pass(
        self, label: str, tail: bool, sums: Sequence[Node], spots: list[str], keep: Sequence[Keep], body: list[Node],
        splat: dict[Node, str],
    ) -> None:  # fmt: skip
        e, lines, width = self.emit, self.lines, self.emit.width
        whole = label.removesuffix(".tail")
        phis: list[str] = []
        if not tail:
            lines.put(f"{whole}.head:")
            firsts = [lines.let(f"load {self._type(x)}, ptr {s}, align 64") for x, s in zip(sums, spots, strict=True)]
            lines.put(f"  br label %{whole}.test")
            lines.put(f"{whole}.test:")
            index, following = lines.name(), lines.name()
            lines.put(f"  {index} = phi i64 [ 0, %{whole}.head ], [ {following}, %{whole}.body ]")
            nexts = [lines.name() for _ in sums]
            for x, first, new in zip(sums, firsts, nexts, strict=True):
                phis.append(lines.let(f"phi {self._type(x)} [ {first}, %{whole}.head ], [ {new}, %{whole}.body ]"))
            end = lines.let(f"add i64 {index}, {width}")
            more = lines.let(f"icmp sle i64 {end}, %n")
            lines.put(f"  br i1 {more}, label %{whole}.body, label %{whole}.rest")
            lines.put(f"{whole}.body:")
            mask = None
        else:
            lines.put(f"{whole}.rest:")
            index = self._index
            for value, spot, x in zip(self._phis, spots, sums, strict=True):
                lines.put(f"  store {self._type(x)} {value}, ptr {spot}, align 64")
            left = lines.let(f"icmp slt i64 {index}, %n")
            lines.put(f"  br i1 {left}, label %{whole}.tail, label %{whole}.end")
            lines.put(f"{whole}.tail:")
            phis = list(self._phis)
            count = lines.let(f"sub i64 %n, {index}")
            one = lines.let(f"insertelement <{width} x i64> poison, i64 {count}, i64 0")
            all_ = lines.let(
                f"shufflevector <{width} x i64> {one}, <{width} x i64> poison, <{width} x i32> zeroinitializer"
            )
            mask = lines.let(f"icmp slt <{width} x i64> {_upwards(width)}, {all_}")
        # The vector code of one stretch of rows; names go on where the scalar code has come to.
        vector = Lines(width)
        vector.text, vector.count = lines.text, lines.count
        names = dict(splat)
        for x in body:
            if x in self.stored:
                names[x] = e.load(vector, e.buffer(vector, self.stored[x], index), mask, x.kind)
            elif x.op == "load":
                names[x] = e.load(vector, e.place(vector, x, index), mask, x.kind)
            elif x.op == "row":
                one = vector.let(f"insertelement <{width} x i64> poison, i64 {index}, i64 0")
                all_ = vector.let(
                    f"shufflevector <{width} x i64> {one}, <{width} x i64> poison, <{width} x i32> zeroinitializer"
                )
                names[x] = vector.op("add", all_, _upwards(width), base="i64")
            else:
                names[x] = element(vector, x, [names[a] for a in x.args])
        results = []
        for x, before in zip(sums, phis, strict=True):
            term = names[x.args[0]]
            if mask is not None:
                term = vector.select(mask, term, vector.const(_START[x.op], BASE[x.kind]), BASE[x.kind])
            results.append(e.joined(vector, x, before, term))
        for x, room, shift in keep:
            at, value = e.buffer(vector, room, index, shift), e.to_double(vector, names[x], x.kind)
            if mask is None:
                vector.put(f"  store {vector.type()} {value}, ptr {at}, align 8")
            else:
                vector.put(f"  call void @llvm.masked.store.v{width}f64.p0({vector.type()} {value}, ptr {at}, i32 8, <{width} x i1> {mask})")  # fmt: skip
        lines.count = vector.count
        if not tail:
            for x, new, result in zip(sums, nexts, results, strict=True):
                lines.put(f"  {new} = select i1 true, {self._type(x)} {result}, {self._type(x)} {result}")
            lines.put(f"  {following} = add i64 {index}, {width}")
            lines.put(f"  br label %{whole}.test")
            self._index, self._phis = index, phis
        else:
            for x, spot, result in zip(sums, spots, results, strict=True):
                lines.put(f"  store {self._type(x)} {result}, ptr {spot}, align 64")
            lines.put(f"  br label %{whole}.end")

    def _type(self, x: Node) -> str:
        return Lines(self.emit.width).type(BASE[x.kind])


def _upwards(width: int) -> str:
    return "<" + ", ".join(f"i64 {i}" for i in range(width)) + ">"
