"""Fits as compiled kernels: the traced step of any model and method, written out row by row.

XLA runs each operation of a step over all lanes and rows before the next, through memory. Here the same trace is written
out as scalar expressions: one pass over a data set's rows, in vectors, for value, scores and curvature together; what
depends on the data alone is computed once for each data set; sums whose terms factor into parameters and data, such as
those of an exponential family, cost nothing a step; of a loop over the rows only what depends on the row before is
computed row after row. Vectors hold rows of one data set, or a row of several where rows depend on one another or are few.
On an NVIDIA GPU the same expressions run with a thread for each data set. It needs llvmlite and float64. What it does not
support (large matrices, sorts of what steps change) is left to XLA.

A fit is lowered to a program of nodes (`lowering`, `ir`, `passes`), written as LLVM (`codegen`) and run (`runtime`).
"""

import itertools
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import jax
import numpy as np

from jaxmle._native.ir.layout import ROWS, Leaf, Unsupported
from jaxmle._native.lowering.fit_program import DraftPolicy, Policy, Pytree, Structure, independent_of_length, lower_fit
from jaxmle._native.runtime import cpu, cuda
from jaxmle._native.runtime.arguments import Arguments, unit_weights
from jaxmle._native.runtime.xla_ffi import call

__all__ = [
    "ROWS", "Compiled", "Leaf", "Unsupported", "build", "call", "independent_of_length", "missing", "unit_weights",
]  # fmt: skip


def missing(platform: str) -> str | None:
    """Say what keeps kernels from running on devices of this platform; None where nothing does."""
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed; try: pip install llvmlite"
    return None if platform == "cpu" else cuda.missing() if platform == "gpu" else f"the device is a {platform}"


def build(
    leaves: tuple[Leaf, ...],
    tree: Structure,
    policy: Policy,
    platform: str = "cpu",
    draft: DraftPolicy | None = None,
    in_time: bool = False,
) -> Callable[[int], "Compiled"]:
    """Compile a policy on items of these leaves, after a `draft` if there is one (see `lower_fit`).

    With `in_time` rows are those of a series.

    Returns:
        A function from the most rows of a data set to the kernel: the same one for a wide range of them.

    Raises:
        Unsupported: saying what keeps it from being compiled.
    """
    try:
        with jax.enable_x64(True):
            lowered = lower_fit(leaves, tree, policy, draft, by_value=platform == "cpu")
        kernel = (cpu if platform == "cpu" else cuda).compile_program(lowered.program, lowered.layout)
    except RecursionError:
        raise Unsupported("an expression that is nested too deep") from None
    return lambda rows: Compiled(kernel(rows), leaves, lowered.shapes, lowered.partial, lowered.uses_length, in_time)


class Compiled(NamedTuple):
    """A kernel, with what its arguments and results mean.

    Attributes:
        kernel: the compiled function.
        leaves: of the items that it reads.
        shapes: of its results, a pytree.
        partial: whether something is NaN in it where JAX has a value, so that what fails deserves a second look.
        uses_length: whether the number of rows is a number in it, such as in a mean: rows of weight 0 at the end count.
        in_time: whether rows are those of a series, so that those of weight 0 keep their places.
    """

    kernel: cpu.Kernel | cuda.Kernel
    leaves: tuple[Leaf, ...]
    shapes: Pytree
    partial: bool
    uses_length: bool
    in_time: bool

    def arguments(self, arrays: list[np.ndarray | jax.Array], weights: np.ndarray) -> Arguments:
        """Lay out a batch for the kernel; see `Arguments`."""
        return Arguments(self.kernel, self.leaves, self.uses_length, self.in_time, arrays, weights, self.max_batch)

    def scratch(self, rows: int) -> np.ndarray:
        """Allocate the buffers of one worker, whose data sets have so many rows at most."""
        kernel = self.kernel
        return np.empty(1 if isinstance(kernel, cuda.Kernel) else max(kernel.lanes * kernel.buffers * rows, 1))

    @property
    def group_size(self) -> int:
        """Data sets that take as long as one."""
        return self.kernel.lanes if isinstance(self.kernel, cpu.Kernel) and self.kernel.interleaved else 1

    @property
    def workers_per_device(self) -> int:
        """Workers for each core or device: on a GPU one moves data while the other computes."""
        return 2 if self.on_gpu else 1

    @property
    def on_gpu(self) -> bool:
        return isinstance(self.kernel, cuda.Kernel)

    def min_batch(self, rows: int) -> int:
        """Find the fewest data sets of so many rows that are worth a call."""
        if self.on_gpu:
            return cuda.MIN_BATCH
        refilled = 2 * self.group_size if self.group_size > 1 else 1  # lanes that are filled again are worth it
        return min(max((1 << 13) // max(rows, 1), refilled), 64)

    @property
    def max_batch(self) -> int:
        """The most data sets of a call."""
        return cuda.MAX_BATCH if self.on_gpu else 1 << 14

    def results(self, out: np.ndarray) -> Pytree:
        """Map the columns of `out`, f[k, B], to a pytree with leaves [B, ...]."""
        return jax.tree.map(
            lambda x, at: out[at : at + x.size].T.reshape(out.shape[1], *x.shape).astype(x.dtype, copy=False),
            self.shapes, self.result_offsets,
        )  # fmt: skip

    @property
    def result_offsets(self) -> Pytree:
        """Where in a result the numbers of each leaf begin, a pytree as `shapes`."""
        leaves, tree = jax.tree.flatten(self.shapes)
        return jax.tree.unflatten(tree, list(itertools.accumulate([0, *(x.size for x in leaves[:-1])])))
