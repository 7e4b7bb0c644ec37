"""One pass over the rows: the code of a vector, of rows of a data set or of one row of each data set abreast."""

from typing import TYPE_CHECKING

from jaxmle._native.codegen.elements import element
from jaxmle._native.codegen.vector_math import Lines, over, shifted, splat, upwards
from jaxmle._native.ir.nodes import FLOAT, Node

if TYPE_CHECKING:
    from jaxmle._native.codegen.block import Section

START = {"rsum": 0.0, "rmax": float("-inf"), "rmin": float("inf"), "rand": True, "ror": False}


class Pass:
    """A pass over the rows."""

    def __init__(
        self, section: "Section", body: list[Node], uniform: dict[Node, str], powers: dict[Node, tuple[list[str], str]],
        spots: dict[Node, str], reverse: bool,
    ) -> None:  # fmt: skip
        self.section, self.e, self.lines, self.width = section, section.emit, section.lines, section.width
        self.body, self.uniform, self.powers, self.spots, self.reverse = body, uniform, powers, spots, reverse

    def emit(self, sums: list[Node], runs: list[Node], keep: list[tuple[Node, int]]) -> None:
        carried = [*sums, *runs]
        spots = [(self.section.type(x), self.spots[x]) for x in carried]

        def body(index: str, mask: str | None, old: list[str]) -> list[str]:
            return self._block(index, mask, sums, runs, old, keep)

        self.e.over_rows(self.lines, self.width, self.reverse, spots, body)

    def _block(
        self, index: str, mask: str | None, sums: list[Node], runs: list[Node], old: list[str],
        keep: list[tuple[Node, int]],
    ) -> list[str]:  # fmt: skip
        """The code of one stretch of rows; what the sums and the running numbers are after it."""
        e, width, stored = self.e, self.width, self.section.stored
        v = over(self.lines, self.section.wide, self.section.real)
        names, ends = dict(self.uniform), dict(zip(runs, old[len(sums) :], strict=True))
        for x in self.body:
            if x in stored:
                names[x] = e.load(v, e.buffer(v, stored[x], index), mask, x.kind)
            elif x.op == "load":
                names[x] = e.row(v, x, index, mask)
            elif x.op == "row":
                row = splat(v, index, "i64", v.width)
                names[x] = row if width == 1 else v.op("add", row, upwards(width), base="i64")
            elif x.op == "linear":
                names[x], ends[x] = self._run(v, x, names, ends[x], index, mask)
            else:
                names[x] = element(v, x, [names[a] for a in x.args])
        results = []
        for x, before in zip(sums, old, strict=False):
            term = names[x.args[0]]
            if mask is None:
                results.append(e.joined(v, x, before, term))
            elif e.across:  # rounded as where all have a row: by one fused operation, or two
                results.append(v.select(mask, e.joined(v, x, before, term), before, v.base(x.kind)))
            else:
                none = v.const(START[x.op], v.base(x.kind))
                results.append(e.joined(v, x, before, v.select(mask, term, none, v.base(x.kind))))
        for x, room in keep:
            at, value = e.buffer(v, room, index), e.to_double(v, names[x], x.kind)
            if mask is None or e.across:
                v.put(f"  store {v.type('double')} {value}, ptr {at}, align 8")
            else:
                v.put(f"  call void @llvm.masked.store.v{width}f64.p0({v.type('double')} {value}, ptr {at}, i32 8, <{width} x i1> {mask})")  # fmt: skip
        self.lines.count = v.count
        return [*results, *(ends[x] for x in runs)]

    def _run(
        self, v: Lines, x: Node, names: dict[Node, str], first: str, index: str, mask: str | None
    ) -> tuple[str, str]:
        """A running number before each row of a stretch, and after it, in log2(width) steps (Hillis & Steele 1986)."""
        base, reverse = v.base(x.kind), self.reverse
        plus, times = ("fadd", "fmul") if x.kind == FLOAT else ("add", "mul")
        if self.width == 1:
            last = names[x.args[-1]]
            if len(x.args) == 3:
                last = v.op(plus, v.op(times, names[x.args[1]], first, base=base), last, base=base)
            return first, last if mask is None else v.select(mask, last, first, base)
        begun = splat(v, first, base, v.width)
        out = names[x.args[-1]]
        if len(x.args) == 3:
            zero, one = v.const(0, base), v.const(1, base)
            squares, a = self.powers.get(x, ([], names[x.args[1]]))
            if squares and reverse:
                order = ", ".join(f"i32 {i}" for i in reversed(range(v.width)))
                each = v.let(f"shufflevector {v.type(base)} {a}, {v.type(base)} {a}, <{v.width} x i32> <{order}>")
            else:
                each = a
            for i in range(v.width.bit_length() - 1):
                moved = shifted(v, out, zero, 1 << i, reverse, base)
                factor = squares[i] if squares else each
                out = v.op(plus, v.op(times, factor, moved, base=base), out, base=base)
                if not squares:
                    each = v.op(times, each, shifted(v, each, one, 1 << i, reverse, base), base=base)
            out = v.op(plus, v.op(times, each, begun, base=base), out, base=base)
        if mask is None:
            end: str | int = 0 if reverse else v.width - 1
        else:
            end = v.let(f"sub i64 0, {index}" if reverse else f"sub i64 {v.let(f'sub i64 {self.e.n}, {index}')}, 1")
        after = v.let(f"extractelement {v.type(base)} {out}, i64 {end}")
        return shifted(v, out, begun, 1, reverse, base), after
