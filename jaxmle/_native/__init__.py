"""Fits as functions of the machine: the traced step of any model and method, compiled row by row.

XLA runs each operation of a step over all lanes and rows before the next, through memory. Here the same trace is written
out as scalar expressions: one pass over a data set's rows, in vectors, for value, scores and curvature together; what
depends on the data alone is computed once for each data set; sums whose terms factor into parameters and data, such as
those of an exponential family, cost nothing a step; of a loop over the rows only what depends on the row before is
computed row after row. Vectors hold rows of one data set, or a row of several where rows depend on one another or are few.
On an NVIDIA GPU the same expressions run with a thread for each data set. It needs llvmlite and
float64. What it does not understand (sorts, large matrices) goes through the lanes as before.
"""

import itertools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._native.lowering.tracer import ROWS, NotUnderstood
from jaxmle._native.runtime import cuda
from jaxmle._native.runtime.arguments import Reader, plain
from jaxmle._native.runtime.cpu import Kernel, Leaf, assemble, same_for_all_lengths, trace
from jaxmle._native.runtime.xla_ffi import call

__all__ = ["ROWS", "Compiled", "Leaf", "NotUnderstood", "build", "call", "missing", "plain", "same_for_all_lengths"]


def missing(platform: str) -> str | None:
    """What keeps devices of this platform from it, or None."""
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed; try: pip install llvmlite"
    return None if platform == "cpu" else cuda.missing() if platform == "gpu" else f"the device is a {platform}"


def build(
    leaves: tuple[Leaf, ...], tree: Any, policy: Any, platform: str = "cpu", draft: Any = None
) -> Callable[[int], "Compiled"]:
    """What a policy of the lanes does with items of these leaves, after a `draft` if there is one (see `trace`), as a
    function from the number of rows: the same one for a wide range of them.

    Raises:
        NotUnderstood: saying what keeps it from being written out.
    """
    with jax.enable_x64(True):
        parts, rows, numbers, *described = trace(leaves, tree, policy, draft, values=platform == "cpu")
    kernel = (assemble if platform == "cpu" else cuda.assemble)(parts, rows, numbers)
    return lambda n: Compiled(kernel(n), leaves, *described)


class Compiled(NamedTuple):
    """A kernel, and how to speak to it.

    Attributes:
        kernel: the machine function.
        leaves: what it reads.
        shapes: of its results, a pytree.
        partial: whether something is NaN in it where JAX has a value, so that what fails deserves a second look.
        counts: whether the number of rows is a number in it, such as in a mean: rows of weight 0 at the end count there.
    """

    kernel: Kernel | cuda.Kernel
    leaves: tuple[Leaf, ...]
    shapes: Any
    partial: bool
    counts: bool

    def reader(self, arrays: list[Any], weights: np.ndarray) -> Reader:
        """A batch laid out for the machine; see `Reader`."""
        return Reader(self.kernel, self.leaves, self.counts, arrays, weights, self.most)

    def room(self, rows: int) -> np.ndarray:
        """Memory for the buffers of one worker, whose data sets have so many rows at most."""
        kernel = self.kernel
        return np.empty(1 if isinstance(kernel, cuda.Kernel) else max(kernel.abreast * kernel.buffers * rows, 1))

    @property
    def together(self) -> int:
        """Data sets that take as long as one."""
        return self.kernel.abreast if isinstance(self.kernel, Kernel) and self.kernel.across else 1

    @property
    def abreast(self) -> int:
        """Workers for each core or device: on a GPU one moves data while the other computes."""
        return 2 if self.on_gpu else 1

    @property
    def on_gpu(self) -> bool:
        return isinstance(self.kernel, cuda.Kernel)

    def least(self, rows: int) -> int:
        """How many data sets of so many rows are worth a call."""
        if self.on_gpu:
            return cuda.LEAST
        refilled = 2 * self.together if self.together > 1 else 1  # places that are filled again are worth it
        return min(max((1 << 13) // max(rows, 1), refilled), 64)

    @property
    def most(self) -> int:
        return cuda.MOST if self.on_gpu else 1 << 14

    def results(self, out: np.ndarray) -> Any:
        """The columns of `out`, f[k, B], as a pytree with leaves [B, ...]."""
        return jax.tree.map(
            lambda x, at: out[at : at + x.size].T.reshape(out.shape[1], *x.shape).astype(x.dtype, copy=False),
            self.shapes, self.places,
        )  # fmt: skip

    @property
    def places(self) -> Any:
        """Where in a result the numbers of each leaf begin, a pytree as `shapes`."""
        leaves, tree = jax.tree.flatten(self.shapes)
        return jax.tree.unflatten(tree, list(itertools.accumulate([0, *(x.size for x in leaves[:-1])])))
