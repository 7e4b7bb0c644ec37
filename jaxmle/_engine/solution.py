"""What fitting a batch gives, as one record: model, batch, outcome and a report. Everything else is computed from it."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._engine.batch import Batch
from jaxmle._engine.build import numbers_of
from jaxmle._engine.evaluate import PointFunction, everywhere, jacobian, natural
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_limit, at_maximum
from jaxmle._util import group_keys
from jaxmle._util.arrays import ArrayLike, Data, Float, Int, Params, Shaped
from jaxmle._util.compile import float64
from jaxmle._util.records import join, split
from jaxmle.model.model import Model


class Report(NamedTuple):
    """How a batch was fitted.

    Attributes:
        lanes: "native", or how many fits stepped together in each worker; a list for a batch joined of several.
        utilization: share of the lanes' steps that a fit needed; None for native kernels.
        tried: data sets per second with other numbers of lanes.
        drafted: fits certified from an ascent in float32; None where there was none.
        retried: fits that failed at first and were tried again.
        seconds: in all, compilation included.
        interrupted: whether an interrupt left fits out.
    """

    lanes: str | int | list[Any] | None = None
    utilization: float | None = None
    tried: dict[int, float] | None = None
    drafted: int | None = None
    retried: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    def described(self) -> dict[str, Any]:
        """Return what is known as a dict, for `Fit.info`."""
        return {name: x for name, x in self._asdict().items() if x is not None}

    @classmethod
    def joined(cls, reports: "Sequence[Report]") -> "Report":
        """Join the reports of several batches: counts and seconds are added."""
        lanes = [r.lanes for r in reports]
        drafted = [r.drafted for r in reports if r.drafted is not None]
        return cls(
            lanes=lanes[0] if all(x == lanes[0] for x in lanes) else lanes,
            drafted=sum(drafted) if drafted else None,
            retried=sum(r.retried for r in reports),
            seconds=sum(r.seconds for r in reports),
            interrupted=any(r.interrupted for r in reports),
        )


class Starts(NamedTuple):
    """What each of k starts led to; the first is the model's own.

    Attributes:
        log_likelihood: f[B, k].
        status: `Status` codes, int[B, k].
        natural: where it ended, in `ravel_pytree` order, f[B, k, q].
        maximum: which certified maximum that is, int[B, k]; 0 is the highest, -1 no certified one.
    """

    log_likelihood: Float[np.ndarray, "B k"]
    status: Int[np.ndarray, "B k"]
    natural: Float[np.ndarray, "B k q"]
    maximum: Int[np.ndarray, "B k"]

    def described(self, single: bool, structured: Callable[[np.ndarray], Params]) -> dict[str, Any]:
        """Count the starts, those that converged, and the maxima they led to; for a batch the counts are int[B].

        Args:
            single: whether one data set was given by itself.
            structured: maps natural values f[1, q] to the structure of params.
        """
        each = [sorted(set(row[row >= 0])) for row in self.maximum]
        converged = (self.maximum >= 0).sum(1)
        count = self.maximum.shape[1]
        if not single:
            return {"starts": count, "converged": converged, "maxima": np.array([len(x) for x in each], int)}
        found = []
        for m in each[0]:
            at = np.flatnonzero(self.maximum[0] == m)
            value = float(self.log_likelihood[0, at[0]])
            found.append({"log_likelihood": value, "starts": len(at), "params": structured(self.natural[:, at[0]])})
        return {"starts": count, "converged": int(converged[0]), "maxima": found}


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """The outcome of every data set of a batch. Arrays have the data-set axis first, and are NumPy's.

    Attributes:
        model: that was fitted.
        batch: its data.
        outcome: where each fit ended.
        options: versions, device and how the fit was asked for, as `Fit.info` shows them.
        report: how it was done.
        starts: what several starts led to, or None.
    """

    model: Model
    batch: Batch
    outcome: Outcome
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    report: Report = dataclasses.field(default_factory=Report)
    starts: Starts | None = None

    # --- verdicts ----------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The number of data sets."""
        return self.batch.size

    @functools.cached_property
    def certified(self) -> np.ndarray:
        """Which fits are certified maxima, bool[B]."""
        return at_maximum(self.outcome.status)

    @functools.cached_property
    def usable(self) -> np.ndarray:
        """Which fits have params that can be used: certified maxima, and limits though they have no errors, bool[B]."""
        status = self.outcome.status
        return self.certified | at_limit(status) | (status == Status.AT_DATA_EDGE)

    @functools.cached_property
    def regular(self) -> np.ndarray:
        """Which fits are certified maxima at which the usual large-sample theory holds, bool[B]."""
        rule = self.model.geometry.regular
        return self.certified if rule is None else self.certified & np.atleast_1d(np.asarray(rule(self.params)))

    # --- numbers at the estimates ------------------------------------------------------------------------

    def evaluate(
        self, function: PointFunction, u: Float[np.ndarray, "B p"], *more: ArrayLike, at: Data | None = None
    ) -> Float[np.ndarray, "B ..."]:
        """Evaluate `function(objective, u, unravel, *more)` for every data set, f[B, ...]; see `everywhere`."""
        return everywhere(self.model, self.batch, function, u, *more, at=at)

    @property
    def finite(self) -> Float[np.ndarray, "B p"]:
        """Coordinates of the estimates, f[B, p], with 0 where one is infinite."""
        return np.where(np.isfinite(self.outcome.u), self.outcome.u, 0.0)

    @functools.cached_property
    def natural(self) -> Float[np.ndarray, "B q"]:
        """Natural parameters in `ravel_pytree` order, f[B, q]."""
        with float64():
            return self.evaluate(natural, self.outcome.u, at=())

    @functools.cached_property
    def jacobian(self) -> Float[np.ndarray, "B q p"]:
        """Derivatives of natural parameters by coordinates, f[B, q, p]."""
        with float64():
            return self.evaluate(jacobian, self.finite, at=())

    @functools.cached_property
    def n_observations(self) -> Float[np.ndarray, " B"]:
        """The sum of weights of each data set, f[B]; NaN where a weight is negative."""
        n = np.zeros(self.size)
        for bucket in self.batch.buckets:
            weights = bucket.weights if bucket.weights.strides[0] else bucket.weights[:1]  # the same for all: once
            n[bucket.positions] = np.where(weights >= 0, weights, np.nan).sum(1)
        return n

    @property
    def dropped(self) -> Int[np.ndarray, " B"]:
        """Rows of each data set left out because a value was missing, int[B]."""
        return np.zeros(self.size, int) if self.batch.dropped is None else self.batch.dropped

    # --- the person's shapes -----------------------------------------------------------------------------

    @property
    def single(self) -> bool:
        """Whether one data set was given by itself, so that results have no data-set axis."""
        return self.batch.single

    def shown(self, x: Shaped[np.ndarray, "B ..."]) -> Any:
        """Drop the data-set axis of a result [B, ...] where one data set was given by itself."""
        return x[0].item() if self.single and x.ndim == 1 else x[0] if self.single else x

    def structured(self, flat: Float[np.ndarray, "B q"]) -> Params:
        """Map natural values f[B, q] in `ravel_pytree` order to the structure of params."""
        leaves, tree = jax.tree.flatten(self.model.space)
        sizes = [int(np.prod(s.value_shape)) for s in leaves]
        parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        values = [x.reshape(len(flat), *s.value_shape) for x, s in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(tree, [np.array(x[0]) if self.single else x for x in values])

    def flat(self, params: Params) -> Float[np.ndarray, "B q"]:
        """Map natural values in the structure of params to f[B, q]: the inverse of `structured`."""
        sizes = [int(np.prod(s.value_shape)) for s in jax.tree.leaves(self.model.space)]
        leaves = jax.tree.leaves(params)
        leaves = [np.asarray(x).reshape(self.size, k) for x, k in zip(leaves, sizes, strict=True)]
        return np.concatenate(leaves, axis=1) if leaves else np.zeros((self.size, 0))

    @functools.cached_property
    def params(self) -> Params:
        """Natural parameters in the structure of the model's space."""
        return self.structured(self.natural)

    def label(self, index: int) -> str:
        """Name a data set by its key, or by its position where there are no keys."""
        return str(index) if self.batch.keys is None else group_keys.label(self.batch.keys[index])

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        """Versions, device, options, how the batch was fitted, the hash of the data, and what several starts found."""
        found = self.options | self.report.described() | {"data": self.batch.hash}
        if self.starts is not None:
            found["starts"] = self.starts.described(self.single, self.structured)
        return found

    # --- parts -------------------------------------------------------------------------------------------

    def take(self, chosen: np.ndarray, single: bool = False) -> "Solution":
        """Return the fits at the positions `chosen`, int[b], in that order."""
        return dataclasses.replace(
            self,
            model=model_at(self.model, self.size, chosen, single),
            batch=self.batch.take(chosen, single),
            outcome=Outcome(*(x[chosen] for x in self.outcome)),
            starts=self.starts and Starts(*(x[chosen] for x in self.starts)),
        )


def model_at(model: Model, size: int, chosen: np.ndarray, single: bool = False) -> Model:
    """Return the model for the data sets `chosen` of `size`: of numbers that come one for each, theirs."""
    numbers, each = numbers_of(model, size, float)
    if not any(each):
        return model
    at = chosen[0] if single else chosen
    return join(split(model)[0], [x[at] if own else x for x, own in zip(numbers, each, strict=True)])


def join_starts(parts: Sequence[Starts | None]) -> Starts | None:
    """Join the starts of several solutions; None where they did not all have as many."""
    known = [p for p in parts if p is not None]
    if len(known) < len(parts) or len({p.status.shape[1] for p in known}) != 1:
        return None
    return Starts(*(np.concatenate(x) for x in zip(*known, strict=True)))
