"""From graphs to LLVM: one function that fits one data set after another.

Rows go through vectors, all sums of one stage in a single pass; what is known of a data set is computed once, before
its first step; rows that are known and dear wait in a buffer.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxmle.native._elements import BASE, LIBM, LIBM_TWO, element, extreme
from jaxmle.native._math import Lines, functions, intrinsics
from jaxmle.native._nodes import BOOL, DEAR, FLOAT, INT, SUMS, Node, reachable, rows_under

_START = {"rsum": 0.0, "rmax": float("-inf"), "rmin": float("inf"), "rand": True, "ror": False}


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


class Section:
    """Straight code for some nodes, with loops over the rows where there are sums."""

    def __init__(self, emit: "Emitter", known: dict[Node, str], stored: dict[Node, int]) -> None:
        self.emit, self.lines, self.names, self.stored = emit, emit.lines, dict(known), stored

    def need(self, outputs: Sequence[Node], keep: Sequence[Node] = ()) -> None:
        """Computes uniform nodes; rows in `keep` go to their buffers."""
        nodes = reachable(outputs, lambda x: x not in self.names)
        stages: dict[Node, int] = {}
        for x in nodes:
            below = max((stages.get(a, 0) for a in x.args), default=0)
            stages[x] = below + (x.op in SUMS)
        for stage in range(max(stages.values(), default=0) + 1):
            sums = [x for x in nodes if x.op in SUMS and stages[x] == stage and x not in self.names]
            if sums:
                self.loop(sums, ())
            for x in nodes:
                if stages[x] == stage and not x.row and x not in self.names:
                    self.names[x] = self.scalar(x)
        if keep:
            self.loop((), keep)

    def scalar(self, x: Node) -> str:
        e = self.emit
        if x.op == "load":
            raise AssertionError("a row outside its loop")
        if x.op == "first":
            return e.from_double(self.lines, self.lines.let(f"load double, ptr {e.row_base[x.attr]}, align 8"), x.kind)
        args = [self.names[a] if a in self.names else e.constant(self.lines, a) for a in x.args]
        return element(self.lines, x, args)

    def loop(self, sums: Sequence[Node], keep: Sequence[Node]) -> None:
        """One pass over the rows."""
        e, lines = self.emit, self.lines
        width = e.width
        body, uniform = rows_under([x.args[0] for x in sums] + list(keep), self.stored)
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
        self, label: str, tail: bool, sums: Sequence[Node], spots: list[str], keep: Sequence[Node], body: list[Node],
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
            steps = "<" + ", ".join(f"i64 {i}" for i in range(width)) + ">"
            mask = lines.let(f"icmp slt <{width} x i64> {steps}, {all_}")
        # The vector code of one stretch of rows; names go on where the scalar code has come to.
        vector = Lines(width)
        vector.text, vector.count = lines.text, lines.count
        names = dict(splat)
        for x in body:
            if x in self.stored:
                names[x] = e.load(vector, e.buffer(vector, x, index), mask, x.kind)
            elif x.op == "load":
                at = vector.let(f"getelementptr double, ptr {e.row_base[x.attr]}, i64 {index}")
                names[x] = e.load(vector, at, mask, x.kind)
            else:
                names[x] = element(vector, x, [names[a] for a in x.args])
        results = []
        for x, before in zip(sums, phis, strict=True):
            term = names[x.args[0]]
            if mask is not None:
                term = vector.select(mask, term, vector.const(_START[x.op], BASE[x.kind]), BASE[x.kind])
            results.append(e.joined(vector, x, before, term))
        for x in keep:
            at, value = e.buffer(vector, x, index), e.to_double(vector, names[x], x.kind)
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


class Emitter:
    """The text of one kernel.

    Args:
        parts: the fit.
        rows: for each leaf with rows whether it has a data-set axis; the node's attr is its place here.
        numbers: the same of leaves that are single numbers.
        width: elements of a vector.
    """

    def __init__(self, parts: Parts, rows: Sequence[bool], numbers: Sequence[bool], width: int) -> None:
        self.parts, self.rows, self.numbers, self.width = parts, rows, numbers, width
        self.lines = Lines(1)
        self.labels = 0
        self.buffers: dict[Node, int] = {}
        self.row_base: list[str] = []
        self.spots: list[str] = []

    def label(self) -> str:
        self.labels += 1
        return f"loop{self.labels}"

    def constant(self, lines: Lines, x: Node) -> str:
        assert x.op == "const", f"{x.op} is used before it is made"
        return lines.const(x.value, BASE[x.kind])

    def accumulator(self, kind: str) -> str:
        name = f"%spot{len(self.spots)}"
        self.spots.append(f"  {name} = alloca <{self.width} x {BASE[kind]}>, align 64")
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

    def buffer(self, lines: Lines, x: Node, index: str) -> str:
        start = lines.let(f"mul i64 %room, {self.buffers[x]}")
        at = lines.let(f"add i64 {start}, {index}")
        return lines.let(f"getelementptr double, ptr %scratch, i64 {at}")

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
        """The module: `fit(begin, end, leaves, offset, count, state, out, left, scratch, room)`."""
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
        for i, own in enumerate(self.rows):
            base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {i}')}")
            self.row_base.append(let(f"getelementptr double, ptr {base}, i64 {offset}") if own else base)
        left = let("getelementptr i8, ptr %left, i64 %b")
        empty = let("icmp eq i64 %n, 0")
        put(f"  br i1 {empty}, label %skip, label %full")
        put("full:")
        known = Section(self, names, {})
        for x in reachable([*p.valid, *p.begin, p.finished, *p.following, p.again, *p.end]):
            if x.op == "number":
                base = let(f"load ptr, ptr {let(f'getelementptr ptr, ptr %leaves, i64 {len(self.rows) + x.attr}')}")
                at = let(f"getelementptr double, ptr {base}, i64 {'%b' if self.numbers[x.attr] else 0}")
                known.names[x] = self.from_double(lines, let(f"load double, ptr {at}, align 8"), x.kind)
            elif x.op == "count":
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
        out = let(f"getelementptr double, ptr %out, i64 {let(f'mul i64 %b, {len(p.end)}')}")
        self._store(out, p.end, last.names)
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
        cost: dict[Node, float] = {}
        wanted = {x for x in self._known_inputs() if x.row}
        for x in reachable(wanted):
            mine = 0 if x.op == "load" else 10 if x.op in DEAR else 1
            cost[x] = (mine + sum(cost[a] for a in x.args)) * x.row
        for x in sorted(wanted, key=lambda x: x.id):
            if cost[x] > 3 and x.kind != INT:
                self.buffers[x] = len(self.buffers)

    def _load(self, at: str, section: Section) -> None:
        p = self.parts
        for x in reachable([p.finished, *p.following, p.again, *p.end]):
            if x.op == "state":
                spot = self.lines.let(f"getelementptr double, ptr {at}, i64 {x.attr}")
                section.names[x] = self.from_double(
                    self.lines, self.lines.let(f"load double, ptr {spot}, align 8"), x.kind
                )

    def _store(self, at: str, nodes: Iterable[Node], names: dict[Node, str]) -> None:
        for i, x in enumerate(nodes):
            if x.op == "state" and x.attr == i:
                continue
            spot = self.lines.let(f"getelementptr double, ptr {at}, i64 {i}")
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
        widths = sorted({1, 2, 4, 8, 16, w})
        head = (
            "define void @fit(i64 %begin, i64 %end, ptr noalias %leaves, ptr noalias %offset, ptr noalias %count, "
            "ptr noalias %state, ptr noalias %out, ptr noalias %left, ptr noalias %scratch, i64 %room) {\nentry:\n"
        )
        return "\n".join(
            [
                *map(intrinsics, widths), libm, masked, functions(w), head, *self.spots, *self.lines.text, "}",
            ]
        )  # fmt: skip
