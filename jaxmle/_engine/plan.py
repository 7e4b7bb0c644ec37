"""How a batch is to be fitted, as one record: method, limits, backend, devices, precision and the stages after the first."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import jax
import numpy as np
import optax

from jaxmle._util.arrays import ArrayLike, Float, Int, Params
from jaxmle.optimizers import newton


class Device(Protocol):
    """A device of JAX."""

    @property
    def platform(self) -> str:
        """Such as "cpu"."""
        ...

    @property
    def local_hardware_id(self) -> int | None:
        """The number of a GPU in this process."""
        ...

    def memory_stats(self) -> dict[str, int] | None:
        """Count bytes, where the platform does."""
        ...


@dataclasses.dataclass(frozen=True)
class Auto:
    """Compile the model to native kernels where that can be; what they leave goes through lanes in XLA."""


@dataclasses.dataclass(frozen=True)
class Native:
    """Compile the model to native kernels, or raise saying what keeps it from that."""


@dataclasses.dataclass(frozen=True)
class Drafted:
    """Compile the model to native kernels that ascend in float32 first, and do nothing where that cannot be."""


@dataclasses.dataclass(frozen=True)
class Lanes:
    """Let `width` fits step together in each worker, in XLA."""

    width: int


Backend = Auto | Native | Drafted | Lanes


def backend_of(lanes: object) -> Backend:
    """Read the argument `lanes` of `fit_many`: "auto", "native" or a number.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(lanes, str) and lanes in ("auto", "native"):
        return Auto() if lanes == "auto" else Native()
    if isinstance(lanes, bool) or not isinstance(lanes, (int, np.integer)) or lanes < 1:
        raise ValueError(f"lanes={lanes!r}; expected 'auto', 'native' or a positive whole number")
    return Lanes(int(lanes))


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """How a batch is to be fitted.

    The stages of a fit, in their order: an ascent with `optimizer`, Newton's certificate, `settle` for what did not
    converge, `retries` for what failed, and further `starts`. A stage that is switched off costs nothing.

    Attributes:
        optimizer: an optax optimizer.
        optimizer_name: as it was asked for.
        tolerance: remaining possible gain of log-likelihood at which a fit has converged; None for the dtype's default.
        max_steps: evaluations; None for the optimizer's default.
        dtype: of the computation.
        start: natural params for all data sets or with a data-set axis; None for the model's own start.
        settle: whether fits that did not converge are examined for a limit.
        retries: how many further attempts a failed fit has.
        starts: how many starting points each data set ascends from.
        key: of `jax.random`, for scattered starts.
        precision: "mixed" to ascend in float32 before the certificate.
        backend: native kernels, lanes, or whichever can be had.
        devices: all (None), how many, or which.
        memory: bytes of data that all workers may hold at once; None for half of what is free.
        quick: whether programs of the lanes are compiled fast rather than optimized.
        progress: as in `jaxmle.fit_many`.
    """

    optimizer: optax.GradientTransformationExtraArgs = dataclasses.field(default_factory=newton)
    optimizer_name: str = "newton"
    tolerance: Float[ArrayLike, ""] | None = None
    max_steps: Int[ArrayLike, ""] | None = None
    dtype: np.dtype[Any] = dataclasses.field(default_factory=lambda: np.dtype(np.float64))
    start: Params | None = None
    settle: bool = True
    retries: int = 0
    starts: int = 1
    key: jax.Array | int | None = None
    precision: Literal["full", "mixed"] = "full"
    backend: Backend = Auto()
    devices: int | Sequence[Device] | None = None
    memory: int | None = None
    quick: bool = False
    progress: bool | Callable[[int, int, int], None] = False

    def warm(self, start: Params) -> "Plan":
        """Return the plan with other starting points: natural params, leaves [B, ...] or without that axis."""
        return dataclasses.replace(self, start=start)

    def once(self) -> "Plan":
        """Return the plan without further attempts and further starts."""
        return dataclasses.replace(self, retries=0, starts=1)
