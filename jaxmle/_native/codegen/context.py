"""Where the numbers of a kernel lie, and how its rows are read, written and looped over."""

from collections.abc import Iterable, Sequence

from jaxmle._native.codegen.builder import ALIGNED, BYTE, Builder, vector_of
from jaxmle._native.codegen.elements import from_double
from jaxmle._native.codegen.loop import Body, Carried, counted_loop, loop_over_rows
from jaxmle._native.codegen.reductions import NEUTRAL, combine
from jaxmle._native.ir.layout import Column, Layout
from jaxmle._native.ir.nodes import BOOL, Node


class Context:
    """Memory of a kernel that takes the rows of one data set after another, in vectors.

    Numbers that belong to a data set are computed for as many data sets as there are lanes; each lane has its own slots,
    state and buffers of rows.

    Args:
        layout: the columns of leaves.
        width: rows of a data set that go together.
        lanes: data sets that go together.

    Attributes:
        row_buffers: for invariant rows that steps read again.
        value_buffers: for a column's values; the buffer after it says how many rows have each.
        shared_buffers, buffers: how many all blocks share, and all of them.
        n, scratch: number of rows and buffers of the data set whose rows are read.
        leaves, row_base: names of the columns, and where the data set's rows begin in each.
        allocas: instructions at the beginning of the function.
    """

    interleaved = False
    "Whether rows of all lanes go together, so that a vector of rows has one of each data set."

    def __init__(self, layout: Layout, width: int, lanes: int = 1) -> None:
        self.layout, self.width, self.lanes = layout, width, lanes
        self.row_buffers: dict[Node, int] = {}
        self.value_buffers: dict[int, int] = {}
        self.shared_buffers = self.buffers = 0
        self.n, self.scratch = "%n", "%scratch"
        self.leaves: list[str] = []
        self.row_base: list[str] = []
        self.allocas: list[str] = []
        self._slots: dict[Node, str] = {}

    @property
    def loops_over_lanes(self) -> bool:
        """Whether rows are read for one lane after the other."""
        return self.lanes > 1 and not self.interleaved

    def vector_width(self, real: str) -> int:
        """Count the elements of a vector of rows."""
        return vector_of(self.width, real)

    # --- memory ------------------------------------------------------------------------------------------

    def reserve(self, rows: Iterable[Node], columns: Iterable[int]) -> None:
        """Choose buffers for invariant rows, and for the values of columns."""
        self.row_buffers = {x: i for i, x in enumerate(rows)}
        self.value_buffers = {c: len(self.row_buffers) + 2 * i for i, c in enumerate(columns)}
        self.shared_buffers = self.buffers = len(self.row_buffers) + 2 * len(self.value_buffers)

    def allocate(self, kind: str) -> str:
        """Memory for a number or a vector of this type; its name."""
        name = f"%spot{len(self.allocas)}"
        self.allocas.append(f"  {name} = alloca {kind}, align 64")
        return name

    def slot(self, x: Node) -> str:
        """Memory for a uniform node, one number for each lane; its name."""
        if x not in self._slots:
            self._slots[x] = f"%slot{len(self._slots)}"
            self.allocas.append(f"  {self._slots[x]} = alloca [{self.lanes} x {BYTE[x.kind]}], align 64")
        return self._slots[x]

    def store(self, builder: Builder, value: str, kind: str, at: str) -> None:
        """Emit a store of the numbers of one or more lanes."""
        if kind == BOOL:
            value = builder.cast("zext", value, "i1", "i8")
        builder.emit(f"  store {builder.type(BYTE[kind])} {value}, ptr {at}, align {ALIGNED[kind]}")

    def load(self, builder: Builder, kind: str, at: str) -> str:
        """Emit a load of the numbers of one or more lanes."""
        value = builder.let(f"load {builder.type(BYTE[kind])}, ptr {at}, align {ALIGNED[kind]}")
        return builder.compare("ne", value, builder.const(0, "i8"), "i8") if kind == BOOL else value

    # --- rows --------------------------------------------------------------------------------------------

    def locate(self, builder: Builder, data_set: str) -> None:
        """Emit where the columns of a data set begin."""
        at = builder.let(f"getelementptr i64, ptr %offset, i64 {data_set}")
        offset = builder.let(f"load i64, ptr {at}")
        self.row_base = [
            builder.let(
                f"getelementptr double, ptr {leaf}, i64 {self.strided(builder, offset, column) if column.own else 0}"
            )
            for leaf, column in zip(self.leaves, self.layout.rows, strict=True)
        ]

    def strided(self, builder: Builder, index: str, column: Column) -> str:
        """Emit how many numbers stand before one of a column."""
        return index

    def buffer_at(self, builder: Builder, buffer: int, index: str) -> str:
        """Emit the address of a row in a buffer."""
        at = builder.let(f"add i64 {builder.let(f'mul i64 %room, {buffer}')}, {index}")
        return builder.let(f"getelementptr double, ptr {self.scratch}, i64 {at}")

    def load_rows(self, builder: Builder, at: str, mask: str | None, kind: str) -> str:
        """Emit a load of a vector of rows; of those outside the mask 1."""
        t, w = builder.type("double"), builder.width
        if mask is None:
            x = builder.let(f"load {t}, ptr {at}, align 8")
        else:
            x = builder.let(
                f"call {t} @llvm.masked.load.v{w}f64.p0(ptr {at}, i32 8, <{w} x i1> {mask}, {t} {builder.const(1.0, 'double')})"
            )
        return from_double(builder, x, kind)

    def store_rows(self, builder: Builder, value: str, at: str, mask: str | None) -> None:
        """Emit a store of a vector of rows, as float64."""
        t, w = builder.type("double"), builder.width
        if mask is None:
            builder.emit(f"  store {t} {value}, ptr {at}, align 8")
        else:
            builder.emit(f"  call void @llvm.masked.store.v{w}f64.p0({t} {value}, ptr {at}, i32 8, <{w} x i1> {mask})")

    def load_column(self, builder: Builder, x: Node, index: str, mask: str | None) -> str:
        """Emit a load of a vector of rows of the data, or of a column's values."""
        if isinstance(x.attr, tuple):
            what, column = x.attr
            buffer = self.value_buffers[column] + (what == "times")
            return self.load_rows(builder, self.buffer_at(builder, buffer, index), mask, x.kind)
        index = self.strided(builder, index, self.layout.rows[x.attr])
        at = builder.let(f"getelementptr double, ptr {self.row_base[x.attr]}, i64 {index}")
        return self.load_rows(builder, at, mask, x.kind)

    def accumulate(self, builder: Builder, x: Node, before: str, term: str, mask: str | None) -> str:
        """Emit the reduction of what was before and a vector of rows; those outside the mask count nothing."""
        if mask is not None:
            none = builder.const(NEUTRAL[x.op], builder.base(x.kind))
            term = builder.select(mask, term, none, builder.base(x.kind))
        return combine(builder, x, before, term)

    def loop_over_rows(
        self, builder: Builder, together: int, reverse: bool, carried: Sequence[Carried], body: Body
    ) -> None:
        """Emit a loop over the rows, `together` of a data set at a time."""
        loop_over_rows(builder, self.n, together, reverse, carried, body)


class ThreadContext(Context):
    """Memory of a thread of a GPU, which has one data set; buffers of threads lie side by side."""

    def strided(self, builder: Builder, index: str, column: Column) -> str:
        return builder.let(f"mul i64 {index}, {column.stride}") if column.stride > 1 else index

    def buffer_at(self, builder: Builder, buffer: int, index: str) -> str:
        at = builder.let(f"add i64 {builder.let(f'mul i64 %room, {buffer}')}, {index}")
        at = builder.let(f"add i64 {builder.let(f'mul i64 {at}, %threads')}, %thread")
        return builder.let(f"getelementptr double, ptr {self.scratch}, i64 {at}")


class InterleavedContext(Context):
    """Memory of a kernel whose vectors have a row of each lane; rows lie one beside the other.

    Attributes:
        columns: the buffers into which the rows of columns are gathered.
        shortest, longest: the fewest and the most rows of a lane.
    """

    interleaved = True

    def __init__(self, layout: Layout, lanes: int) -> None:
        super().__init__(layout, 1, lanes)
        self.columns: dict[int, int] = {}
        self.shortest = self.longest = ""

    def reserve_columns(self, columns: Sequence[int]) -> None:
        """Choose buffers for the rows of these columns."""
        self.columns = {i: self.shared_buffers + k for k, i in enumerate(columns)}
        self.shared_buffers = self.buffers = self.buffers + len(columns)

    def vector_width(self, real: str) -> int:
        return self.lanes

    def buffer_at(self, builder: Builder, buffer: int, index: str) -> str:
        at = builder.let(f"add i64 {builder.let(f'mul i64 %room, {buffer}')}, {index}")
        return builder.let(f"getelementptr {builder.type('double')}, ptr {self.scratch}, i64 {at}")

    def load_rows(self, builder: Builder, at: str, mask: str | None, kind: str) -> str:
        return super().load_rows(builder, at, None, kind)  # all rows exist in memory, whatever they hold

    def store_rows(self, builder: Builder, value: str, at: str, mask: str | None) -> None:
        super().store_rows(builder, value, at, None)

    def load_column(self, builder: Builder, x: Node, index: str, mask: str | None) -> str:
        if x.attr in self.columns:
            return self.load_rows(builder, self.buffer_at(builder, self.columns[x.attr], index), None, x.kind)
        at = builder.let(f"getelementptr double, ptr {self.leaves[x.attr]}, i64 {index}")  # the same for all
        one = builder.splat(builder.let(f"load double, ptr {at}, align 8"), "double")
        return from_double(builder, one, x.kind)

    def accumulate(self, builder: Builder, x: Node, before: str, term: str, mask: str | None) -> str:
        after = combine(builder, x, before, term)  # rounded as where all have a row: by one fused operation, or two
        return after if mask is None else builder.select(mask, after, before, builder.base(x.kind))

    def loop_over_rows(
        self, builder: Builder, together: int, reverse: bool, carried: Sequence[Carried], body: Body
    ) -> None:
        """Emit loops row by row: as far as all lanes have rows, then over those that have more."""

        def all_(index: str, old: list[str]) -> list[str]:
            return body(index, None, old)

        def some(index: str, old: list[str]) -> list[str]:
            exist = builder.compare("sgt", self.n, builder.splat(index, "i64", self.lanes), "i64")
            return body(index, exist, old)

        parts = [("0", self.shortest, all_), (self.shortest, self.longest, some)]
        for first, end, part in parts[::-1] if reverse else parts:
            if reverse:
                counted_loop(builder, builder.let(f"sub i64 {end}, 1"), first, -1, carried, part)
            else:
                counted_loop(builder, first, end, 1, carried, part)
