"""Modules of LLVM: the text of a kernel behind the functions that it may call."""

from collections.abc import Sequence

from jaxmle._native.codegen import sorting
from jaxmle._native.codegen.builder import REALS, vector_of
from jaxmle._native.codegen.elements import LIBM, LIBM_TWO
from jaxmle._native.codegen.vector_math import functions, intrinsics


def assemble_module(
    body: Sequence[str], declarations: str, width: int, lanes: int, draft: bool = False, sorts: bool = False
) -> str:
    """Write a module.

    Args:
        body: lines of its functions.
        declarations: of LLVM's own functions of vectors in memory; none in a thread of a GPU.
        width, lanes: of vectors of rows, and of numbers of data sets.
        draft: whether rows are computed in float32 too.
        sorts: whether rows are sorted.
    """
    alone = width == lanes == 1
    widths = [width, vector_of(width, "float")] if draft else [width]
    libm = "".join(f"declare double @{f}(double)\n" for f in LIBM)
    libm += "".join(f"declare double @{f}(double, double)\n" for f in LIBM_TWO)
    own = [intrinsics(k, real) for k in sorted({1} if alone else {1, 2, 4, 8, 16, *widths}) for real in REALS]
    own += [libm] if alone else [declarations, libm]
    own += [functions(k, "double") for k in sorted({1, width, lanes})]
    own += [functions(widths[-1], "float")] * draft + [sorting.FUNCTIONS] * sorts
    return "\n".join([*own, *body])
