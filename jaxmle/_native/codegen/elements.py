"""The LLVM of one operation on a number or on a vector, and of conversions between numbers as nodes and as memory have them."""

from jaxmle._native.codegen.builder import Builder
from jaxmle._native.codegen.vector_math import ELEMENTARY
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node

LIBM = ("sin", "cos", "tan", "erf", "erfc", "exp2", "cbrt")
LIBM_TWO = ("pow", "atan2", "fmod")
_FLOAT_COMPARE = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_INT_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


def extreme(b: Builder, op: str, x: str, y: str, kind: str) -> str:
    """Emit the larger or smaller of two numbers; NaN where either is."""
    if kind == BOOL:
        return b.op("or" if op == "max" else "and", x, y, base="i1")
    if kind == INT:
        return b.select(b.compare("sgt" if op == "max" else "slt", x, y, "i64"), x, y, "i64")
    larger = b.select(b.compare("ugt" if op == "max" else "ult", x, y), x, y)
    return b.select(b.compare("uno", y, y), y, larger)


def emit_operation(b: Builder, x: Node, args: list[str]) -> str:
    """Emit a node's operation on operands of these names."""
    op, kind = x.op, x.args[0].kind if x.args else x.kind
    base = b.base(kind)
    if op == "const":
        return b.const(x.value, b.base(x.kind))
    if op in ("add", "sub", "mul"):
        return b.op(("f" if kind == FLOAT else "") + op, *args, base=base)
    if op == "times_zero":
        return b.op("fmul", args[0], b.const(0.0))
    if op == "div" and kind == FLOAT:
        return b.op("fdiv", *args)
    if kind == INT and op in ("div", "rem"):  # 0 only where the result is not used; a processor would stop there
        safe = b.select(b.compare("eq", args[1], b.const(0, "i64"), "i64"), b.const(1, "i64"), args[1], "i64")
        return b.op("sdiv" if op == "div" else "srem", args[0], safe, base="i64")
    if op in ("and", "or", "xor"):
        return b.op(op, *args, base=base)
    if op == "not":
        return b.op("xor", args[0], b.const(-1 if kind == INT else True, base), base=base)
    if op == "neg":
        return b.op("fneg", *args) if kind == FLOAT else b.op("sub", b.const(0, "i64"), args[0], base="i64")
    if op in _FLOAT_COMPARE:
        return b.compare((_FLOAT_COMPARE if kind == FLOAT else _INT_COMPARE)[op], *args, base=base)
    if op == "select":
        return b.select(*args, base=b.base(x.kind))
    if op in ("max", "min"):
        return extreme(b, op, args[0], args[1], kind)
    if op == "is_finite":
        return b.compare("olt", b.intrinsic("fabs", args[0]), b.const(float("inf")))
    if op == "abs":
        if kind == INT:
            negative = b.op("sub", b.const(0, "i64"), args[0], base="i64")
            return b.select(b.compare("slt", args[0], b.const(0, "i64"), "i64"), negative, args[0], "i64")
        return b.intrinsic("fabs", *args)
    if op in ("sqrt", "floor", "ceil"):
        return b.intrinsic(op, *args)
    if op == "rsqrt":
        return b.op("fdiv", b.const(1.0), b.intrinsic("sqrt", *args))
    if op == "sign":
        down = b.select(b.compare("olt", args[0], b.const(0.0)), b.const(-1.0), args[0])
        return b.select(b.compare("ogt", args[0], b.const(0.0)), b.const(1.0), down)
    if op == "convert":
        return _convert(b, args[0], kind, x.kind)
    return _function(b, "fmod" if op == "rem" else op, args)


def _convert(b: Builder, x: str, start: str, end: str) -> str:
    if end == BOOL:
        return b.compare("une" if start == FLOAT else "ne", x, b.const(0, b.base(start)), b.base(start))
    how = {(BOOL, FLOAT): "uitofp", (INT, FLOAT): "sitofp", (FLOAT, INT): "fptosi", (BOOL, INT): "zext"}[start, end]
    return b.cast(how, x, b.base(start), b.base(end))


def _function(b: Builder, op: str, args: list[str]) -> str:
    if op in ELEMENTARY:
        return b.elementary(op, *args)
    if b.real == "float":
        args = [b.cast("fpext", a, "float", "double") for a in args]
    if b.width == 1:
        result = b.call(op, *args, base="double")
    else:
        result = "poison"  # no vector of it: one element after another
        t = b.type("double")
        for i in range(b.width):
            each = [b.let(f"extractelement {t} {a}, i64 {i}") for a in args]
            one = b.let(f"call double @{op}({', '.join(f'double {x}' for x in each)})")
            result = b.let(f"insertelement {t} {result}, double {one}, i64 {i}")
    return b.cast("fptrunc", result, "double", "float") if b.real == "float" else result


_FROM, _TO = {FLOAT: "fptrunc", INT: "fptosi"}, {FLOAT: "fpext", INT: "sitofp", BOOL: "uitofp"}


def from_double(b: Builder, x: str, kind: str) -> str:
    """Convert a float64 from memory to a number of this kind."""
    if kind == BOOL:
        return b.compare("une", x, b.const(0.0, "double"), "double")
    return x if b.base(kind) == "double" else b.cast(_FROM[kind], x, "double", b.base(kind))


def to_double(b: Builder, x: str, kind: str) -> str:
    """Convert a number of this kind to the float64 that memory has."""
    return x if b.base(kind) == "double" else b.cast(_TO[kind], x, b.base(kind), "double")
