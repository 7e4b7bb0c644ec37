"""Kernels whose vectors go across data sets: each element holds one of them, and all go through their rows side by side.

Where a row needs the one before, as in time series, or where rows are few, no vector of rows is worth its name. Rows of the
data sets abreast are laid out one beside the other first. When a few data sets have ended, others take their places, so
that no step is taken for the slowest alone. What is known of a data set is computed anew then for all of them: the same
numbers, at the price of those that are new.
"""

from collections.abc import Sequence

from jaxmle._native.codegen.block import Section
from jaxmle._native.codegen.kernel import Emitter
from jaxmle._native.codegen.loop import Body, Spot, stretch
from jaxmle._native.codegen.vector_math import SUFFIX, Lines, splat
from jaxmle._native.ir.nodes import BOOL, Node, cost, reachable
from jaxmle._native.ir.program import Column, Parts


class Across(Emitter):
    """The text of a kernel that takes a row of `abreast` data sets at a time.

    Attributes:
        columns: the buffer of a column's rows.
        least, most: rows that all data sets abreast have, and that any has.
        b, offset: which data sets they are, and where their rows begin.
    """

    def __init__(self, parts: Parts, rows: Sequence[Column], numbers: Sequence[Column], abreast: int) -> None:
        super().__init__(parts, rows, numbers, 1, abreast)
        self.columns: dict[int, int] = {}
        self.b = self.offset = self.least = self.most = ""
        self.idle = _idle(parts, sum(x.own for x in rows), abreast)

    def text(self) -> str:
        p, lines, w = self.parts, self.lines, self.abreast
        put, let = lines.put, lines.let
        self._choose_buffers()
        put(f"  store {lines.type('i8')} zeroinitializer, ptr %running, align 1")
        put(f"  store {lines.type('i8')} zeroinitializer, ptr %taken, align 1")
        put("  store i64 %begin, ptr %following, align 8")
        self._leaves()
        put("  br label %next\nnext:")
        put(_TAKE.replace("WIDTH", str(w)))
        put("fill:")
        self.b, self.offset, self.n = (
            let(f"load {lines.type('i64')}, ptr %{x}, align 64") for x in ("b", "offset.mine", "n")
        )
        fresh = self.kept(lines, BOOL, "%fresh")
        there = lines.op("or", fresh, self._is_running(), base="i1")
        put(f"  br i1 {self.any(there)}, label %full, label %ended\nended:\n  ret void")
        put("full:")
        self._side_by_side(fresh, there)
        known = self._known(there)
        active = self._legal(known, fresh)
        self.keep(lines, lines.op("or", active, self.kept(lines, BOOL, "%taken"), base="i1"), BOOL, "%taken")
        active = lines.op("and", active, self._not(self._first(known, active)), base="i1")
        running = lines.op("or", self._is_running(), active, base="i1")
        self._running(running)
        put(f"  br i1 {self.any(running)}, label %step, label %last")
        put("step:")
        running, done = self._next(known, p.again)
        running = lines.op("and", running, self._not(done), base="i1")
        self._running(running)
        put(f"  br i1 {self.any(running)}, label %enough, label %last\nenough:")
        left = let("load i64, ptr %following, align 8")
        more = let(f"icmp slt i64 {left}, %end")
        bits = let(f"bitcast {lines.type('i1')} {running} to i{w}")
        busy = let(f"call i{w} @llvm.ctpop.i{w}(i{w} {bits})")
        idle = let(f"icmp ule i{w} {busy}, {w - self.idle}")
        put(f"  br i1 {let(f'and i1 {more}, {idle}')}, label %last, label %step")
        put("last:")
        self._results(known)
        put("  br label %next")
        self.spots += [f"  %{x} = alloca [{w} x i64], align 64" for x in ("b", "offset.mine", "n")]
        self.spots += [f"  %{x} = alloca [{w} x i8], align 64" for x in ("fresh", "taken")]
        self.spots.append("  %following = alloca i64, align 8")
        return self._module()

    def _results(self, known: Section) -> None:
        """Writes those of the data sets that have ended; their places are free."""
        lines, let, places = self.lines, self.lines.let, self.lines.type("i64")
        taken, running = self.kept(lines, BOOL, "%taken"), self._is_running()
        ended = lines.op("and", taken, self._not(running), base="i1")
        self.keep(lines, lines.op("and", taken, running, base="i1"), BOOL, "%taken")
        last = self._here(known)
        last.need(self.parts.end)
        thread = lines.op("sub", self.b, splat(lines, "%begin", "i64", self.abreast), base="i64")
        for i, x in enumerate(self.parts.end):
            first = let(f"getelementptr double, ptr %out, i64 {let(f'mul i64 %threads, {i}')}")
            at = let(f"getelementptr double, ptr {first}, {places} {thread}")
            self._scatter(self.to_double(lines, last.name(x), x.kind), "double", at, ended)
        at = let(f"getelementptr i8, ptr %left, {places} {self.b}")
        self._scatter(lines.const(0, "i8"), "i8", at, ended)

    def buffer(self, lines: Lines, room: int, index: str) -> str:
        at = lines.let(f"add i64 {lines.let(f'mul i64 %room, {room}')}, {index}")
        return lines.let(f"getelementptr {lines.type('double')}, ptr {self.scratch}, i64 {at}")

    def row(self, lines: Lines, x: Node, index: str, mask: str | None) -> str:
        if x.attr in self.columns:
            return self.load(lines, self.buffer(lines, self.columns[x.attr], index), None, x.kind)
        at = lines.let(f"getelementptr double, ptr {self.leaves[x.attr]}, i64 {index}")  # the same for all
        one = splat(lines, lines.let(f"load double, ptr {at}, align 8"), "double", lines.width)
        return self.from_double(lines, one, x.kind)

    def over_rows(self, lines: Lines, together: int, reverse: bool, spots: Sequence[Spot], body: Body) -> None:
        """Row by row: as far as all data sets have rows, then those that have more."""

        def all_(index: str, old: list[str]) -> list[str]:
            return body(index, None, old)

        def some(index: str, old: list[str]) -> list[str]:
            there = lines.compare("sgt", self.n, splat(lines, index, "i64", self.abreast), "i64")
            return body(index, there, old)

        ways = [("0", self.least, all_), (self.least, self.most, some)]
        for first, end, part in ways[::-1] if reverse else ways:
            if reverse:
                stretch(self, lines, lines.let(f"sub i64 {end}, 1"), first, -1, spots, part)
            else:
                stretch(self, lines, first, end, 1, spots, part)

    def load(self, v: Lines, at: str, mask: str | None, kind: str) -> str:
        return super().load(v, at, None, kind)  # all rows are there, if only in name

    def _choose_buffers(self) -> None:
        super()._choose_buffers()
        p = self.parts
        read = {x.attr for x in reachable([*p.valid, *p.begin, *p.later]) if x.op in ("load", "first")}
        own = sorted(i for i in read if self.rows[i].own)
        self.columns = {i: self.fixed + k for k, i in enumerate(own)}
        self.fixed = self.rooms = self.rooms + len(own)

    def _side_by_side(self, fresh: str, there: str) -> None:
        """Rows of the data sets that are new, each in its place beside the others."""
        lines, w = self.lines, self.abreast
        wide, numbers = lines.type("double"), lines.type("i64")
        none, all_ = lines.const(0, "i64"), lines.const((1 << 63) - 1, "i64")
        rows = lines.select(there, self.n, none, "i64")
        self.most = lines.let(f"call i64 @llvm.vector.reduce.smax.v{w}i64({numbers} {rows})")
        rows = lines.select(there, self.n, all_, "i64")
        self.least = lines.let(f"call i64 @llvm.vector.reduce.smin.v{w}i64({numbers} {rows})")

        def body(index: str, mask: str | None, _: list[str]) -> list[str]:
            at = lines.op("add", self.offset, splat(lines, index, "i64", w), base="i64")
            new = fresh if mask is None else lines.op("and", fresh, mask, base="i1")
            for i, room in self.columns.items():
                place = self.buffer(lines, room, index)
                x = self._gathered(f"getelementptr double, ptr {self.leaves[i]}, {numbers} {at}", "double", new)
                lines.put(
                    f"  call void @llvm.masked.store.v{w}f64.p0({wide} {x}, ptr {place}, i32 8, {lines.type('i1')} {fresh})"
                )
            return []

        self.over_rows(lines, 1, False, [], body)

    def _gathered(self, at: str, base: str, mask: str) -> str:
        """1 where the mask is not."""
        lines, w = self.lines, self.abreast
        t, places = lines.type(base), f"<{w} x ptr> {lines.let(at)}"
        return lines.let(
            f"call {t} @llvm.masked.gather.v{w}{SUFFIX[base]}.v{w}p0({places}, i32 8, {lines.type('i1')} {mask}, {t} {lines.const(1, base)})"
        )

    def _scatter(self, value: str, base: str, places: str, mask: str) -> None:
        w = self.abreast
        self.lines.put(
            f"  call void @llvm.masked.scatter.v{w}{SUFFIX[base]}.v{w}p0({self.lines.type(base)} {value}, <{w} x ptr> {places}, i32 1, <{w} x i1> {mask})"
        )

    def _of_each(self, numbers: str, inside: str, base: str, column: Column | None = None) -> str:
        return self._gathered(f"getelementptr {base}, ptr {numbers}, {self.lines.type('i64')} {self.b}", base, inside)

    def declarations(self) -> str:
        w = self.abreast
        reduce = "".join(f"declare i64 @llvm.vector.reduce.{f}.v{w}i64(<{w} x i64>)\n" for f in ("smin", "smax"))
        count = f"declare i{w} @llvm.ctpop.i{w}(i{w})\n"
        gather = (
            f"declare <{w} x double> @llvm.masked.gather.v{w}f64.v{w}p0(<{w} x ptr>, i32, <{w} x i1>, <{w} x double>)\n"
        )
        scatter = "".join(
            f"declare void @llvm.masked.scatter.v{w}{SUFFIX[t]}.v{w}p0(<{w} x {t}>, <{w} x ptr>, i32, <{w} x i1>)\n"
            for t in ("double", "i8")
        )
        return f"{super().declarations()}{reduce}{count}{gather}{scatter}"


_TAKE = """  br label %take
take:
  %j = phi i64 [ 0, %next ], [ %j.next, %take.done ]
  %j.next = add i64 %j, 1
  %j.more = icmp slt i64 %j, WIDTH
  br i1 %j.more, label %take.look, label %fill
take.look:
  %j.taken.at = getelementptr i8, ptr %taken, i64 %j
  %j.taken = load i8, ptr %j.taken.at, align 1
  %j.fresh.at = getelementptr i8, ptr %fresh, i64 %j
  store i8 0, ptr %j.fresh.at, align 1
  %j.free = icmp eq i8 %j.taken, 0
  br i1 %j.free, label %take.try, label %take.done
take.try:
  %j.b = load i64, ptr %following, align 8
  %j.left = icmp slt i64 %j.b, %end
  br i1 %j.left, label %take.it, label %take.done
take.it:
  %j.b1 = add i64 %j.b, 1
  store i64 %j.b1, ptr %following, align 8
  %j.count.at = getelementptr i64, ptr %count, i64 %j.b
  %j.count = load i64, ptr %j.count.at, align 8
  %j.rows = icmp sgt i64 %j.count, 0
  br i1 %j.rows, label %take.rows, label %take.try
take.rows:
  %j.offset.at = getelementptr i64, ptr %offset, i64 %j.b
  %j.offset = load i64, ptr %j.offset.at, align 8
  %j.to.b = getelementptr i64, ptr %b, i64 %j
  %j.to.offset = getelementptr i64, ptr %offset.mine, i64 %j
  %j.to.n = getelementptr i64, ptr %n, i64 %j
  store i64 %j.b, ptr %j.to.b, align 8
  store i64 %j.offset, ptr %j.to.offset, align 8
  store i64 %j.count, ptr %j.to.n, align 8
  store i8 1, ptr %j.fresh.at, align 1
  br label %take.done
take.done:
  br label %take
"""
"Gives each free place the next data set that has rows."


def _idle(parts: Parts, columns: int, abreast: int) -> int:
    """How many data sets have ended before others take their places: then all that is known is computed anew.

    With as many operations a row for that as a step has times r, m at a time, about 8 steps for each, that costs
    r abreast / (8 m) of a step each, and (m - 1) / 2 of `abreast` are idle: least at m = 4 sqrt(r) of eight.
    """
    known = [x for x in reachable([*parts.valid, *parts.begin, *parts.later]) if x.row and x.known]
    moving = [x for x in reachable([*parts.following, parts.again]) if x.row and not x.known]
    ratio = (sum(map(cost, known)) + 5 * columns) / max(sum(map(cost, moving)), 1)
    return min(max(round(abreast / 2 * ratio**0.5), 1), abreast)
