"""One pass over the rows: a vector of them at a time, for sums, for running numbers and for rows that are kept.

A vector has rows of one data set, or one row of each lane.
"""

from collections.abc import Sequence

from jaxmle._native.codegen.builder import Builder, iota
from jaxmle._native.codegen.elements import emit_operation, to_double
from jaxmle._native.codegen.loop import Carried
from jaxmle._native.codegen.reductions import NEUTRAL, fold
from jaxmle._native.codegen.scope import Scope
from jaxmle._native.ir.nodes import FLOAT, Node, rows_under


def emit_row_pass(scope: Scope, ends: Sequence[Node], keep: Sequence[Node], reverse: bool) -> None:
    """Emit one pass over the rows, and define its ends in the scope.

    Args:
        ends: sums, and last numbers of running ones.
        keep: rows that go to buffers.
        reverse: whether it begins with the last row.
    """
    keep = [x for x in keep if x not in scope.stored]
    row_pass = _RowPass(scope, [*(x.args[0] for x in ends), *keep], reverse)
    carried = row_pass.begin([*ends, *row_pass.running])
    buffers = [(x, scope.allocate(x)) for x in keep]
    row_pass.emit([x for x in ends if x.op != "final"], carried, buffers)
    builder = scope.builder
    for x in ends:
        if x.op == "final":
            last, base = x.args[0], row_pass.vector.base(x.kind)
            value = builder.let(f"load {carried[last].type}, ptr {carried[last].at}, align 64")
            scope.define(x, builder.cast("fpext", value, base, "double") if base == "float" else value)
        else:
            sums = builder.let(f"load {carried[x].type}, ptr {carried[x].at}, align 64")
            scope.define(x, fold(builder, x, sums, scope.width, scope.real))
    scope.stored |= dict(buffers)


class _RowPass:
    """A pass over the rows that is emitted as text.

    Attributes:
        body: rows that are computed or read, operands first.
        running: those of them that need the row before.
        uniform: names of uniform operands, in all elements of a vector.
        powers: of a uniform coefficient of a running number: a, a^2, a^4, ... and a, a^2, a^3, ... one in each element.
    """

    def __init__(self, scope: Scope, roots: Sequence[Node], reverse: bool) -> None:
        self.scope, self.context, self.builder, self.reverse = scope, scope.context, scope.builder, reverse
        self.vector, self.width = scope.vector(), scope.width
        self.body, uniform = rows_under(roots, scope.stored)
        self.uniform = {
            x: self.vector.const(x.value, self.vector.base(x.kind))
            if x.op == "const"
            else self.builder.splat(self._narrowed(x), self.vector.base(x.kind), self.width)
            for x in uniform
        }
        self.running = [x for x in self.body if x.op == "linear" and x not in scope.stored]
        self.powers = {
            x: _powers(self.builder.with_width(self.width, scope.real), self.uniform[x.args[1]], x.kind)
            for x in self.running
            if self.width > 1 and len(x.args) == 3 and not x.args[1].row
        }

    def begin(self, nodes: Sequence[Node]) -> dict[Node, Carried]:
        """Emit memory for sums and running numbers, and their values before the first row."""
        carried = {}
        for x in dict.fromkeys(nodes):
            if x.op != "final":
                base = self.vector.base(x.kind)
                alone = x.op == "linear" and not self.context.interleaved
                kind = base if alone else self.vector.type(base)
                carried[x] = Carried(kind, self.context.allocate(kind))
        for x, slot in carried.items():
            base = self.vector.base(x.kind)
            start = self._narrowed(x.args[0]) if x.op == "linear" else self.vector.const(NEUTRAL[x.op], base)
            self.builder.emit(f"  store {slot.type} {start}, ptr {slot.at}, align 64")
        return carried

    def emit(self, sums: list[Node], carried: dict[Node, Carried], buffers: list[tuple[Node, int]]) -> None:
        slots = [carried[x] for x in [*sums, *self.running]]

        def body(index: str, mask: str | None, old: list[str]) -> list[str]:
            return self._iteration(index, mask, sums, old, buffers)

        self.context.loop_over_rows(self.builder, self.width, self.reverse, slots, body)

    def _narrowed(self, x: Node) -> str:
        """Emit a uniform node in the type that rows are computed in."""
        scope, builder = self.scope, self.builder
        one = builder.with_width(builder.width, scope.real)
        if x.op == "const":
            return one.const(x.value, one.base(x.kind))
        narrow = one.base(x.kind) == "float"
        return builder.cast("fptrunc", scope.name(x), "double", "float") if narrow else scope.name(x)

    def _iteration(
        self, index: str, mask: str | None, sums: list[Node], old: list[str], buffers: list[tuple[Node, int]]
    ) -> list[str]:
        """Emit the code of one vector of rows; return the sums and the running numbers after it."""
        v, context, stored = self.vector, self.context, self.scope.stored
        names, ends = dict(self.uniform), dict(zip(self.running, old[len(sums) :], strict=True))
        for x in self.body:
            if x in stored:
                names[x] = context.load_rows(v, context.buffer_at(v, stored[x], index), mask, x.kind)
            elif x.op == "load":
                names[x] = context.load_column(v, x, index, mask)
            elif x.op == "row":
                row = v.splat(index, "i64")
                names[x] = row if self.width == 1 else v.op("add", row, iota(self.width), base="i64")
            elif x.op == "linear":
                names[x], ends[x] = self._run(v, x, names, ends[x], index, mask)
            else:
                names[x] = emit_operation(v, x, [names[a] for a in x.args])
        results = [
            context.accumulate(v, x, before, names[x.args[0]], mask) for x, before in zip(sums, old, strict=False)
        ]
        for x, buffer in buffers:
            at = context.buffer_at(v, buffer, index)
            context.store_rows(v, to_double(v, names[x], x.kind), at, mask)
        return [*results, *(ends[x] for x in self.running)]

    def _run(
        self, v: Builder, x: Node, names: dict[Node, str], first: str, index: str, mask: str | None
    ) -> tuple[str, str]:
        """Emit a running number before each row of a vector, and after it, in log2(width) steps (Hillis & Steele 1986)."""
        base, reverse = v.base(x.kind), self.reverse
        plus, times = ("fadd", "fmul") if x.kind == FLOAT else ("add", "mul")
        if self.width == 1:
            last = names[x.args[-1]]
            if len(x.args) == 3:
                last = v.op(plus, v.op(times, names[x.args[1]], first, base=base), last, base=base)
            return first, last if mask is None else v.select(mask, last, first, base)
        begun = v.splat(first, base)
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
                moved = v.shifted(out, zero, 1 << i, reverse, base)
                factor = squares[i] if squares else each
                out = v.op(plus, v.op(times, factor, moved, base=base), out, base=base)
                if not squares:
                    each = v.op(times, each, v.shifted(each, one, 1 << i, reverse, base), base=base)
            out = v.op(plus, v.op(times, each, begun, base=base), out, base=base)
        if mask is None:
            end: str | int = 0 if reverse else v.width - 1
        else:
            end = v.let(
                f"sub i64 0, {index}" if reverse else f"sub i64 {v.let(f'sub i64 {self.context.n}, {index}')}, 1"
            )
        after = v.let(f"extractelement {v.type(base)} {out}, i64 {end}")
        return v.shifted(out, begun, 1, reverse, base), after


def _powers(v: Builder, a: str, kind: str) -> tuple[list[str], str]:
    """Emit a, a^2, a^4, ... in all elements, and a, a^2, a^3, ... one in each."""
    times, base = "fmul" if kind == FLOAT else "mul", v.base(kind)
    squares, each = [a], a
    for i in range(v.width.bit_length() - 1):
        if i:
            squares.append(v.op(times, squares[-1], squares[-1], base=base))
        each = v.op(times, each, v.shifted(each, v.const(1, base), 1 << i, False, base), base=base)
    return squares, each
