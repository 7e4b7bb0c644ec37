"""Elementary functions of float64 vectors as LLVM, each within about one unit in the last place.

Exponential: argument reduction by ln 2 in two parts (Cody & Waite 1980) and a polynomial of degree 13. Logarithm: the
reduction and the minimax polynomial of FreeBSD's msun (e_log.c, error below 1 ulp). The others are made of these
(Higham 2002, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 1.14.1 for log1p).
"""

import math
import struct
from collections.abc import Callable
from typing import Any

_LN2_HI, _LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_MAGIC = 6755399441055744.0
"1.5 * 2^52: added to a small number it leaves its nearest whole number in the low bits."
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip


def literal(x: float) -> str:
    """A double as LLVM spells it, bit for bit."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"


class Lines:
    """LLVM text in the making.

    Args:
        width: elements of a vector, or 1 for scalars.
    """

    def __init__(self, width: int = 1) -> None:
        self.width, self.text, self.count = width, [], 0

    def name(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def type(self, base: str = "double") -> str:
        return base if self.width == 1 else f"<{self.width} x {base}>"

    def put(self, line: str) -> None:
        self.text.append(line)

    def let(self, expression: str) -> str:
        name = self.name()
        self.text.append(f"  {name} = {expression}")
        return name

    def const(self, x: Any, base: str = "double") -> str:
        one = literal(x) if base == "double" else str(int(x)) if base != "i1" else str(bool(x)).lower()
        return one if self.width == 1 else "<" + ", ".join([f"{base} {one}"] * self.width) + ">"

    def op(self, op: str, *args: str, base: str = "double") -> str:
        flags = " contract" if op in ("fadd", "fsub", "fmul", "fneg") else " contract arcp" if op == "fdiv" else ""
        return self.let(f"{op}{flags} {self.type(base)} {', '.join(args)}")

    def compare(self, how: str, a: str, b: str, base: str = "double") -> str:
        return self.let(f"{'fcmp' if base == 'double' else 'icmp'} {how} {self.type(base)} {a}, {b}")

    def select(self, p: str, a: str, b: str, base: str = "double") -> str:
        return self.let(f"select {self.type('i1')} {p}, {self.type(base)} {a}, {self.type(base)} {b}")

    def call(self, function: str, *args: str, base: str = "double") -> str:
        t = self.type(base)
        return self.let(f"call {t} @{function}({', '.join(f'{t} {a}' for a in args)})")

    def own(self, function: str, x: str) -> str:
        """One of `OWN`."""
        return self.call(f"jm.{function}.{self.width}", x)

    def intrinsic(self, name: str, *args: str) -> str:
        return self.call(f"llvm.{name}.{'f64' if self.width == 1 else f'v{self.width}f64'}", *args)

    def cast(self, how: str, x: str, start: str, end: str) -> str:
        return self.let(f"{how} {self.type(start)} {x} to {self.type(end)}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic("fma", a, b, c)


def intrinsics(width: int) -> str:
    """Declarations for one width."""
    t, name = ("double", "f64") if width == 1 else (f"<{width} x double>", f"v{width}f64")
    one = "".join(f"declare {t} @llvm.{f}.{name}({t})\n" for f in ("fabs", "sqrt", "floor", "ceil"))
    return one + f"declare {t} @llvm.fma.{name}({t}, {t}, {t})\n"


def functions(width: int) -> str:
    """Those of `OWN` for one width."""
    made = []
    for name, body in OWN.items():
        lines = Lines(width)
        t, result = lines.type(), body(lines, "%x")
        made.append(
            f"define internal {t} @jm.{name}.{width}({t} %x) alwaysinline {{\n"
            + "\n".join(lines.text)
            + f"\n  ret {t} {result}\n}}\n"
        )
    return "\n".join(made)


def _reduced(b: Lines, x: str) -> tuple[str, str, str]:
    """x = k ln 2 + r: k as bits of an integer, exp(r) - 1, and x with NaN and what is out of reach made harmless."""
    c = b.const
    safe = b.select(b.compare("olt", x, c(710.0)), x, c(710.0))
    safe = b.select(b.compare("ogt", safe, c(-750.0)), safe, c(-750.0))
    shifted = b.let(f"fadd {b.type()} {b.let(f'fmul {b.type()} {safe}, {c(1 / math.log(2))}')}, {c(_MAGIC)}")
    k = b.let(f"fsub {b.type()} {shifted}, {c(_MAGIC)}")
    bits = b.op("sub", b.cast("bitcast", shifted, "double", "i64"), c(struct.unpack("<q", struct.pack("<d", _MAGIC))[0], "i64"), base="i64")  # fmt: skip
    r = b.fma(k, c(-_LN2_HI), safe)
    r = b.fma(k, c(-_LN2_LO), r)
    # (exp(r) - 1 - r) / r^2 by Estrin's scheme.
    terms = [c(1 / math.factorial(i + 2)) for i in range(12)]
    square = b.op("fmul", r, r)
    power = r
    while len(terms) > 1:
        terms = [
            b.fma(terms[i + 1], power, terms[i]) if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)
        ]
        power = b.op("fmul", power, power) if len(terms) > 1 else power
    return bits, b.fma(square, terms[0], r), safe


def _two_to(b: Lines, k: str) -> str:
    """2^k for a k in the range of normal numbers."""
    biased = b.op("add", k, b.const(1023, "i64"), base="i64")
    return b.cast("bitcast", b.op("shl", biased, b.const(52, "i64"), base="i64"), "i64", "double")


def _exp(b: Lines, x: str) -> str:
    bits, tail, _ = _reduced(b, x)
    half = b.op("ashr", bits, b.const(1, "i64"), base="i64")
    rest = b.op("sub", bits, half, base="i64")
    y = b.op("fadd", tail, b.const(1.0))
    y = b.let(f"fmul {b.type()} {b.let(f'fmul {b.type()} {y}, {_two_to(b, half)}')}, {_two_to(b, rest)}")
    return b.select(b.compare("uno", x, x), x, y)


def _expm1(b: Lines, x: str) -> str:
    c = b.const
    bits, tail, _ = _reduced(b, x)
    scale = _two_to(b, bits)  # from 2^-1022 on; below, expm1 is -1 anyway
    low = b.compare("olt", x, c(-40.0))
    y = b.fma(scale, tail, b.let(f"fsub {b.type()} {scale}, {c(1.0)}"))
    y = b.select(low, c(-1.0), y)
    y = b.select(b.compare("ogt", x, c(700.0)), b.own("exp", x), y)
    y = b.select(b.compare("oeq", x, c(0.0)), x, y)
    return b.select(b.compare("uno", x, x), x, y)


def _log(b: Lines, x: str) -> str:
    c = b.const
    small = b.compare("olt", x, c(2.2250738585072014e-308))
    scaled = b.select(small, b.let(f"fmul {b.type()} {x}, {c(2.0**54)}"), x)
    bits = b.cast("bitcast", scaled, "double", "i64")
    shifted = b.op("sub", bits, c(_SQRT_HALF_BITS, "i64"), base="i64")
    k = b.op("ashr", shifted, c(52, "i64"), base="i64")
    m = b.cast("bitcast", b.op("sub", bits, b.op("shl", k, c(52, "i64"), base="i64"), base="i64"), "i64", "double")
    magic = struct.unpack("<q", struct.pack("<d", _MAGIC))[0]
    kf = b.cast("bitcast", b.op("add", k, c(magic, "i64"), base="i64"), "i64", "double")
    kf = b.let(f"fsub {b.type()} {kf}, {c(_MAGIC)}")
    kf = b.select(small, b.let(f"fsub {b.type()} {kf}, {c(54.0)}"), kf)
    f = b.let(f"fsub {b.type()} {m}, {c(1.0)}")
    s = b.op("fdiv", f, b.op("fadd", f, c(2.0)))
    z = b.op("fmul", s, s)
    w = b.op("fmul", z, z)
    odd = b.op("fmul", w, b.fma(w, b.fma(w, c(_LOG[5]), c(_LOG[3])), c(_LOG[1])))
    even = b.op("fmul", z, b.fma(w, b.fma(w, b.fma(w, c(_LOG[6]), c(_LOG[4])), c(_LOG[2])), c(_LOG[0])))
    r = b.op("fadd", odd, even)
    half = b.op("fmul", b.op("fmul", f, c(0.5)), f)
    inner = b.fma(s, b.op("fadd", half, r), b.op("fmul", kf, c(_LN2_LO)))
    y = b.fma(kf, c(_LN2_HI), b.op("fsub", f, b.op("fsub", half, inner)))
    y = b.select(b.compare("oeq", x, c(math.inf)), x, y)
    y = b.select(b.compare("oeq", x, c(0.0)), c(-math.inf), y)
    return b.select(b.compare("uge", x, c(0.0)), b.select(b.compare("uno", x, x), x, y), c(math.nan))


def _log1p(b: Lines, x: str) -> str:
    c = b.const
    u = b.let(f"fadd {b.type()} {x}, {c(1.0)}")
    log = b.own("log", u)
    lost = b.let(f"fsub {b.type()} {b.let(f'fsub {b.type()} {u}, {c(1.0)}')}, {x}")
    y = b.op("fsub", log, b.op("fdiv", lost, u))
    edge = b.op("or", b.compare("oeq", u, c(0.0)), b.compare("oeq", u, c(math.inf)), base="i1")
    y = b.select(edge, log, y)
    return b.select(b.compare("oeq", x, c(0.0)), x, y)


def _tanh(b: Lines, x: str) -> str:
    c = b.const
    size = b.intrinsic("fabs", x)
    e = b.own("expm1", b.op("fmul", size, c(2.0)))
    y = b.op("fdiv", e, b.op("fadd", e, c(2.0)))
    y = b.select(b.compare("ogt", size, c(22.0)), c(1.0), y)
    y = b.select(b.compare("olt", x, c(0.0)), b.op("fneg", y), y)
    return b.select(b.compare("une", x, c(0.0)), y, x)


def _logistic(b: Lines, x: str) -> str:
    e = b.own("exp", b.op("fneg", x))
    return b.op("fdiv", b.const(1.0), b.op("fadd", e, b.const(1.0)))


OWN: dict[str, Callable[[Lines, str], str]] = {
    "exp": _exp, "expm1": _expm1, "log": _log, "log1p": _log1p, "tanh": _tanh, "logistic": _logistic
}  # fmt: skip
"Functions that are written out here."
