"""Elementary functions of vectors as LLVM, in float64 and float32, each within about one unit in the last place.

Exponential: argument reduction by ln 2 in two parts (Cody & Waite 1980) and a polynomial of degree 11 (6 in float32)
through the Chebyshev points of (exp(r) - 1 - r) / r^2, error below 2e-17 (1e-8) of exp(r); no number below the normal ones.
Logarithm: the reduction and the minimax polynomial of FreeBSD's msun (e_log.c, e_logf.c, error below 1 ulp). Of
1 + x the logarithm takes in what rounding lost (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, 2nd ed.,
section 1.14.1). The others are made of these.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxmle._native.ir.nodes import BOOL, FLOAT, INT

BASE = {FLOAT: "double", INT: "i64", BOOL: "i1"}
"The type of a number that belongs to a data set."


class Format(NamedTuple):
    """Numbers of one type.

    Attributes:
        integer: of the same size.
        mantissa, bias: of its bits.
        ln2: in two parts, of which the first leaves room for a whole number.
        range: arguments of exp beyond which it is 0 or infinite.
        wide: an argument whose expm1 is its exp, and that of its negative -1.
        exp, log: their polynomials.
        root: the bits of the root of a half.
    """

    integer: str
    mantissa: int
    bias: int
    ln2: tuple[float, float]
    range: tuple[float, float]
    wide: float
    exp: tuple[float, ...]
    log: tuple[float, ...]
    root: int

    @property
    def magic(self) -> float:
        """Added to a small number it leaves its nearest whole number in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def magic_bits(self) -> int:
        return ((self.bias + self.mantissa) << self.mantissa) | 1 << (self.mantissa - 1)


FORMATS = {
    "double": Format(
        "i64", 52, 1023, (6.93147180369123816490e-01, 1.90821492927058770002e-10),
        (-708.3964185322641, 709.782712893384), 40.0,
        (
            0.5, 0.16666666666666667453, 0.041666666666624127873, 0.0083333333333300618325, 0.0013888888917213716901,
            0.00019841269863053616878, 2.4801521295954375131e-05, 2.7557268459997064772e-06,
            2.7620088445409748161e-07, 2.5100385495510319078e-08,
        ),
        (
            6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
            1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
        ),
        0x3FE6A09E667F3BCD,
    ),
    "float": Format(
        "i32", 23, 127, (6.9313812256e-01, 9.0580006145e-06), (-87.33654475, 88.72283905), 18.0,
        (0.5, 0.16666576989698775683, 0.041666554617204574203, 0.0083631790527225773704, 0.0013926183587713494542),
        (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841), 0x3F3504F3,
    ),
}  # fmt: skip
SUFFIX = {"double": "f64", "float": "f32", "i64": "i64", "i8": "i8"}
"Of the names of LLVM's own functions."


def literal(x: float, base: str = "double") -> str:
    """A number as LLVM spells it, bit for bit; in float32 what is too large or small is the largest or smallest there is."""
    if base == "float" and math.isfinite(x):
        kind = np.finfo(np.float32)
        least, most = float(kind.tiny), float(kind.max)
        size = min(max(abs(x), least), most) if x else 0.0
        x = float(np.float32(math.copysign(size, x)))
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


class Lines:
    """LLVM text in the making.

    Args:
        width: elements of a vector, or 1 for scalars.
        real: what a FLOAT is, "double" or "float".
    """

    def __init__(self, width: int = 1, real: str = "double") -> None:
        self.width, self.real, self.text, self.count = width, real, [], 0

    def base(self, kind: str) -> str:
        """The type of a node of this kind."""
        return self.real if kind == FLOAT else BASE[kind]

    @property
    def format(self) -> Format:
        return FORMATS[self.real]

    def name(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def type(self, base: str | None = None) -> str:
        base = base or self.real
        return base if self.width == 1 else f"<{self.width} x {base}>"

    def put(self, line: str) -> None:
        self.text.append(line)

    def let(self, expression: str) -> str:
        name = self.name()
        self.text.append(f"  {name} = {expression}")
        return name

    def const(self, x: Any, base: str | None = None) -> str:
        base = base or self.real
        if base in FORMATS:
            one = literal(x, base)
        else:  # infinity is the last whole number
            one = str(bool(x)).lower() if base == "i1" else str(int(min(max(x, -(1 << 63)), (1 << 63) - 1)))
        return one if self.width == 1 else "<" + ", ".join([f"{base} {one}"] * self.width) + ">"

    def op(self, op: str, *args: str, base: str | None = None) -> str:
        flags = " contract" if op in ("fadd", "fsub", "fmul", "fneg") else " contract arcp" if op == "fdiv" else ""
        return self.let(f"{op}{flags} {self.type(base)} {', '.join(args)}")

    def compare(self, how: str, a: str, b: str, base: str | None = None) -> str:
        kind = "fcmp" if (base or self.real) in FORMATS else "icmp"
        return self.let(f"{kind} {how} {self.type(base)} {a}, {b}")

    def select(self, p: str, a: str, b: str, base: str | None = None) -> str:
        return self.let(f"select {self.type('i1')} {p}, {self.type(base)} {a}, {self.type(base)} {b}")

    def call(self, function: str, *args: str, base: str | None = None) -> str:
        t = self.type(base)
        return self.let(f"call {t} @{function}({', '.join(f'{t} {a}' for a in args)})")

    def own(self, function: str, x: str) -> str:
        """One of `OWN`."""
        return self.call(f"jm.{function}.{self.width}{self.real[0]}", x)

    def intrinsic(self, name: str, *args: str) -> str:
        return self.call(f"llvm.{name}.{'' if self.width == 1 else f'v{self.width}'}{SUFFIX[self.real]}", *args)

    def cast(self, how: str, x: str, start: str, end: str) -> str:
        return self.let(f"{how} {self.type(start)} {x} to {self.type(end)}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c)


def vector_of(width: int, real: str) -> int:
    """How many rows go together where `width` of float64 do."""
    return 2 * width if width > 1 and real == "float" else width


def over(lines: Lines, width: int, real: str = "double") -> Lines:
    """Vector code that goes on where scalar code has come to; give `count` back at its end."""
    vector = Lines(width, real)
    vector.text, vector.count = lines.text, lines.count
    return vector


def splat(lines: Lines, x: str, base: str, width: int) -> str:
    if width == 1:
        return x
    one = lines.let(f"insertelement <{width} x {base}> poison, {base} {x}, i64 0")
    return lines.let(
        f"shufflevector <{width} x {base}> {one}, <{width} x {base}> poison, <{width} x i32> zeroinitializer"
    )


def shifted(v: Lines, x: str, fill: str, by: int, reverse: bool, base: str) -> str:
    """Each element in the place of the one `by` places later (earlier in reverse); `fill` where none came."""
    w = v.width
    picks = [(i + by if i + by < w else w + i) if reverse else (i - by if i >= by else w + i) for i in range(w)]
    t = v.type(base)
    return v.let(f"shufflevector {t} {x}, {t} {fill}, <{w} x i32> <{', '.join(f'i32 {i}' for i in picks)}>")


def upwards(width: int) -> str:
    return "<" + ", ".join(f"i64 {i}" for i in range(width)) + ">" if width > 1 else "0"


def intrinsics(width: int, real: str) -> str:
    """Declarations for one width."""
    t, name = Lines(width, real).type(), f"{'' if width == 1 else f'v{width}'}{SUFFIX[real]}"
    one = "".join(f"declare {t} @llvm.{f}.{name}({t})\n" for f in ("fabs", "sqrt", "floor", "ceil"))
    return one + f"declare {t} @llvm.fma.{name}({t}, {t}, {t})\n"


def functions(width: int, real: str) -> str:
    """Those of `OWN` for one width."""
    made = []
    for name, body in OWN.items():
        lines = Lines(width, real)
        t, result = lines.type(), body(lines, "%x")
        made.append(
            f"define internal {t} @jm.{name}.{width}{real[0]}({t} %x) alwaysinline {{\n"
            + "\n".join(lines.text)
            + f"\n  ret {t} {result}\n}}\n"
        )
    return "\n".join(made)


def _reduced(b: Lines, x: str) -> tuple[str, str]:
    """x = k ln 2 + r: k in the exponent's bits of an integer, and exp(r) - 1, for an x that exp is finite at and not 0."""
    c, f = b.const, b.format
    shifted = b.fma(x, c(1 / math.log(2)), c(f.magic))
    k = b.let(f"fsub {b.type()} {shifted}, {c(f.magic)}")
    whole = b.cast("bitcast", shifted, b.real, f.integer)
    bits = b.op("shl", whole, c(f.mantissa, f.integer), base=f.integer)
    r = b.fma(k, c(-f.ln2[0]), x)
    r = b.fma(k, c(-f.ln2[1]), r)
    # (exp(r) - 1 - r) / r^2 by Estrin's scheme.
    terms = [c(a) for a in f.exp]
    square = b.op("fmul", r, r)
    power = r
    while len(terms) > 1:
        terms = [
            b.fma(terms[i + 1], power, terms[i]) if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)
        ]
        power = b.op("fmul", power, power) if len(terms) > 1 else power
    return bits, b.fma(square, terms[0], r)


def _scaled(b: Lines, y: str, bits: str) -> str:
    """y 2^k, where that is a normal number."""
    i = b.format.integer
    return b.cast("bitcast", b.op("add", b.cast("bitcast", y, b.real, i), bits, base=i), i, b.real)


def _ended(b: Lines, x: str, y: str) -> str:
    """y = exp(x) where x is in range; what is smaller than a normal number is 0."""
    c, (low, high) = b.const, b.format.range
    y = b.select(b.compare("olt", x, c(low)), c(0.0), y)
    return b.select(b.compare("ugt", x, c(high)), b.let(f"fadd {b.type()} {x}, {c(math.inf)}"), y)


def _exp(b: Lines, x: str) -> str:
    bits, tail = _reduced(b, x)
    return _ended(b, x, _scaled(b, b.op("fadd", tail, b.const(1.0)), bits))


def _expm1(b: Lines, x: str) -> str:
    c, wide = b.const, b.format.wide
    bits, tail = _reduced(b, x)
    scale = _scaled(b, c(1.0), bits)
    y = b.fma(scale, tail, b.let(f"fsub {b.type()} {scale}, {c(1.0)}"))
    y = b.select(b.compare("olt", x, c(-wide)), c(-1.0), y)
    whole = _ended(b, x, _scaled(b, b.op("fadd", tail, c(1.0)), bits))
    y = b.select(b.compare("ugt", x, c(wide)), whole, y)
    return b.select(b.compare("oeq", x, c(0.0)), x, y)


def _log(b: Lines, x: str, over: str | None = None) -> str:
    """The logarithm of x - over, where that is given and x rounded to x."""
    c, form = b.const, b.format
    i, m = form.integer, form.mantissa
    small = b.compare("olt", x, c(2.0 ** (1 - form.bias)))
    scaled = b.select(small, b.let(f"fmul {b.type()} {x}, {c(2.0 ** (m + 2))}"), x)
    # x = 2^k (1 + f) with 1 + f between the roots of a half and of two; k is counted from the bias.
    bits = b.cast("bitcast", scaled, b.real, i)
    moved = b.op("add", bits, c((form.bias << m) - form.root, i), base=i)
    k = b.op("lshr", moved, c(m, i), base=i)
    zero = b.select(small, c(form.magic + form.bias + m + 2), c(form.magic + form.bias))
    kf = b.cast("bitcast", b.op("add", k, c(form.magic_bits, i), base=i), i, b.real)
    kf = b.let(f"fsub {b.type()} {kf}, {zero}")
    left = b.op("add", b.op("and", moved, c((1 << m) - 1, i), base=i), c(form.root, i), base=i)
    f = b.let(f"fsub {b.type()} {b.cast('bitcast', left, i, b.real)}, {c(1.0)}")
    if over is not None:
        back = b.op("shl", b.op("sub", c(2 * form.bias, i), k, base=i), c(m, i), base=i)
        near = b.op("fsub", f, b.op("fmul", over, b.cast("bitcast", back, i, b.real)))
        f = b.select(b.compare("olt", x, c(2.0 ** (m + 2))), near, f)  # beyond, nothing is lost and 2^-k is no number
    s = b.op("fdiv", f, b.op("fadd", f, c(2.0)))
    z = b.op("fmul", s, s)
    w = b.op("fmul", z, z)
    even, odd = (_horner(b, w, form.log[start::2]) for start in (0, 1))
    r = b.op("fadd", b.op("fmul", w, odd), b.op("fmul", z, even))
    half = b.op("fmul", b.op("fmul", f, c(0.5)), f)
    inner = b.fma(s, b.op("fadd", half, r), b.op("fmul", kf, c(form.ln2[1])))
    y = b.fma(kf, c(form.ln2[0]), b.op("fsub", f, b.op("fsub", half, inner)))
    y = b.select(b.compare("olt", x, c(math.inf)), y, x)
    none = b.select(b.compare("oeq", x, c(0.0)), c(-math.inf), c(math.nan))
    return b.select(b.compare("ogt", x, c(0.0)), y, none)


def _horner(b: Lines, x: str, coefficients: tuple[float, ...]) -> str:
    y = b.const(coefficients[-1])
    for a in coefficients[-2::-1]:
        y = b.fma(x, y, b.const(a))
    return y


def _log1p(b: Lines, x: str) -> str:
    c = b.const
    u = b.let(f"fadd {b.type()} {x}, {c(1.0)}")
    over = b.let(f"fsub {b.type()} {b.let(f'fsub {b.type()} {u}, {c(1.0)}')}, {x}")
    return b.select(b.compare("oeq", x, c(0.0)), x, _log(b, u, over))


def _tanh(b: Lines, x: str) -> str:
    c = b.const
    size = b.intrinsic("fabs", x)
    e = b.own("expm1", b.op("fmul", size, c(2.0)))
    y = b.op("fdiv", e, b.op("fadd", e, c(2.0)))
    y = b.select(b.compare("ogt", size, c(b.format.wide / 2)), c(1.0), y)
    y = b.select(b.compare("olt", x, c(0.0)), b.op("fneg", y), y)
    return b.select(b.compare("une", x, c(0.0)), y, x)


def _logistic(b: Lines, x: str) -> str:
    e = b.own("exp", b.op("fneg", x))
    return b.op("fdiv", b.const(1.0), b.op("fadd", e, b.const(1.0)))


OWN: dict[str, Callable[[Lines, str], str]] = {
    "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p, "tanh": _tanh, "logistic": _logistic
}  # fmt: skip
"Functions that are written out here."
