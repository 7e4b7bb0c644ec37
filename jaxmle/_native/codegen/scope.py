"""What code for a block of nodes has computed so far: names of uniform nodes, rows in buffers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jaxmle._native.codegen.builder import Builder, vector_of
from jaxmle._native.codegen.context import Context
from jaxmle._native.codegen.lane_loop import LaneLoop
from jaxmle._native.ir.nodes import Node


class Scope:
    """Names and buffers of the nodes of a block.

    Args:
        context: of the kernel.
        builder: of the code that is being written; inside a loop over lanes that of its body.
        names: of uniform nodes; vectors where there are several lanes.
        stored: rows that are in a buffer, and in which.
        written: uniform nodes whose vector is in memory too.
        real: in what rows are computed.

    Attributes:
        width: rows of a data set that go together.
        lane: the loop over lanes that the code is in.
    """

    def __init__(
        self, context: Context, builder: Builder, names: Mapping[Node, str], stored: Mapping[Node, int],
        written: set[Node], real: str = "double",
    ) -> None:  # fmt: skip
        self.context, self.builder, self.real = context, builder, real
        self.width = vector_of(context.width, real)
        self.names, self.stored, self.written = dict(names), dict(stored), set(written)
        self.lane: LaneLoop | None = None
        self._next_buffer = context.shared_buffers

    def name(self, x: Node) -> str:
        """Find the name of a uniform node, of all lanes or of the one whose rows are read."""
        if x.op == "const":
            return self.builder.const(x.value, self.builder.base(x.kind))
        return self.names[x] if self.lane is None else self.lane.name(x)

    def define(self, x: Node, name: str) -> None:
        """Name a uniform node that comes of rows."""
        (self.names if self.lane is None else self.lane.names)[x] = name

    def allocate(self, x: Node | None) -> int:
        """Choose a buffer for a row, or for other things."""
        if x in self.context.row_buffers:
            return self.context.row_buffers[x]
        self._next_buffer += 1
        self.context.buffers = max(self.context.buffers, self._next_buffer)
        return self._next_buffer - 1

    def vector(self) -> Builder:
        """Make a builder for vectors of rows."""
        return self.builder.with_width(self.context.vector_width(self.real), self.real)

    @contextmanager
    def inside(self, lane: LaneLoop) -> Iterator[None]:
        """Write code in the body of a loop over lanes."""
        outer, self.builder, self.lane = self.builder, lane.builder, lane
        yield
        self.builder, self.lane = outer, None
