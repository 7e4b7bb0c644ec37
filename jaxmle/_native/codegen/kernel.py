"""From graphs to LLVM: one function that fits one data set after another, or a thread of a GPU that fits one.

On a CPU a few data sets go abreast, one in each element of a vector, wherever a number belongs to a data set; their rows
go through vectors one data set after another, all sums of one stage in a single pass. What is known of a data set is
computed once, before its first step; rows that are known and dear wait in a buffer. A thread of a GPU has one data set
and takes one row at a time; the buffers of threads lie side by side, so that neighbors read neighbors.
"""

from collections.abc import Sequence

from jaxmle._native.codegen.block import Section
from jaxmle._native.codegen.elements import LIBM, LIBM_TWO, extreme
from jaxmle._native.codegen.entry import GRID, ONE_AFTER_ANOTHER, THREAD
from jaxmle._native.codegen.lane_loop import aligned, byte
from jaxmle._native.codegen.loop import Body, Spot, one_data_set
from jaxmle._native.codegen.sorting import ORDER
from jaxmle._native.codegen.vector_math import (
    BASE,
    FORMATS,
    SUFFIX,
    Lines,
    functions,
    intrinsics,
    splat,
    upwards,
    vector_of,
)
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node, dear, reachable, rows_under
from jaxmle._native.ir.program import Column, Draft, Parts
from jaxmle._native.passes.value_counts import columns_summed, counted, depends_on_values


class Emitter:
    """The text of one kernel.

    Args:
        parts: the fit.
        rows: the columns of leaves with rows; the node's attr is its place here.
        numbers: the same of leaves that are single numbers.
        width: rows of a data set that go together.
        abreast: data sets that go together.
    """

    def __init__(
        self, parts: Parts, rows: Sequence[Column], numbers: Sequence[Column], width: int, abreast: int = 1
    ) -> None:
        self.parts, self.rows, self.numbers, self.width, self.abreast = parts, rows, numbers, width, abreast
        self.thread = width == abreast == 1
        self.across = width == 1 < abreast
        self.lines = Lines(abreast)
        self.labels = 0
        self.buffers: dict[Node, int] = {}  # rows that are known
        self.values: dict[int, int] = {}  # the buffer of a column's values; in the next is how many rows have each
        self.fixed = self.rooms = 0  # buffers that all sections share, and all of them
        self.n, self.scratch = "%n", "%scratch"  # of the data set whose rows are read
        self.leaves: list[str] = []
        self.row_base: list[str] = []
        self.spots: list[str] = []
        self.slots: dict[Node, str] = {}

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

    def slot(self, x: Node) -> str:
        """Memory for a number of each data set abreast."""
        if x not in self.slots:
            self.slots[x] = f"%slot{len(self.slots)}"
            self.spots.append(f"  {self.slots[x]} = alloca [{self.abreast} x {byte(x.kind)}], align 64")
        return self.slots[x]

    def keep(self, lines: Lines, value: str, kind: str, at: str) -> None:
        """Writes numbers of one or more data sets; truth takes a byte."""
        if kind == BOOL:
            value = lines.cast("zext", value, "i1", "i8")
        lines.put(f"  store {lines.type(byte(kind))} {value}, ptr {at}, align {aligned(kind)}")

    def kept(self, lines: Lines, kind: str, at: str) -> str:
        value = lines.let(f"load {lines.type(byte(kind))}, ptr {at}, align {aligned(kind)}")
        return lines.compare("ne", value, lines.const(0, "i8"), "i8") if kind == BOOL else value

    def any(self, mask: str) -> str:
        w = self.abreast
        return mask if w == 1 else self.lines.let(f"call i1 @llvm.vector.reduce.or.v{w}i1(<{w} x i1> {mask})")

    def from_double(self, lines: Lines, x: str, kind: str) -> str:
        if kind == BOOL:
            return lines.compare("une", x, lines.const(0.0, "double"), "double")
        return x if lines.base(kind) == "double" else lines.cast(_FROM[kind], x, "double", lines.base(kind))

    def to_double(self, lines: Lines, x: str, kind: str) -> str:
        return x if lines.base(kind) == "double" else lines.cast(_TO[kind], x, lines.base(kind), "double")

    def load(self, v: Lines, at: str, mask: str | None, kind: str) -> str:
        t, w = v.type("double"), v.width
        if mask is None:
            x = v.let(f"load {t}, ptr {at}, align 8")
        else:
            x = v.let(
                f"call {t} @llvm.masked.load.v{w}f64.p0(ptr {at}, i32 8, <{w} x i1> {mask}, {t} {v.const(1.0, 'double')})"
            )
        return self.from_double(v, x, kind)

    def buffer(self, lines: Lines, room: int, index: str) -> str:
        """Where a buffer has a row."""
        at = lines.let(f"add i64 {lines.let(f'mul i64 %room, {room}')}, {index}")
        if self.thread:
            at = lines.let(f"add i64 {lines.let(f'mul i64 {at}, %threads')}, %thread")
        return lines.let(f"getelementptr double, ptr {self.scratch}, i64 {at}")

    def row(self, lines: Lines, x: Node, index: str, mask: str | None) -> str:
        """A row of the data, or as many as are a vector."""
        if isinstance(x.attr, tuple):
            what, column = x.attr
            return self.load(lines, self.buffer(lines, self.values[column] + (what == "times"), index), mask, x.kind)
        index = self.spread(lines, index, self.rows[x.attr])
        at = lines.let(f"getelementptr double, ptr {self.row_base[x.attr]}, i64 {index}")
        return self.load(lines, at, mask, x.kind)

    def spread(self, lines: Lines, index: str, column: Column) -> str:
        return lines.let(f"mul i64 {index}, {column.stride}") if self.thread and column.stride > 1 else index

    def over_rows(self, lines: Lines, together: int, reverse: bool, spots: Sequence[Spot], body: Body) -> None:
        """A loop over the rows, `together` of a data set at a time; see `_stretch`."""
        one_data_set(self, lines, together, reverse, spots, body)

    def joined(self, v: Lines, x: Node, a: str, b: str) -> str:
        if x.op == "rsum":
            return v.op("fadd" if x.kind == FLOAT else "add", a, b, base=v.base(x.kind))
        if x.op in ("rand", "ror"):
            return v.op("and" if x.op == "rand" else "or", a, b, base="i1")
        return extreme(v, "max" if x.op == "rmax" else "min", a, b, x.kind)

    def folded(self, lines: Lines, x: Node, vec: str, width: int, real: str) -> str:
        """The elements of a vector in one, pair by pair; a sum of float32 becomes a float64."""
        base = Lines(real=real).base(x.kind)
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
            small = Lines(half, real)
            small.text, small.count = lines.text, lines.count
            if half == 1:
                parts = [small.let(f"extractelement <1 x {base}> {p}, i64 0") for p in parts]
            vec = self.joined(small, x, *parts)
            lines.count, width = small.count, half
        return lines.cast("fpext", vec, base, "double") if base == "float" else vec

    # --- the kernel --------------------------------------------------------------------------------------

    def text(self) -> str:
        """The module: `fit` as `_kernel.Kernel.call` has it; results go to columns, `threads` numbers from one to the next."""
        p, lines, w = self.parts, self.lines, self.abreast
        self._choose_buffers()
        put, let = lines.put, lines.let
        put("  br label %next")
        put("next:")
        put("  %b = phi i64 [ %begin, %entry ], [ %b1, %skip ]")
        put(f"  %b1 = add i64 %b, {w}")
        put("  %more = icmp slt i64 %b, %end")
        put("  br i1 %more, label %set, label %out_of_work")
        put("out_of_work:")
        put("  ret void")
        put("set:")
        inside = ""
        if w > 1:
            put("  %thread = sub i64 %b, %begin")
            each = lines.op("add", splat(lines, "%b", "i64", w), upwards(w), base="i64")
            inside = lines.compare("slt", each, splat(lines, "%end", "i64", w), "i64")
        self.n = self._of_each("%count", inside, "i64")
        self._leaves()
        if w == 1:
            self.base(lines, "%b")
        active = lines.compare("sgt", self.n, lines.const(0, "i64"), "i64")
        self._running(active)
        put(f"  br i1 {self.any(active)}, label %full, label %skip")
        put("full:")
        known = self._known(inside)
        active = self._legal(known, active)
        self._running(active)
        put(f"  br i1 {self.any(active)}, label %legal, label %skip")
        put("legal:")
        left = let("getelementptr i8, ptr %left, i64 %b")
        self._put(lines.const(0, "i8"), "i8", left, active)
        known.gather(self.values)
        finished = self._first(known)
        if p.draft is not None:
            self._draft(p.draft, active, finished, known)
        else:
            self._go_on(active, finished)
        put("step:")
        self._go_on(*self._next(known, p.again))
        put("last:")
        self._running(active)
        last = self._here(known)
        last.need(p.end)
        for i, x in enumerate(p.end):
            at = let(f"add i64 {let(f'mul i64 %threads, {i}')}, %thread")
            value = self.to_double(lines, last.name(x), x.kind)
            self._put(value, "double", let(f"getelementptr double, ptr %out, i64 {at}"), active)
        put("  br label %skip")
        put("skip:")
        put("  br label %next")
        return self._module()

    def _leaves(self) -> None:
        lines = self.lines
        at = [lines.let(f"getelementptr ptr, ptr %leaves, i64 {i}") for i in range(len(self.rows))]
        self.leaves = [lines.let(f"load ptr, ptr {x}") for x in at]

    def _known(self, inside: str) -> Section:
        """What is known of a data set: its numbers, and how many rows it has."""
        lines, let, p = self.lines, self.lines.let, self.parts
        known = Section(self, {}, {}, set())
        for x in reachable([*p.valid, *p.begin, *p.later]):
            if x.op == "number":
                base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {len(self.rows) + x.attr}')}")
                column = self.numbers[x.attr]
                if column.own:
                    value = self._of_each(base, inside, "double", column)
                else:
                    value = splat(lines, let(f"load double, ptr {base}, align 8"), "double", self.abreast)
                known.names[x] = self.from_double(lines, value, x.kind)
            elif x.op in ("count", "length"):
                known.names[x] = self.n
        return known

    def _wait(self, known: Section) -> None:
        """What steps need of it is computed, rows into their buffers."""
        inputs = self._known_inputs()
        _, uniform = rows_under([x for x in inputs if x.row], {})
        known.need([*uniform, *(x for x in inputs if not x.row)], list(self.buffers))

    def _legal(self, known: Section, active: str) -> str:
        """Those of the data sets that a fit is meant for."""
        known.need(self.parts.valid)
        for x in self.parts.valid:
            active = self.lines.op("and", active, known.name(x), base="i1")
        return active

    def _first(self, known: Section, mask: str = "") -> str:
        """Writes the first state of those that the mask names, and what is known and waits; whether it is the last."""
        p = self.parts
        known.need(p.begin)
        self._store(p.begin, known, mask)
        self._wait(known)
        start = self._here(known)
        start.need([p.finished])
        return start.name(p.finished)

    def _next(self, known: Section, last: Node, real: str = "double") -> tuple[str, str]:
        """Writes the next state of those that run; which they are, and whether it is the `last`."""
        step = self._here(known, real)
        step.need([*self.parts.following, last])
        running = self._is_running()
        self._store(self.parts.following, step, running)
        return running, step.name(last)

    def _here(self, known: Section, real: str = "double") -> Section:
        """Code that begins with the state as it is."""
        section = Section(self, known.names, self.buffers, known.written, real)
        self._load(section)
        return section

    def _draft(self, draft: Draft, active: str, finished: str, known: Section) -> None:
        """The same steps, their rows in float32, until they have led near a maximum; a climb begins there."""
        put = self.lines.put
        self._go_on(active, finished, "draft", "drafted")
        put("draft:")
        self._go_on(*self._next(known, draft.ended, "float"), "draft", "drafted")
        put("drafted:")
        self._running(active)
        led = self._here(known)
        led.need([*draft.led, draft.finished])
        self._store(draft.led, led, active)
        self._go_on(active, led.name(draft.finished))

    def base(self, lines: Lines, b: str) -> None:
        """Where the columns of one data set begin."""
        at = lines.let(f"getelementptr i64, ptr %offset, i64 {b}")
        offset = lines.let(f"load i64, ptr {at}")
        self.row_base = [
            lines.let(
                f"getelementptr double, ptr {leaf}, i64 {self.spread(lines, offset, column) if column.own else 0}"
            )
            for leaf, column in zip(self.leaves, self.rows, strict=True)
        ]

    def _of_each(self, numbers: str, inside: str, base: str, column: Column | None = None) -> str:
        """One number of each data set abreast, 0 where there is none."""
        t, b = self.lines.type(base), "%b" if column is None else self.spread(self.lines, "%b", column)
        at = self.lines.let(f"getelementptr {base}, ptr {numbers}, i64 {b}")
        if self.abreast == 1:
            return self.lines.let(f"load {t}, ptr {at}, align 8")
        name, w = SUFFIX[base], self.abreast
        return self.lines.let(
            f"call {t} @llvm.masked.load.v{w}{name}.p0(ptr {at}, i32 8, {self.lines.type('i1')} {inside}, {t} zeroinitializer)"
        )

    def _put(self, value: str, base: str, at: str, mask: str) -> None:
        """Writes a number of each data set that the mask names."""
        t, w = self.lines.type(base), self.abreast
        if w == 1:
            self.lines.put(f"  store {t} {value}, ptr {at}")
        else:
            self.lines.put(
                f"  call void @llvm.masked.store.v{w}{SUFFIX[base]}.p0({t} {value}, ptr {at}, i32 1, <{w} x i1> {mask})"
            )

    def _running(self, mask: str) -> None:
        """Says whose rows are read from here on."""
        if self.abreast > 1:
            self.keep(self.lines, mask, BOOL, "%running")

    def _not(self, x: str) -> str:
        return self.lines.op("xor", x, self.lines.const(True, "i1"), base="i1")

    def _is_running(self) -> str:
        return "true" if self.abreast == 1 else self.kept(self.lines, BOOL, "%running")

    def _go_on(self, running: str, done: str, step: str = "step", last: str = "last") -> None:
        """To another step while there is a data set for it."""
        lines = self.lines
        running = lines.op("and", running, self._not(done), base="i1")
        self._running(running)
        lines.put(f"  br i1 {self.any(running)}, label %{step}, label %{last}")

    def _known_inputs(self) -> list[Node]:
        """Known nodes that steps and results use."""
        p = self.parts
        later = [x for x in reachable(p.later) if not x.known]
        roots = [x for x in p.later if x.known]
        return list(dict.fromkeys([*roots, *(a for x in later for a in x.args if a.known)]))

    def _choose_buffers(self) -> None:
        """Known rows that steps use wait in memory where it costs more than a few operations to make them again."""
        for x in dear(x for x in self._known_inputs() if x.row and not depends_on_values(x)):
            self.buffers[x] = len(self.buffers)
        for column in columns_summed(self.parts.later):
            self.values[column] = len(self.buffers) + 2 * len(self.values)
            self.spots.append(f"  {counted(column)} = alloca [{self.abreast} x i64], align 64")
        self.fixed = self.rooms = len(self.buffers) + 2 * len(self.values)

    def _load(self, section: Section) -> None:
        p = self.parts
        for x in reachable(p.later):
            if x.op == "state":
                value = self.kept(self.lines, FLOAT, self._state(x.attr))
                section.names[x] = self.from_double(self.lines, value, x.kind)

    def _state(self, i: int) -> str:
        return self.lines.let(f"getelementptr double, ptr %state, i64 {i * self.abreast}")

    def _store(self, nodes: Sequence[Node], section: Section, mask: str = "") -> None:
        """Writes the state; of those that the mask leaves out it stays."""
        lines, new = self.lines, []
        for i, x in enumerate(nodes):
            if x.op != "state" or x.attr != i:
                value, at = self.to_double(lines, section.name(x), x.kind), self._state(i)
                if mask and self.abreast > 1:
                    value = lines.select(mask, value, self.kept(lines, FLOAT, at))
                new.append((value, at))
        for value, at in new:
            self.keep(lines, value, FLOAT, at)

    def declarations(self) -> str:
        """What LLVM's own functions are called here."""
        w, wide = self.abreast, vector_of(self.width, "float") if self.parts.draft else 1
        masked = "".join(
            f"declare <{k} x {t}> @llvm.masked.load.v{k}{name}.p0(ptr, i32, <{k} x i1>, <{k} x {t}>)\n"
            f"declare void @llvm.masked.store.v{k}{name}.p0(<{k} x {t}>, ptr, i32, <{k} x i1>)\n"
            for k in sorted({self.width, wide, w} - {1})
            for t, name in SUFFIX.items()
        )
        memset = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n" if self.values else ""
        return f"{masked}{memset}declare i1 @llvm.vector.reduce.or.v{w}i1(<{w} x i1>)\n"

    def _module(self) -> str:
        w, alone = self.width, self.thread
        widths = [w, vector_of(w, "float")] if self.parts.draft else [w]
        libm = "".join(f"declare double @{f}(double)\n" for f in LIBM)
        libm += "".join(f"declare double @{f}(double, double)\n" for f in LIBM_TWO)
        own = [intrinsics(k, real) for k in sorted({1} if alone else {1, 2, 4, 8, 16, *widths}) for real in FORMATS]
        own += [libm] if alone else [self.declarations(), libm]
        own += [functions(k, "double") for k in sorted({1, w, self.abreast})]
        own += [functions(widths[-1], "float")] * bool(self.parts.draft) + [ORDER] * self.parts.sorts
        head = [f"  %state = alloca [{max(len(self.parts.begin), 1) * self.abreast} x double], align 64"]
        if not alone:
            head += [f"  %lane = mul i64 %room, {self.rooms}", f"  %running = alloca [{self.abreast} x i8], align 64"]
        body = [*head, *self.spots, *self.lines.text, "}"]
        return "\n".join([*own, THREAD if alone else ONE_AFTER_ANOTHER, *body, GRID if alone else ""])


_FROM, _TO = {FLOAT: "fptrunc", INT: "fptosi"}, {FLOAT: "fpext", INT: "sitofp", BOOL: "uitofp"}
