"""One of the data sets that go abreast, while its rows are read."""

from typing import TYPE_CHECKING

from jaxmle._native.codegen.vector_math import BASE
from jaxmle._native.ir.nodes import BOOL, Node

if TYPE_CHECKING:
    from jaxmle._native.codegen.block import Section


class Mine:
    """Uniform nodes of one of the data sets abreast: what its rows need is read from memory first.

    Attributes:
        lane: which of them it is.
        names: of the nodes.
        before, head: what is written before the loop over the data sets, and read at the head of its body.
    """

    def __init__(self, section: "Section", label: str) -> None:
        self.section, self.label, self.lane = section, label, f"%{label}"
        self.names: dict[Node, str] = {}
        self.before: list[str] = []
        self.head: list[str] = []

    def name(self, x: Node) -> str:
        if x not in self.names:
            e, kind, align = self.section.emit, byte(x.kind), aligned(x.kind)
            slot, value = e.slot(x), f"{self.lane}.{len(self.names)}"
            if x not in self.section.written:
                self.section.written.add(x)
                wide = self.section.names[x]
                if x.kind == BOOL:
                    self.before.append(f"  {value}.wide = zext <{e.abreast} x i1> {wide} to <{e.abreast} x i8>")
                    wide = f"{value}.wide"
                self.before.append(f"  store <{e.abreast} x {kind}> {wide}, ptr {slot}, align {align}")
            self.head.append(f"  {value}.at = getelementptr {kind}, ptr {slot}, i64 {self.lane}")
            self.head.append(f"  {value} = load {kind}, ptr {value}.at, align {align}")
            if x.kind == BOOL:
                self.head.append(f"  {value}.true = icmp ne i8 {value}, 0")
                value = f"{value}.true"
            self.names[x] = value
        return self.names[x]

    def around(self, body: list[str]) -> list[str]:
        """The loop over the data sets abreast."""
        here, x, w = self.label, self.lane, self.section.emit.abreast
        return [
            *self.before,
            f"  br label %{here}.begin\n{here}.begin:\n  br label %{here}.test\n{here}.test:",
            f"  {x} = phi i64 [ 0, %{here}.begin ], [ {x}.following, %{here}.done ]",
            f"  {x}.following = add i64 {x}, 1",
            f"  {x}.more = icmp slt i64 {x}, {w}",
            f"  br i1 {x}.more, label %{here}.look, label %{here}.end\n{here}.look:",
            f"  {x}.on = getelementptr i8, ptr %running, i64 {x}",
            f"  {x}.on.byte = load i8, ptr {x}.on",
            f"  {x}.runs = icmp ne i8 {x}.on.byte, 0",
            f"  br i1 {x}.runs, label %{here}.work, label %{here}.done\n{here}.work:",
            f"  {x}.b = add i64 %b, {x}",
            f"  {x}.count = getelementptr i64, ptr %count, i64 {x}.b",
            f"  {x}.n = load i64, ptr {x}.count",
            f"  {x}.shift = mul i64 {x}, %lane",
            f"  {x}.scratch = getelementptr double, ptr %scratch, i64 {x}.shift",
            *body,
            f"  br label %{here}.done\n{here}.done:\n  br label %{here}.test\n{here}.end:",
        ]


def byte(kind: str) -> str:
    """What a number of this kind is in memory."""
    return "i8" if kind == BOOL else BASE[kind]


def aligned(kind: str) -> int:
    """Bytes."""
    return 1 if kind == BOOL else 8
