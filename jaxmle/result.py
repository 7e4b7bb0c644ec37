"""`Fit`: what a fit says, the same calls for one data set and for a million. Holds NumPy arrays only."""

import functools
from typing import Any

import jax
import numpy as np

from jaxmle import draws, inference, intervals, predict
from jaxmle._batch import Batch
from jaxmle._compile import in_float64
from jaxmle._optional import optional
from jaxmle._solve import numbers_of
from jaxmle._status import Status
from jaxmle._step import Outcome
from jaxmle._summary import columns, message, table_many, table_one
from jaxmle._types import join, split
from jaxmle.model import Model

KINDS = ("observed", "expected", "opg", "robust")


class Fit:
    """The outcome of `fit` or `fit_many`.

    For one data set the numbers are scalars and params have the model's shapes; for many every array has the data-set
    axis first, and `len`, `fits[i]` and iteration work.

    Attributes:
        model: the `Model`.
        params: natural parameters.
        log_likelihood: sum of the weighted contributions there; at a limit the supremum.
        n_observations: n = sum of weights.
        status: `Status` codes.
        converged: whether the maximum is certified.
        steps: evaluations; `polish` of them were Newton's after another method's nomination.
        decrement: log-likelihood still to be gained.
        attained: whether `log_likelihood` is reached at `params`.
        keys: the group of each data set, or None.
        info: versions, device, dtype, tolerance, lanes.
    """

    def __init__(self, model: Model, outcome: Outcome, batch: Batch, single: bool, info: dict[str, Any]) -> None:
        self.model, self._outcome, self._batch, self._single, self.info = model, outcome, batch, single, info
        n = np.zeros(batch.size)
        for bucket in batch.buckets:
            n[bucket.index] = np.where(bucket.weights >= 0, bucket.weights, np.nan).sum(1)
        self.n_observations = self._out(n)
        self.status = Status(int(outcome.status[0])) if single else outcome.status
        ok = (outcome.status == Status.CONVERGED) | (outcome.status == Status.CONVERGED_TO_ROUNDING)
        self._ok = ok
        self.converged = self._out(ok)
        self.log_likelihood = self._out(-outcome.value)
        self.steps, self.polish = self._out(outcome.steps), self._out(outcome.polish)
        self.decrement, self.attained = self._out(outcome.decrement), self._out(outcome.attained)
        self.keys = batch.keys
        self.params = self._structured(self._natural)

    # --- shapes ------------------------------------------------------------------------------------------

    def _out(self, x: np.ndarray) -> Any:
        """Drops the data-set axis of a single fit."""
        return x[0].item() if self._single and x.ndim == 1 else x[0] if self._single else x

    def _structured(self, flat: np.ndarray) -> Any:
        """f[B, q] in `ravel_pytree` order to the structure of params."""
        leaves, tree = jax.tree.flatten(self.model.space)
        sizes = [int(np.prod(s.value_shape)) for s in leaves]
        parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        values = [x.reshape(len(flat), *s.value_shape) for x, s in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(tree, [np.array(x[0]) if self._single else x for x in values])

    def __len__(self) -> int:
        if self._single:
            raise TypeError("a single fit has no length; fit_many gives a batch of them")
        return self._batch.size

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> "Fit":
        """One fit of the batch by position or key, or a smaller batch by slice, mask or positions."""
        if self._single:
            raise TypeError("a single fit cannot be indexed; fit_many gives a batch of them")
        single = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if isinstance(index, str):
            found = np.flatnonzero(self.keys == index) if self.keys is not None else np.zeros(0, int)
            if not len(found):
                raise KeyError(f"no data set has the key {index!r}")
            index, single = int(found[0]), True
        if single and not -len(self) <= index < len(self):
            raise IndexError(f"data set {index} of {len(self)}")
        chosen = np.atleast_1d(np.arange(len(self))[index])
        outcome = Outcome(*(x[chosen] for x in self._outcome))
        part = self._batch.subset(chosen)
        return Fit(self._model_of(chosen), outcome, part, single, self.info)

    def _model_of(self, chosen: np.ndarray) -> Model:
        """The model with the chosen ones of numbers that come one for each data set."""
        skeleton, _ = split(self.model)
        numbers, each = numbers_of(self.model, self._batch.size, float)
        if not any(each):
            return self.model
        numbers = [
            (x[chosen] if len(chosen) > 1 else x[chosen[0]]) if own else x for x, own in zip(numbers, each, strict=True)
        ]
        return join(skeleton, numbers)

    # --- computing at the estimate -----------------------------------------------------------------------

    def _evaluate(self, function: Any, u: np.ndarray, *more: Any, at: Any = None) -> np.ndarray:
        return inference.everywhere(self.model, self._batch, function, u, *more, at=at)

    @functools.cached_property
    def _natural(self) -> np.ndarray:
        with jax.enable_x64(True):
            return self._evaluate(inference.natural, self._outcome.u, at=())

    @functools.cached_property
    def _jacobian(self) -> np.ndarray:
        u = np.where(np.isfinite(self._outcome.u), self._outcome.u, 0.0)
        with jax.enable_x64(True):
            return self._evaluate(inference.jacobian, u, at=())

    @in_float64
    def _unconstrained(self, kind: str) -> np.ndarray:
        """Covariance in coordinates, f[B, p, p]; NaN unless converged."""
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r}; expected one of {', '.join(map(repr, KINDS))}")
        u = np.where(np.isfinite(self._outcome.u), self._outcome.u, 0.0)
        information = self._outcome.information
        if kind == "observed":
            covariance = inference.inverse(information)
        elif kind == "expected":
            covariance = inference.inverse(self._evaluate(inference.expected, u))
        else:
            meat = self._evaluate(inference.opg, u)
            covariance = inference.inverse(meat) if kind == "opg" else inference.robust(information, meat)
        return np.where(self._ok[:, None, None], covariance, np.nan)

    # --- covariances, intervals --------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """A name for each natural scalar, in the order of `covariance`."""
        return self.model.value_names

    def covariance(self, kind: str = "observed") -> np.ndarray:
        """Covariance of the natural parameters, f[..., q, q], in the order of `names` (delta method).

        NaN unless converged, and where the matrix it needs is singular.

        Args:
            kind: `"observed"`, J^-1; `"expected"`, the inverse expected information; `"opg"`, K^-1; `"robust"`,
                J^-1 K J^-1, right also when the model is wrong (White 1982, *Econometrica* 50, 1-25).
        """
        covariance = inference.delta(self._jacobian, self._unconstrained(kind))
        return covariance[0] if self._single else covariance

    def standard_errors(self, kind: str = "observed") -> Any:
        """Square roots of the diagonal of `covariance(kind)`, in the structure of params; 0 for what is pinned."""
        covariance = inference.delta(self._jacobian, self._unconstrained(kind))
        return self._structured(inference.standard_errors(covariance))

    interval = intervals.interval
    transform = intervals.transform

    # --- using it ------------------------------------------------------------------------------------------

    pdf, cdf, sf = predict.pdf, predict.cdf, predict.sf
    quantile, mean = predict.quantile, predict.mean
    residuals, simulate = draws.residuals, draws.simulate

    # --- criteria ----------------------------------------------------------------------------------------

    @property
    def aic(self) -> Any:
        """-2 l + 2 k (Akaike 1974); k counts free unconstrained dimensions."""
        return -2 * self.log_likelihood + 2 * self.model.free

    @property
    def aicc(self) -> Any:
        """aic + 2 k (k + 1) / (n - k - 1) (Hurvich & Tsai 1989); NaN if n <= k + 1."""
        k, n = self.model.free, np.asarray(self.n_observations, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(n > k + 1, self.aic + 2 * k * (k + 1) / (n - k - 1), np.nan)
        return value.item() if self._single else value

    @property
    def bic(self) -> Any:
        """-2 l + k log n (Schwarz 1978), n the sum of weights."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -2 * self.log_likelihood + self.model.free * np.log(np.asarray(self.n_observations, float))
        return float(value) if self._single else value

    # --- verdicts ----------------------------------------------------------------------------------------

    def message(self, index: int = 0) -> str:
        """What happened to one fit, with the direction named, and what to try."""
        return message(self, index)

    def status_counts(self) -> dict[str, int]:
        """How many fits ended in which way."""
        codes, counts = np.unique(self._outcome.status, return_counts=True)
        return {Status(int(code)).name.lower(): int(count) for code, count in zip(codes, counts, strict=True)}

    def raise_for_status(self) -> "Fit":
        """Returns the fit, or raises where it is not a certified maximum.

        Raises:
            RuntimeError: with the message of the first such fit, and how many there are.
        """
        bad = np.flatnonzero(~self._ok)
        if len(bad):
            first = int(bad[0])
            which = (
                ""
                if self._single
                else f"{len(bad)} of {self._batch.size} fits did not converge; data set {self._label(first)}: "
            )
            raise RuntimeError(which + self.message(first))
        return self

    def _label(self, index: int) -> str:
        return str(index if self.keys is None else self.keys[index])

    # --- tables ------------------------------------------------------------------------------------------

    def summary(self, level: float = 0.95, kind: str = "observed") -> str:
        """A table a person can read: estimates, standard errors, intervals, and the verdict in words."""
        return table_one(self, level, kind) if self._single else table_many(self, level, kind)

    def __repr__(self) -> str:
        return self.summary()

    def columns(self, level: float = 0.95) -> dict[str, np.ndarray]:
        """One column for each number, one row for each data set: what data frames are made of."""
        return columns(self, level)

    def _flat(self, params: Any) -> np.ndarray:
        leaves = [np.asarray(x).reshape(self._batch.size, -1) for x in jax.tree.leaves(params)]
        return np.concatenate(leaves, axis=1)

    def to_pandas(self, level: float = 0.95) -> Any:
        """A pandas data frame, one row for each data set; needs pandas."""
        return optional("pandas", "test").DataFrame(self.columns(level))

    def to_polars(self, level: float = 0.95) -> Any:
        """A polars data frame, one row for each data set; needs polars."""
        return optional("polars", "cli").DataFrame(self.columns(level))
