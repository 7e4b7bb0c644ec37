"""`Fit`: what a fit says, the same calls for one data set and for a million. Holds NumPy arrays only."""

import functools
from typing import Any

import jax
import numpy as np

from jaxmle._engine import multistart
from jaxmle._engine.batch import Batch
from jaxmle._solver.explain import explain
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status, at_maximum
from jaxmle._util import group_keys
from jaxmle._util.compile import in_float64
from jaxmle.inference import covariance as inference
from jaxmle.inference import intervals, predict
from jaxmle.inference import simulate as draws
from jaxmle.model.model import Model
from jaxmle.result import html, saved, select
from jaxmle.result.summary import message, table_many, table_one

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
        rung: the second chance that succeeded: 0 none was needed (or none did), 1 another start, 2 more damping, 3 another
            method; `steps` counts all attempts.
        attained: whether `log_likelihood` is reached at `params`.
        keys: the group of each data set, or None.
        dropped: rows left out because a value was missing.
        info: versions, device, dtype, optimizer, tolerance, options, lanes, hash of the data; with several starts what they
            found, under `starts`.
    """

    def __init__(
        self, model: Model, outcome: Outcome, batch: Batch, single: bool, info: dict[str, Any],
        starts: multistart.Starts | None = None,
    ) -> None:  # fmt: skip
        self.model, self._outcome, self._batch, self._single, self._info = model, outcome, batch, single, info
        self._starts = starts
        n = np.zeros(batch.size)
        for bucket in batch.buckets:
            weights = bucket.weights if bucket.weights.strides[0] else bucket.weights[:1]  # the same for all: once
            n[bucket.index] = np.where(weights >= 0, weights, np.nan).sum(1)
        self.n_observations = self._out(n)
        self.status = Status(int(outcome.status[0])) if single else outcome.status
        ok = at_maximum(outcome.status)
        self._ok = ok
        self.converged = self._out(ok)
        self.log_likelihood = self._out(-outcome.value)
        self.steps, self.polish = self._out(outcome.steps), self._out(outcome.polish)
        self.decrement, self.attained = self._out(outcome.decrement), self._out(outcome.attained)
        self.rung = self._out(outcome.rung)
        self.keys = batch.keys
        self.dropped = self._out(np.zeros(batch.size, int) if batch.dropped is None else batch.dropped)
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

    __getitem__ = select.select
    concatenate = staticmethod(select.concatenate)

    # --- computing at the estimate -----------------------------------------------------------------------

    def _evaluate(self, function: Any, u: np.ndarray, *more: Any, at: Any = None) -> np.ndarray:
        return inference.everywhere(self.model, self._batch, function, u, *more, at=at)

    @functools.cached_property
    def _natural(self) -> np.ndarray:
        with jax.enable_x64(True):
            return self._evaluate(inference.natural, self._outcome.u, at=())

    @property
    def _finite(self) -> np.ndarray:
        """Coordinates, 0 where they are at a limit."""
        u = self._outcome.u
        return np.where(np.isfinite(u), u, 0.0)

    @functools.cached_property
    def _jacobian(self) -> np.ndarray:
        with jax.enable_x64(True):
            return self._evaluate(inference.jacobian, self._finite, at=())

    @in_float64
    def _unconstrained(self, kind: str) -> np.ndarray:
        """Covariance in coordinates, f[B, p, p]; NaN unless converged."""
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r}; expected one of {', '.join(map(repr, KINDS))}")
        information = self._outcome.information
        if kind == "observed":
            covariance = inference.inverse(information)
        elif kind == "expected":
            covariance = inference.inverse(self._evaluate(inference.expected, self._finite))
        else:
            meat = self._evaluate(inference.opg, self._finite)
            covariance = inference.inverse(meat) if kind == "opg" else inference.robust(information, meat)
        return np.where(self._sound[:, None, None], covariance, np.nan)

    @functools.cached_property
    def _sound(self) -> np.ndarray:
        """Certified maxima at which the usual large-sample theory holds, bool[B]."""
        rule = getattr(getattr(self.model.log_likelihood, "distribution", None), "regular", None)
        return self._ok if rule is None else self._ok & np.atleast_1d(np.asarray(rule(self.params)))

    # --- covariances, intervals --------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """A name for each natural scalar, in the order of `covariance`."""
        return self.model.value_names

    def covariance(self, kind: str = "observed") -> np.ndarray:
        """Covariance of the natural parameters, f[..., q, q], in the order of `names` (delta method).

        NaN unless converged, where the matrix it needs is singular, and where the distribution has no regular standard
        errors (gev and gpd with shape <= -1/2).

        Args:
            kind: `"observed"`, J^-1; `"expected"`, the inverse expected information; `"opg"`, K^-1; `"robust"`,
                J^-1 K J^-1, right also when the model is wrong (White 1982, *Econometrica* 50, 1-25).
        """
        covariance = inference.delta(self._jacobian, self._unconstrained(kind))
        return covariance[0] if self._single else covariance

    def standard_errors(self, kind: str = "observed") -> Any:
        """Square roots of the diagonal of `covariance(kind)`, in the structure of params; 0 for what is pinned."""
        return self._structured(inference.standard_errors(self._unconstrained(kind), self._jacobian))

    interval = intervals.interval
    transform = intervals.transform

    # --- using it ------------------------------------------------------------------------------------------

    pdf, cdf, sf = predict.pdf, predict.cdf, predict.sf
    quantile, mean = predict.quantile, predict.mean
    residuals, simulate = draws.residuals, draws.simulate

    def plot(self, picture: str = "overview", **options: Any) -> Any:
        """Draws the fit; needs matplotlib. Without arguments what suits it: see `jaxmle.plot.overview`.

        Args:
            picture: the name of a function of `jaxmle.plot`: `"density"`, `"qq"`, `"contours"`, `"forest"`, ...
            **options: of that function, such as `ax=`.

        Returns:
            the axes.

        Raises:
            ValueError: for a picture that is none.
        """
        from jaxmle import plot

        if picture not in plot.__all__:
            raise ValueError(f"there is no picture {picture!r}; expected one of {', '.join(plot.__all__)}")
        return getattr(plot, picture)(self, **options)

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

    def explain(self, index: int = 0) -> str:
        """Which rule decided on one fit, why, and what the evidence was against its thresholds."""
        return explain(self._outcome, index, self._info.get("tolerance"))

    status_counts = select.status_counts

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
        return str(index) if self.keys is None else group_keys.label(self.keys[index])

    def _flat(self, params: Any) -> np.ndarray:
        sizes = [int(np.prod(s.value_shape)) for s in jax.tree.leaves(self.model.space)]
        leaves = jax.tree.leaves(params)
        leaves = [np.asarray(x).reshape(self._batch.size, k) for x, k in zip(leaves, sizes, strict=True)]
        return np.concatenate(leaves, axis=1) if leaves else np.zeros((self._batch.size, 0))

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        """Versions, device, dtype, optimizer, tolerance, options, the hash of the data, and what several starts found."""
        found = {**self._info, "data": self._batch.hash}
        if self._starts is not None:
            found["starts"] = multistart.described(self._starts, self._single, self._structured)
        return found

    # --- tables ------------------------------------------------------------------------------------------

    def summary(self, level: float = 0.95, kind: str = "observed") -> str:
        """A table a person can read: estimates, standard errors, intervals, and the verdict in words."""
        return table_one(self, level, kind) if self._single else table_many(self, level, kind)

    def __repr__(self) -> str:
        return self.summary()

    columns = select.columns
    to_pandas, to_polars, to_xarray = select.to_pandas, select.to_polars, select.to_xarray
    save = saved.save
    _repr_html_ = html.fit
