"""Reductions over rows: neutral elements, the combination of two numbers, the elements of a vector in one."""

from jaxmle._native.codegen.builder import Builder
from jaxmle._native.codegen.elements import extreme
from jaxmle._native.ir.nodes import FLOAT, Node

NEUTRAL = {"rsum": 0.0, "rmax": float("-inf"), "rmin": float("inf"), "rand": True, "ror": False}


def combine(b: Builder, x: Node, first: str, second: str) -> str:
    """Emit the reduction of a node x of two numbers."""
    if x.op == "rsum":
        return b.op("fadd" if x.kind == FLOAT else "add", first, second, base=b.base(x.kind))
    if x.op in ("rand", "ror"):
        return b.op("and" if x.op == "rand" else "or", first, second, base="i1")
    return extreme(b, "max" if x.op == "rmax" else "min", first, second, x.kind)


def fold(b: Builder, x: Node, vector: str, width: int, real: str) -> str:
    """Emit the reduction of a vector's elements, pair by pair; a sum of float32 becomes a float64."""
    base = b.with_width(1, real).base(x.kind)
    while width > 1:
        half = width // 2
        parts = []
        for start in (0, half):
            picks = ", ".join(f"i32 {start + i}" for i in range(half))
            parts.append(
                b.let(f"shufflevector <{width} x {base}> {vector}, <{width} x {base}> poison, <{half} x i32> <{picks}>")
            )
        if half == 1:
            parts = [b.let(f"extractelement <1 x {base}> {p}, i64 0") for p in parts]
        vector, width = combine(b.with_width(half, real), x, *parts), half
    return b.cast("fpext", vector, base, "double") if base == "float" else vector
