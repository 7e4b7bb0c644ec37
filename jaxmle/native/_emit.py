"""From graphs to LLVM: one function that fits one data set after another, or a thread of a GPU that fits one.

Rows go through vectors, all sums of one stage in a single pass; what is known of a data set is computed once, before
its first step; rows that are known and dear wait in a buffer. A thread takes one row at a time, and the buffers of
threads lie side by side, so that neighbors read neighbors.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxmle.native._elements import BASE, LIBM, LIBM_TWO, extreme
from jaxmle.native._math import Lines, functions, intrinsics
from jaxmle.native._nodes import BOOL, FLOAT, INT, Node, dear, reachable, rows_under
from jaxmle.native._section import Section


class Parts(NamedTuple):
    """One fit as nodes.

    Attributes:
        valid: what must hold of a data set, known.
        begin: the first state, known.
        finished, again: whether that state, and the next one, is the last.
        following: the next state.
        end: the results, of the last state.
    """

    valid: list[Node]
    begin: list[Node]
    finished: Node
    following: list[Node]
    again: Node
    end: list[Node]


class Column(NamedTuple):
    """Where the numbers of a leaf's element lie.

    Attributes:
        own: whether there is one, or one a row, for each data set.
        stride: from one to the next on a GPU, which reads leaves as they are; on a CPU columns are dense.
    """

    own: bool
    stride: int


class Emitter:
    """The text of one kernel.

    Args:
        parts: the fit.
        rows: the columns of leaves with rows; the node's attr is its place here.
        numbers: the same of leaves that are single numbers.
        width: elements of a vector; 1 for a thread of a GPU.
    """

    def __init__(self, parts: Parts, rows: Sequence[Column], numbers: Sequence[Column], width: int) -> None:
        self.parts, self.rows, self.numbers, self.width = parts, rows, numbers, width
        self.lines = Lines(1)
        self.labels = 0
        self.buffers: dict[Node, int] = {}  # rows that are known
        self.rooms = 0  # buffers in all
        self.row_base: list[str] = []
        self.spots: list[str] = []

    def label(self) -> str:
        self.labels += 1
        return f"loop{self.labels}"

    def constant(self, lines: Lines, x: Node) -> str:
        assert x.op == "const", f"{x.op} is used before it is made"
        return lines.const(x.value, BASE[x.kind])

    def accumulator(self, kind: str) -> str:
        """Memory for a number or a vector of this type."""
        name = f"%spot{len(self.spots)}"
        self.spots.append(f"  {name} = alloca {kind}, align 64")
        return name

    def from_double(self, lines: Lines, x: str, kind: str) -> str:
        if kind == BOOL:
            return lines.compare("une", x, lines.const(0.0))
        return lines.cast("fptosi", x, "double", "i64") if kind == INT else x

    def to_double(self, lines: Lines, x: str, kind: str) -> str:
        how = {BOOL: "uitofp", INT: "sitofp"}
        return x if kind == FLOAT else lines.cast(how[kind], x, BASE[kind], "double")

    def load(self, v: Lines, at: str, mask: str | None, kind: str) -> str:
        if mask is None:
            x = v.let(f"load {v.type()}, ptr {at}, align 8")
        else:
            x = v.let(
                f"call {v.type()} @llvm.masked.load.v{self.width}f64.p0(ptr {at}, i32 8, <{self.width} x i1> {mask}, "
                f"{v.type()} {v.const(1.0)})"
            )
        return self.from_double(v, x, kind)

    def buffer(self, lines: Lines, room: int, index: str) -> str:
        """Where a buffer has a row."""
        at = lines.let(f"add i64 {lines.let(f'mul i64 %room, {room}')}, {index}")
        if self.width == 1:
            at = lines.let(f"add i64 {lines.let(f'mul i64 {at}, %threads')}, %thread")
        return lines.let(f"getelementptr double, ptr %scratch, i64 {at}")

    def place(self, lines: Lines, x: Node, index: str) -> str:
        """Where a row of the data is."""
        index = self.spread(lines, index, self.rows[x.attr])
        return lines.let(f"getelementptr double, ptr {self.row_base[x.attr]}, i64 {index}")

    def spread(self, lines: Lines, index: str, column: Column) -> str:
        return index if self.width > 1 or column.stride == 1 else lines.let(f"mul i64 {index}, {column.stride}")

    def joined(self, v: Lines, x: Node, a: str, b: str) -> str:
        if x.op == "rsum":
            return v.op("fadd" if x.kind == FLOAT else "add", a, b, base=BASE[x.kind])
        if x.op in ("rand", "ror"):
            return v.op("and" if x.op == "rand" else "or", a, b, base="i1")
        return extreme(v, "max" if x.op == "rmax" else "min", a, b, x.kind)

    def folded(self, lines: Lines, x: Node, vec: str) -> str:
        """The elements of a vector in one, pair by pair."""
        base, width = BASE[x.kind], self.width
        while width > 1:
            half = width // 2
            parts = []
            for start in (0, half):
                picks = ", ".join(f"i32 {start + i}" for i in range(half))
                parts.append(
                    lines.let(
                        f"shufflevector <{width} x {base}> {vec}, <{width} x {base}> poison, <{half} x i32> <{picks}>"
                    )
                )
            small = Lines(half)
            small.text, small.count = lines.text, lines.count
            if half == 1:
                parts = [small.let(f"extractelement <1 x {base}> {p}, i64 0") for p in parts]
            vec = self.joined(small, x, *parts)
            lines.count, width = small.count, half
        return vec

    # --- the kernel --------------------------------------------------------------------------------------

    def text(self) -> str:
        """The module: `fit(begin, end, leaves, offset, count, state, out, left, scratch, room)`.

        On a GPU without a `state`, for each of its threads.
        """
        p, lines = self.parts, self.lines
        self._choose_buffers()
        put, let = lines.put, lines.let
        put("  br label %next")
        put("next:")
        put("  %b = phi i64 [ %begin, %entry ], [ %b1, %skip ]")
        put("  %b1 = add i64 %b, 1")
        put(f"  {(go := lines.name())} = icmp slt i64 %b, %end")
        put(f"  br i1 {go}, label %set, label %out_of_work")
        put("out_of_work:")
        put("  ret void")
        put("set:")
        put(f"  {(at := lines.name())} = getelementptr i64, ptr %count, i64 %b")
        put(f"  %n = load i64, ptr {at}")
        at = let("getelementptr i64, ptr %offset, i64 %b")
        offset = let(f"load i64, ptr {at}")
        names: dict[Node, str] = {}
        for i, column in enumerate(self.rows):
            base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {i}')}")
            first = self.spread(lines, offset, column) if column.own else "0"
            self.row_base.append(let(f"getelementptr double, ptr {base}, i64 {first}"))
        left = let("getelementptr i8, ptr %left, i64 %b")
        empty = let("icmp eq i64 %n, 0")
        put(f"  br i1 {empty}, label %skip, label %full")
        put("full:")
        known = Section(self, names, {})
        for x in reachable([*p.valid, *p.begin, p.finished, *p.following, p.again, *p.end]):
            if x.op == "number":
                base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {len(self.rows) + x.attr}')}")
                column = self.numbers[x.attr]
                at = let(
                    f"getelementptr double, ptr {base}, i64 {self.spread(lines, '%b', column) if column.own else 0}"
                )
                known.names[x] = self.from_double(lines, let(f"load double, ptr {at}, align 8"), x.kind)
            elif x.op in ("count", "length"):
                known.names[x] = "%n"
            elif x.op == "const":
                known.names[x] = self.constant(lines, x)
        known.need(p.valid)
        valid = lines.const(True, "i1")
        for x in p.valid:
            valid = lines.op("and", valid, known.names[x], base="i1")
        put(f"  br i1 {valid}, label %legal, label %skip")
        put("legal:")
        put(f"  store i8 0, ptr {left}")
        known.need(p.begin)
        self._store("%state", p.begin, known.names)
        inputs = self._known_inputs()
        _, uniform = rows_under([x for x in inputs if x.row], {})
        known.need([*uniform, *(x for x in inputs if not x.row)], list(self.buffers))
        at_start = Section(self, known.names, self.buffers)
        self._load("%state", at_start)
        at_start.need([p.finished])
        put(f"  br i1 {at_start.names[p.finished]}, label %last, label %step")
        put("step:")
        step = Section(self, known.names, self.buffers)
        self._load("%state", step)
        step.need([*p.following, p.again])
        self._store("%state", p.following, step.names)
        put(f"  br i1 {step.names[p.again]}, label %last, label %step")
        put("last:")
        last = Section(self, known.names, self.buffers)
        self._load("%state", last)
        last.need(p.end)
        at = "%thread" if self.width == 1 else let(f"mul i64 %b, {len(p.end)}")
        self._store(let(f"getelementptr double, ptr %out, i64 {at}"), p.end, last.names, self.width == 1)
        put("  br label %skip")
        put("skip:")
        put("  br label %next")
        return self._module()

    def _known_inputs(self) -> list[Node]:
        """Known nodes that steps and results use."""
        p = self.parts
        later = [x for x in reachable([p.finished, *p.following, p.again, *p.end]) if not x.known]
        roots = [x for x in (*p.following, *p.end, p.again, p.finished) if x.known]
        return list(dict.fromkeys([*roots, *(a for x in later for a in x.args if a.known)]))

    def _choose_buffers(self) -> None:
        """Known rows that steps use wait in memory where it costs more than a few operations to make them again."""
        for x in dear(x for x in self._known_inputs() if x.row):
            self.buffers[x] = len(self.buffers)
        self.rooms = len(self.buffers)

    def _load(self, at: str, section: Section) -> None:
        p = self.parts
        for x in reachable([p.finished, *p.following, p.again, *p.end]):
            if x.op == "state":
                spot = self.lines.let(f"getelementptr double, ptr {at}, i64 {x.attr}")
                section.names[x] = self.from_double(
                    self.lines, self.lines.let(f"load double, ptr {spot}, align 8"), x.kind
                )

    def _store(self, at: str, nodes: Iterable[Node], names: dict[Node, str], apart: bool = False) -> None:
        """Writes numbers one after the other or, `apart`, with those of the other threads between them."""
        for i, x in enumerate(nodes):
            if x.op == "state" and x.attr == i:
                continue
            index = self.lines.let(f"mul i64 %threads, {i}") if apart else i
            spot = self.lines.let(f"getelementptr double, ptr {at}, i64 {index}")
            value = names[x] if x in names else self.constant(self.lines, x)
            self.lines.put(f"  store double {self.to_double(self.lines, value, x.kind)}, ptr {spot}, align 8")

    def _module(self) -> str:
        w = self.width
        libm = "".join(f"declare double @{f}(double)\n" for f in LIBM)
        libm += "".join(f"declare double @{f}(double, double)\n" for f in LIBM_TWO)
        masked = (
            f"declare <{w} x double> @llvm.masked.load.v{w}f64.p0(ptr, i32, <{w} x i1>, <{w} x double>)\n"
            f"declare void @llvm.masked.store.v{w}f64.p0(<{w} x double>, ptr, i32, <{w} x i1>)\n"
        )
        alone = w == 1
        own = [*map(intrinsics, sorted({1, 2, 4, 8, 16, w})), masked] if not alone else [intrinsics(1)]
        own += [libm, *map(functions, sorted({1, w}))]
        states = f"  %state = alloca [{max(len(self.parts.begin), 1)} x double], align 64"
        body = [*([states] if alone else []), *self.spots, *self.lines.text, "}"]
        return "\n".join([*own, _THREAD if alone else _ONE_AFTER_ANOTHER, *body, GRID if alone else ""])


_ONE_AFTER_ANOTHER = """
define void @fit(i64 %begin, i64 %end, ptr noalias %leaves, ptr noalias %offset, ptr noalias %count, ptr noalias %state,
    ptr noalias %out, ptr noalias %left, ptr noalias %scratch, i64 %room) {
entry:"""

_THREAD = """
define internal void @one(i64 %begin, i64 %end, i64 %thread, i64 %threads, ptr noalias %leaves, ptr noalias %offset,
    ptr noalias %count, ptr noalias %out, ptr noalias %left, ptr noalias %scratch, i64 %room) alwaysinline {
entry:"""

GRID = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()

define ptx_kernel void @fit(i64 %begin, i64 %end, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left,
    ptr %scratch, i64 %room) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %ntid = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %first = mul i32 %block, %ntid
  %place = add i32 %first, %tid
  %thread = zext i32 %place to i64
  %threads = sub i64 %end, %begin
  %b = add i64 %begin, %thread
  %b1 = add i64 %b, 1
  %inside = icmp slt i64 %b, %end
  br i1 %inside, label %work, label %done
work:
  call void @one(i64 %b, i64 %b1, i64 %thread, i64 %threads, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left,
    ptr %scratch, i64 %room)
  br label %done
done:
  ret void
}"""
