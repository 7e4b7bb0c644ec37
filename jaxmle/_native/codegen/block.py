"""Straight code for some nodes of a kernel, with passes over the rows where there are sums or series."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jaxmle._native.codegen.elements import element
from jaxmle._native.codegen.lane_loop import Mine, byte
from jaxmle._native.codegen.recurrence import Turn, in_turn
from jaxmle._native.codegen.row_pass import START, Pass
from jaxmle._native.codegen.sorting import in_order
from jaxmle._native.codegen.vector_math import Lines, over, shifted, splat, vector_of
from jaxmle._native.ir.nodes import DEAR, FLOAT, RUNNING, SUMS, Node, age, dear, reachable, rows_under
from jaxmle._native.passes.value_counts import counted, gathered

if TYPE_CHECKING:
    from jaxmle._native.codegen.kernel import Emitter


class Work(NamedTuple):
    """What is done with rows at a time: numbers of the first one, sums, rows that are written down, loops and sorts that
    follow, sorts with those of their rows that are used."""

    firsts: list[Node]
    ends: list[Node]
    keep: list[Node]
    turns: list[Turn]
    sorts: list[tuple[Node, list[Node]]]

    @property
    def roots(self) -> list[Node]:
        return [*(x.args[0] for x in self.ends), *self.keep]

    @property
    def results(self) -> list[Node]:
        """The uniform nodes that come of it."""
        return [*self.firsts, *self.ends, *(x for turn in self.turns for x in turn.final.values())]


class Section:
    """Straight code for some nodes.

    Passes have numbers; odd ones go through the rows forwards, even ones backwards.

    Attributes:
        names: of uniform nodes that are computed; vectors where several data sets go abreast.
        written: those of them that are in memory too.
        stored: rows that are in a buffer, and in which.
        mine: uniform nodes of the one data set whose rows are read, while they are.
        real, width: in what rows are taken, and how many of a data set at a time.
        wide: elements of a vector of rows.
    """

    def __init__(
        self, emit: "Emitter", known: dict[Node, str], stored: dict[Node, int], written: set[Node], real: str = "double"
    ) -> None:
        self.real, self.width = real, vector_of(emit.width, real)
        self.wide = emit.abreast if emit.across else self.width
        self.emit, self.lines, self.names, self.stored = emit, emit.lines, dict(known), dict(stored)
        self.written = set(written)
        self.mine: Mine | None = None
        self.rooms = emit.fixed

    def need(self, outputs: Sequence[Node], keep: Sequence[Node] = ()) -> None:
        """Computes uniform nodes; rows in `keep` go to their buffers."""
        nodes = reachable([*outputs, *keep], lambda x: x not in self.names and x not in self.stored)
        nodes = [x for x in nodes if x not in self.names and x not in self.stored]
        place = _places(nodes)
        for number, work in enumerate(self._plan(nodes, place, keep)):
            if any(work):
                self._of_each(work, reverse=number > 0 and number % 2 == 0)
            for column in self.emit.values:
                ends = [x for x in nodes if place[x] == number and x.op == "rsum" and x.attr == column]
                if ends:
                    self._of_each(Work([], ends, [], [], []), reverse=False, column=column)
            for x in nodes:
                if place[x] == number and not x.row and x.op not in ("loop", "sort") and x not in self.names:
                    assert x.op != "load", "a row outside its loop"
                    self.names[x] = element(self.lines, x, [self.name(a) for a in x.args])

    def gather(self, columns: Iterable[int]) -> None:
        """The values of these columns, and how many rows have each."""
        e = self.emit

        def body(mine: Mine) -> None:
            for column in columns:
                value, times = (e.buffer(self.lines, e.values[column] + i, "0") for i in (0, 1))
                count = self.lines.let(f"getelementptr i64, ptr {counted(column)}, i64 {mine.lane}")
                self.lines.put(gathered(e.row_base[column], e.n, value, times, count, e.label()))

        if columns:
            self._one_by_one(body)

    def _one_by_one(self, body: Callable[[Mine], None]) -> None:
        """Code for one data set, which all that go abreast run one after the other."""
        e, outer = self.emit, self.lines
        self.mine = mine = Mine(self, e.label())
        n, e.n, e.scratch = e.n, f"{mine.lane}.n", f"{mine.lane}.scratch"
        self.lines = inner = over(outer, 1)
        inner.text = []
        e.base(inner, f"{mine.lane}.b")
        head, inner.text = inner.text, []
        body(mine)
        outer.text += mine.around([*head, *mine.head, *inner.text])
        outer.count = inner.count
        self.lines, self.mine, e.n, e.scratch = outer, None, n, "%scratch"

    def _of_each(self, work: Work, reverse: bool, column: int | None = None) -> None:
        """What is done with rows, or with the values of a column, for one data set after the other."""
        e, outer = self.emit, self.lines
        if e.abreast == 1 or e.across:
            self._rows(work, reverse)
            return

        def body(mine: Mine) -> None:
            inner = self.lines
            if column is not None:
                at = inner.let(f"getelementptr i64, ptr {counted(column)}, i64 {mine.lane}")
                e.n = inner.let(f"load i64, ptr {at}, align 8")
            self._rows(work, reverse)
            for x in work.results:
                at = inner.let(f"getelementptr {byte(x.kind)}, ptr {e.slot(x)}, i64 {mine.lane}")
                e.keep(inner, mine.names[x], x.kind, at)

        self._one_by_one(body)
        for x in work.results:
            self.names[x] = e.kept(outer, x.kind, e.slot(x))
        self.written.update(work.results)

    def _rows(self, work: Work, reverse: bool) -> None:
        e, lines = self.emit, self.lines
        for x in work.firsts:
            self.made(x, e.row(lines, x, "0", None))
        if work.ends or work.keep:
            self.loop(work, reverse)
        for turns in ([t for t in work.turns if t.reverse == way] for way in (False, True)):
            if turns:
                in_turn(self, turns)
        if work.sorts:
            in_order(self, work.sorts)

    def _plan(self, nodes: Sequence[Node], place: dict[Node, int], keep: Sequence[Node]) -> list[Work]:
        plan = [Work([], [], [], [], []) for _ in range(max(place.values(), default=0) + 1)]
        for x in nodes:
            if x.op == "loop":
                turn = Turn(x, nodes)
                plan[place[x]].turns.append(turn)
                plan[place[x]].keep.extend(dear(turn.inputs, self.stored))
            elif x.op == "sort":
                plan[place[x]].sorts.append((x, [y for y in nodes if y.op == "at_rank" and y.args[0] is x]))
                plan[place[x]].keep.extend(a for a in x.args if a.row)
            elif x.op == "first":
                plan[place[x]].firsts.append(x)
            elif (x.op in SUMS and x.attr is None) or (x.op == "final" and x.args[0].row):
                plan[place[x]].ends.append(x)
        for x in keep:
            if x.op not in ("series", "at_rank") and x not in self.stored:
                plan[place[x]].keep.append(x)
        bodies: list[set[Node]] = []
        for number, work in reversed(list(enumerate(plan))):
            bodies.insert(0, set(rows_under(work.roots, self.stored)[0]) - self.stored.keys())
            for x in bodies[0]:  # what runs through the rows is there once
                if x.op == "linear" and place[x] < number:
                    plan[place[x]].keep.append(x)
        seen: dict[Node, int] = {}
        for number, body in enumerate(bodies):
            for x in body:
                if x.op in DEAR and x.op not in (*RUNNING, "at_rank") and seen.setdefault(x, number) < number:
                    plan[seen[x]].keep.append(x)
        return [Work(w.firsts, w.ends, sorted(set(w.keep), key=age), w.turns, w.sorts) for w in plan]

    def room(self, x: Node | None) -> int:
        """The number of a buffer for a row, or of one for other things."""
        if x in self.emit.buffers:
            return self.emit.buffers[x]
        self.rooms += 1
        self.emit.rooms = max(self.emit.rooms, self.rooms)
        return self.rooms - 1

    def name(self, x: Node) -> str:
        """A uniform node, of the data sets abreast or of the one whose rows are read."""
        if x.op == "const":
            return self.emit.constant(self.lines, x)
        return self.names[x] if self.mine is None else self.mine.name(x)

    def made(self, x: Node, name: str) -> None:
        """A uniform node that comes of rows."""
        (self.names if self.mine is None else self.mine.names)[x] = name

    # --- many rows at once -------------------------------------------------------------------------------

    def loop(self, work: Work, reverse: bool) -> None:
        """One pass over the rows."""
        e, lines, width = self.emit, self.lines, self.width
        keep = [x for x in work.keep if x not in self.stored]
        body, uniform = rows_under([*(x.args[0] for x in work.ends), *keep], self.stored)
        vector = Lines(self.wide, self.real)
        wide = {
            x: vector.const(x.value, vector.base(x.kind))
            if x.op == "const"
            else splat(lines, self._in_row(x), vector.base(x.kind), width)
            for x in uniform
        }
        runs = [x for x in body if x.op == "linear" and x not in self.stored]
        powers = {
            x: self._powers(wide[x.args[1]], x.kind)
            for x in runs
            if width > 1 and len(x.args) == 3 and not x.args[1].row
        }
        carried = [*work.ends, *runs]
        spots = {x: e.accumulator(self.type(x)) for x in carried if x.op != "final"}
        for x, spot in spots.items():
            start = self._in_row(x.args[0]) if x.op == "linear" else vector.const(START[x.op], vector.base(x.kind))
            lines.put(f"  store {self.type(x)} {start}, ptr {spot}, align 64")
        pass_ = Pass(self, body, wide, powers, spots, reverse)
        rooms = [(x, self.room(x)) for x in keep]
        pass_.emit([x for x in work.ends if x.op != "final"], runs, rooms)
        for x in work.ends:
            if x.op == "final":
                last, base = x.args[0], vector.base(x.kind)
                value = lines.let(f"load {self.type(last)}, ptr {spots[last]}, align 64")
                self.made(x, lines.cast("fpext", value, base, "double") if base == "float" else value)
            else:
                sums = lines.let(f"load {self.type(x)}, ptr {spots[x]}, align 64")
                self.made(x, e.folded(lines, x, sums, width, self.real))
        self.stored |= dict(rooms)

    def type(self, x: Node) -> str:
        vector = Lines(self.wide, self.real)
        alone = x.op == "linear" and not self.emit.across
        return vector.base(x.kind) if alone else vector.type(vector.base(x.kind))

    def _in_row(self, x: Node) -> str:
        """A uniform node as rows take it."""
        one = Lines(self.lines.width, self.real)
        if x.op == "const":
            return one.const(x.value, one.base(x.kind))
        narrow = one.base(x.kind) == "float"
        return self.lines.cast("fptrunc", self.name(x), "double", "float") if narrow else self.name(x)

    def _powers(self, a: str, kind: str) -> tuple[list[str], str]:
        """a, a^2, a^4, ... in all elements, and a, a^2, a^3, ... one in each."""
        v, times = over(self.lines, self.width, self.real), "fmul" if kind == FLOAT else "mul"
        base = v.base(kind)
        squares, each = [a], a
        for i in range(v.width.bit_length() - 1):
            if i:
                squares.append(v.op(times, squares[-1], squares[-1], base=base))
            each = v.op(times, each, shifted(v, each, v.const(1, base), 1 << i, False, base), base=base)
        self.lines.count = v.count
        return squares, each


def _places(nodes: Sequence[Node]) -> dict[Node, int]:
    """In which pass each node can be had at the earliest."""
    place: dict[Node, int] = {}
    for x in nodes:
        least = 1 if x.row else 0
        for a in x.args:
            least = max(least, place.get(a, a.row) + (x.row and not a.row))
        place[x] = least + (x.op == "linear" and (least % 2 == 0) != x.attr)
    return place
