"""Elementary functions of vectors as LLVM, in float64 and float32, each within about one unit in the last place.

Exponential: argument reduction by ln 2 in two parts (Cody & Waite 1980) and a polynomial of degree 11 (6 in float32)
through the Chebyshev points of (exp(r) - 1 - r) / r^2, error below 2e-17 (1e-8) of exp(r); no number below the normal ones.
Logarithm: the reduction and the minimax polynomial of FreeBSD's msun (e_log.c, e_logf.c, error below 1 ulp). Of
1 + x the logarithm takes in the rounding error (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, 2nd ed.,
section 1.14.1). The others are made of these.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from jaxmle._native.codegen.builder import SUFFIX, Builder


class Format(NamedTuple):
    """The layout of a floating-point type, and the constants of the functions in it.

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


def intrinsics(width: int, real: str) -> str:
    """Declare LLVM's own functions for one width."""
    t, name = Builder(width, real).type(), f"{'' if width == 1 else f'v{width}'}{SUFFIX[real]}"
    one = "".join(f"declare {t} @llvm.{f}.{name}({t})\n" for f in ("fabs", "sqrt", "floor", "ceil"))
    return one + f"declare {t} @llvm.fma.{name}({t}, {t}, {t})\n"


def functions(width: int, real: str) -> str:
    """Write the functions of `ELEMENTARY` for one width."""
    made = []
    for name, body in ELEMENTARY.items():
        builder = Builder(width, real)
        t, result = builder.type(), body(builder, "%x")
        made.append(
            f"define internal {t} @jm.{name}.{width}{real[0]}({t} %x) alwaysinline {{\n"
            + "\n".join(builder.text)
            + f"\n  ret {t} {result}\n}}\n"
        )
    return "\n".join(made)


def _reduced(b: Builder, x: str) -> tuple[str, str]:
    """Reduce x = k ln 2 + r: k in the exponent's bits of an integer, and exp(r) - 1, for an x that exp is finite at and not 0."""
    c, f = b.const, FORMATS[b.real]
    shifted = b.fma(x, c(1 / math.log(2)), c(f.magic))
    k = b.exactly("fsub", shifted, c(f.magic))
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


def _scaled(b: Builder, y: str, bits: str) -> str:
    """Scale y to y 2^k, where that is a normal number."""
    i = FORMATS[b.real].integer
    return b.cast("bitcast", b.op("add", b.cast("bitcast", y, b.real, i), bits, base=i), i, b.real)


def _limited(b: Builder, x: str, y: str) -> str:
    """Limit y = exp(x) to where x is in range; what is smaller than a normal number is 0."""
    c, (low, high) = b.const, FORMATS[b.real].range
    y = b.select(b.compare("olt", x, c(low)), c(0.0), y)
    return b.select(b.compare("ugt", x, c(high)), b.exactly("fadd", x, c(math.inf)), y)


def _exp(b: Builder, x: str) -> str:
    bits, tail = _reduced(b, x)
    return _limited(b, x, _scaled(b, b.op("fadd", tail, b.const(1.0)), bits))


def _expm1(b: Builder, x: str) -> str:
    c, wide = b.const, FORMATS[b.real].wide
    bits, tail = _reduced(b, x)
    scale = _scaled(b, c(1.0), bits)
    y = b.fma(scale, tail, b.exactly("fsub", scale, c(1.0)))
    y = b.select(b.compare("olt", x, c(-wide)), c(-1.0), y)
    whole = _limited(b, x, _scaled(b, b.op("fadd", tail, c(1.0)), bits))
    y = b.select(b.compare("ugt", x, c(wide)), whole, y)
    return b.select(b.compare("oeq", x, c(0.0)), x, y)


def _log(b: Builder, x: str, over: str | None = None) -> str:
    """Take the logarithm of x - over, where that is given and rounded to x, of x otherwise."""
    c, form = b.const, FORMATS[b.real]
    i, m = form.integer, form.mantissa
    small = b.compare("olt", x, c(2.0 ** (1 - form.bias)))
    scaled = b.select(small, b.exactly("fmul", x, c(2.0 ** (m + 2))), x)
    # x = 2^k (1 + f) with 1 + f between the roots of a half and of two; k is counted from the bias.
    bits = b.cast("bitcast", scaled, b.real, i)
    moved = b.op("add", bits, c((form.bias << m) - form.root, i), base=i)
    k = b.op("lshr", moved, c(m, i), base=i)
    zero = b.select(small, c(form.magic + form.bias + m + 2), c(form.magic + form.bias))
    kf = b.cast("bitcast", b.op("add", k, c(form.magic_bits, i), base=i), i, b.real)
    kf = b.exactly("fsub", kf, zero)
    left = b.op("add", b.op("and", moved, c((1 << m) - 1, i), base=i), c(form.root, i), base=i)
    f = b.exactly("fsub", b.cast("bitcast", left, i, b.real), c(1.0))
    if over is not None:
        back = b.op("shl", b.op("sub", c(2 * form.bias, i), k, base=i), c(m, i), base=i)
        near = b.op("fsub", f, b.op("fmul", over, b.cast("bitcast", back, i, b.real)))
        f = b.select(
            b.compare("olt", x, c(2.0 ** (m + 2))), near, f
        )  # beyond, nothing is rounded and 2^-k is no number
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


def _horner(b: Builder, x: str, coefficients: tuple[float, ...]) -> str:
    y = b.const(coefficients[-1])
    for a in coefficients[-2::-1]:
        y = b.fma(x, y, b.const(a))
    return y


def _log1p(b: Builder, x: str) -> str:
    c = b.const
    u = b.exactly("fadd", x, c(1.0))
    over = b.exactly("fsub", b.exactly("fsub", u, c(1.0)), x)
    return b.select(b.compare("oeq", x, c(0.0)), x, _log(b, u, over))


def _tanh(b: Builder, x: str) -> str:
    c = b.const
    size = b.intrinsic("fabs", x)
    e = b.elementary("expm1", b.op("fmul", size, c(2.0)))
    y = b.op("fdiv", e, b.op("fadd", e, c(2.0)))
    y = b.select(b.compare("ogt", size, c(FORMATS[b.real].wide / 2)), c(1.0), y)
    y = b.select(b.compare("olt", x, c(0.0)), b.op("fneg", y), y)
    return b.select(b.compare("une", x, c(0.0)), y, x)


def _logistic(b: Builder, x: str) -> str:
    e = b.elementary("exp", b.op("fneg", x))
    return b.op("fdiv", b.const(1.0), b.op("fadd", e, b.const(1.0)))


ELEMENTARY: dict[str, Callable[[Builder, str], str]] = {
    "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p, "tanh": _tanh, "logistic": _logistic
}  # fmt: skip
"Functions that are written out here: each appends its code and returns the name of the result."
