"""A loop over the lanes of a vector: code for one data set, which each lane runs after the other."""

from collections.abc import Callable, Mapping

from jaxmle._native.codegen.builder import ALIGNED, BYTE, Builder
from jaxmle._native.codegen.context import Context
from jaxmle._native.ir.nodes import BOOL, Node


class LaneLoop:
    """The body of a loop over lanes, and its uniform nodes as scalars: what it needs is read from memory first.

    Args:
        context: of the kernel; `n`, `scratch` and `row_base` are the lane's inside `emit_lane_loop`.
        builder: of the body.
        vectors: names of uniform nodes, one number for each lane.
        written: those of them whose vector is in memory; what the body needs is added.

    Attributes:
        lane: the number of the lane.
        names: of nodes in the body.
        before, head: lines before the loop, and at the head of its body.
    """

    def __init__(
        self, context: Context, builder: Builder, label: str, vectors: Mapping[Node, str], written: set[Node]
    ) -> None:
        self.context, self.builder, self.label, self.lane = context, builder, label, f"%{label}"
        self.vectors, self.written = vectors, written
        self.names: dict[Node, str] = {}
        self.before: list[str] = []
        self.head: list[str] = []

    def name(self, x: Node) -> str:
        """Find the name of a uniform node in the body."""
        if x not in self.names:
            kind, align, w = BYTE[x.kind], ALIGNED[x.kind], self.context.lanes
            slot, value = self.context.slot(x), f"{self.lane}.{len(self.names)}"
            if x not in self.written:
                self.written.add(x)
                vector = self.vectors[x]
                if x.kind == BOOL:
                    self.before.append(f"  {value}.wide = zext <{w} x i1> {vector} to <{w} x i8>")
                    vector = f"{value}.wide"
                self.before.append(f"  store <{w} x {kind}> {vector}, ptr {slot}, align {align}")
            self.head.append(f"  {value}.at = getelementptr {kind}, ptr {slot}, i64 {self.lane}")
            self.head.append(f"  {value} = load {kind}, ptr {value}.at, align {align}")
            if x.kind == BOOL:
                self.head.append(f"  {value}.true = icmp ne i8 {value}, 0")
                value = f"{value}.true"
            self.names[x] = value
        return self.names[x]

    def around(self, body: list[str]) -> list[str]:
        """Write the loop around lines of its body; lanes that do not run are left out."""
        label, x, w = self.label, self.lane, self.context.lanes
        return [
            *self.before,
            f"  br label %{label}.begin\n{label}.begin:\n  br label %{label}.test\n{label}.test:",
            f"  {x} = phi i64 [ 0, %{label}.begin ], [ {x}.following, %{label}.done ]",
            f"  {x}.following = add i64 {x}, 1",
            f"  {x}.more = icmp slt i64 {x}, {w}",
            f"  br i1 {x}.more, label %{label}.look, label %{label}.end\n{label}.look:",
            f"  {x}.on = getelementptr i8, ptr %running, i64 {x}",
            f"  {x}.on.byte = load i8, ptr {x}.on",
            f"  {x}.runs = icmp ne i8 {x}.on.byte, 0",
            f"  br i1 {x}.runs, label %{label}.work, label %{label}.done\n{label}.work:",
            f"  {x}.b = add i64 %b, {x}",
            f"  {x}.count = getelementptr i64, ptr %count, i64 {x}.b",
            f"  {x}.n = load i64, ptr {x}.count",
            f"  {x}.shift = mul i64 {x}, %lane",
            f"  {x}.scratch = getelementptr double, ptr %scratch, i64 {x}.shift",
            *body,
            f"  br label %{label}.done\n{label}.done:\n  br label %{label}.test\n{label}.end:",
        ]


def emit_lane_loop(
    context: Context, builder: Builder, vectors: Mapping[Node, str], written: set[Node],
    body: Callable[[LaneLoop], None],
) -> None:  # fmt: skip
    """Emit code for one data set, which all lanes that run go through one after the other."""
    inner = builder.apart()
    loop = LaneLoop(context, inner, builder.label(), vectors, written)
    n, scratch, context.n, context.scratch = context.n, context.scratch, f"{loop.lane}.n", f"{loop.lane}.scratch"
    context.locate(inner, f"{loop.lane}.b")
    located, inner.text[:] = list(inner.text), []
    body(loop)
    builder.text += loop.around([*located, *loop.head, *inner.text])
    context.n, context.scratch = n, scratch
