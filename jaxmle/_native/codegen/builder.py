"""A builder of LLVM text: instructions on scalars or vectors, and the names that they define."""

import math
import struct
from typing import Self

import numpy as np

from jaxmle._native.ir.nodes import BOOL, FLOAT, INT

BASE = {FLOAT: "double", INT: "i64", BOOL: "i1"}
"The type of a number that belongs to a data set."
BYTE = {FLOAT: "double", INT: "i64", BOOL: "i8"}
"The same in memory, where truth takes a byte."
ALIGNED = {FLOAT: 8, INT: 8, BOOL: 1}
"Its size in bytes."
REALS = ("double", "float")
SUFFIX = {"double": "f64", "float": "f32", "i64": "i64", "i8": "i8"}
"Of the names of LLVM's own functions."


def literal(x: float, base: str = "double") -> str:
    """Spell a number as LLVM does, bit for bit; in float32 the nearest one that is finite and not subnormal."""
    if base == "float" and math.isfinite(x):
        kind = np.finfo(np.float32)
        least, most = float(kind.tiny), float(kind.max)
        size = min(max(abs(x), least), most) if x else 0.0
        x = float(np.float32(math.copysign(size, x)))
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


class Names:
    """Counters of the names in one function: numbers and labels."""

    def __init__(self) -> None:
        self.numbers = self.labels = 0


class Builder:
    """Appends instructions to the text of one function.

    Args:
        width: elements of a vector, or 1 for scalars.
        real: what a FLOAT is, "double" or "float".
        text: the lines so far.
        names: of the function.
    """

    def __init__(
        self, width: int = 1, real: str = "double", text: list[str] | None = None, names: Names | None = None
    ) -> None:
        self.width, self.real = width, real
        self.text: list[str] = [] if text is None else text
        self.names = Names() if names is None else names

    def with_width(self, width: int, real: str = "double") -> "Builder":
        """Make a builder for vectors of another width that goes on in the same text."""
        return Builder(width, real, self.text, self.names)

    def apart(self, width: int = 1) -> "Builder":
        """Make a builder for the same function whose text is to be placed later."""
        return Builder(width, "double", [], self.names)

    def base(self, kind: str) -> str:
        """Spell the type of a node of this kind."""
        return self.real if kind == FLOAT else BASE[kind]

    def type(self, base: str | None = None) -> str:
        """Spell the type of a vector of these, or of a scalar."""
        base = base or self.real
        return base if self.width == 1 else f"<{self.width} x {base}>"

    def name(self) -> str:
        """Make a new name for a number."""
        self.names.numbers += 1
        return f"%t{self.names.numbers}"

    def label(self) -> str:
        """Make a new name for a loop's blocks."""
        self.names.labels += 1
        return f"loop{self.names.labels}"

    def emit(self, line: str) -> Self:
        """Append a line."""
        self.text.append(line)
        return self

    def let(self, expression: str) -> str:
        """Append an instruction and return the name of its result."""
        name = self.name()
        self.text.append(f"  {name} = {expression}")
        return name

    def const(self, x: float, base: str | None = None) -> str:
        """Spell a constant, in all elements."""
        base = base or self.real
        if base in REALS:
            one = literal(x, base)
        else:  # infinity is the last whole number
            one = str(bool(x)).lower() if base == "i1" else str(int(min(max(x, -(1 << 63)), (1 << 63) - 1)))
        return one if self.width == 1 else "<" + ", ".join([f"{base} {one}"] * self.width) + ">"

    def op(self, op: str, *args: str, base: str | None = None) -> str:
        flags = " contract" if op in ("fadd", "fsub", "fmul", "fneg") else " contract arcp" if op == "fdiv" else ""
        return self.let(f"{op}{flags} {self.type(base)} {', '.join(args)}")

    def exactly(self, op: str, *args: str) -> str:
        """Emit an operation on FLOATs that is never fused with another one."""
        return self.let(f"{op} {self.type()} {', '.join(args)}")

    def compare(self, how: str, a: str, b: str, base: str | None = None) -> str:
        kind = "fcmp" if (base or self.real) in REALS else "icmp"
        return self.let(f"{kind} {how} {self.type(base)} {a}, {b}")

    def select(self, p: str, a: str, b: str, base: str | None = None) -> str:
        return self.let(f"select {self.type('i1')} {p}, {self.type(base)} {a}, {self.type(base)} {b}")

    def invert(self, p: str) -> str:
        return self.op("xor", p, self.const(True, "i1"), base="i1")

    def call(self, function: str, *args: str, base: str | None = None) -> str:
        t = self.type(base)
        return self.let(f"call {t} @{function}({', '.join(f'{t} {a}' for a in args)})")

    def elementary(self, function: str, x: str) -> str:
        """Emit a call of one of `vector_math.ELEMENTARY`."""
        return self.call(f"jm.{function}.{self.width}{self.real[0]}", x)

    def intrinsic(self, name: str, *args: str) -> str:
        return self.call(f"llvm.{name}.{'' if self.width == 1 else f'v{self.width}'}{SUFFIX[self.real]}", *args)

    def cast(self, how: str, x: str, start: str, end: str) -> str:
        return self.let(f"{how} {self.type(start)} {x} to {self.type(end)}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c)

    def splat(self, x: str, base: str, width: int | None = None) -> str:
        """Repeat a scalar in all elements of a vector."""
        width = self.width if width is None else width
        if width == 1:
            return x
        one = self.let(f"insertelement <{width} x {base}> poison, {base} {x}, i64 0")
        return self.let(
            f"shufflevector <{width} x {base}> {one}, <{width} x {base}> poison, <{width} x i32> zeroinitializer"
        )

    def shifted(self, x: str, fill: str, by: int, reverse: bool, base: str) -> str:
        """Shift a vector by `by` elements to later ones (to earlier ones in reverse); `fill` where none came."""
        w = self.width
        picks = [(i + by if i + by < w else w + i) if reverse else (i - by if i >= by else w + i) for i in range(w)]
        t = self.type(base)
        return self.let(f"shufflevector {t} {x}, {t} {fill}, <{w} x i32> <{', '.join(f'i32 {i}' for i in picks)}>")


def vector_of(width: int, real: str) -> int:
    """Count the rows that go together where `width` of float64 do."""
    return 2 * width if width > 1 and real == "float" else width


def iota(width: int) -> str:
    """Spell the vector 0, 1, ..., width - 1 of whole numbers."""
    return "<" + ", ".join(f"i64 {i}" for i in range(width)) + ">" if width > 1 else "0"
