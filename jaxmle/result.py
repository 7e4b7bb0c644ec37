"""`Fit`: what a fit says, the same calls for one data set and for a million. Holds NumPy arrays only."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle import _html, _keep, _keys, batches, inference, intervals
from jaxmle._batch import Batch
from jaxmle._compile import compiled_once
from jaxmle._data import bare
from jaxmle._solve import Problem, numbers_of
from jaxmle._status import Status
from jaxmle._step import RUNNING, Outcome
from jaxmle._summary import message, table_many, table_one
from jaxmle._types import split
from jaxmle.intervals import Derived, Interval, IntervalStatus, normal_quantile
from jaxmle.model import Model

KINDS = ("observed", "expected", "opg", "robust")


def _x64(method: Callable[..., Any]) -> Callable[..., Any]:
    """Every call computes in float64, whatever the global flag says, in whatever thread."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with jax.enable_x64(True):
            return method(*args, **kwargs)

    return call


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
        dropped: rows left out because a value was missing.
        info: versions, device, dtype, optimizer, tolerance, options, hash of the data.
    """

    def __init__(self, model: Model, outcome: Outcome, batch: Batch, single: bool, info: dict[str, Any]) -> None:
        self.model, self._outcome, self._batch, self._single, self._info = model, outcome, batch, single, info
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

    __getitem__ = batches.select
    concatenate = staticmethod(batches.concatenate)

    # --- computing at the estimate -----------------------------------------------------------------------

    def _evaluate(self, function: Any, u: np.ndarray, *more: Any, data: bool = True) -> np.ndarray:
        """`function(objective, u, unravel, *more)` for every data set, f[B, ...], in the original order."""
        if data:
            self._batch.check_unchanged()
        numbers, each = numbers_of(self.model, self._batch.size, u.dtype)
        out: np.ndarray | None = None
        for b in self._batch.buckets:
            own_numbers = [x[b.index] if own else x for x, own in zip(numbers, each, strict=True)]
            if data:
                problem = Problem(own_numbers, b.data, b.weights, None, np.int32(RUNNING), u.dtype.type(1), np.int32(1))
                own = Problem(each, list(self._batch.own), True, [], False, False, False)
            else:  # nothing but the parameters matters: no data, no copy, one program whatever the length
                weights = np.ones((len(b.index), 1), u.dtype)
                problem = Problem(own_numbers, (), weights, None, np.int32(RUNNING), u.dtype.type(1), np.int32(1))
                own = Problem(each, [], True, [], False, False, False)
            axes = tuple(jax.tree.leaves(own))
            leaves, tree = jax.tree.flatten(problem)
            mine = [x for x, has in zip(leaves, axes, strict=True) if has]
            common = [x for x, has in zip(leaves, axes, strict=True) if not has]
            skeleton = split(self.model)[0]
            part = inference.evaluated(function, skeleton, tree, axes, mine, common, u[b.index], *more)
            out = np.empty((self._batch.size, *part.shape[1:]), part.dtype) if out is None else out
            out[b.index] = part
        assert out is not None
        return out

    @functools.cached_property
    def _natural(self) -> np.ndarray:
        with jax.enable_x64(True):
            return self._evaluate(inference.natural, self._outcome.u, data=False)

    @functools.cached_property
    def _jacobian(self) -> np.ndarray:
        u = np.where(np.isfinite(self._outcome.u), self._outcome.u, 0.0)
        with jax.enable_x64(True):
            return self._evaluate(inference.jacobian, u, data=False)

    @_x64
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

    @_x64
    def interval(
        self, level: float = 0.95, method: str = "wald", *, kind: str = "observed", scale: str | None = None
    ) -> Interval:
        """Confidence intervals, each on the scale that suits its parameter's space and mapped back.

        A one-parameter fit with its maximum on the boundary gets the one-sided likelihood interval, such as
        [0, 0.0916] for 0 events in 20.

        Args:
            level: of confidence.
            method: `"wald"`.
            kind: of covariance.
            scale: `"natural"` for estimate plus or minus z standard errors.

        Returns:
            an `Interval` with the structure of params; its `status` says what each one is.
        """
        if method != "wald":
            raise ValueError(f"method={method!r}; expected 'wald'")
        if scale not in (None, "natural"):
            raise ValueError(f"scale={scale!r}; expected None (the scale of each parameter's space) or 'natural'")
        z = normal_quantile(level)
        u_cov = self._unconstrained(kind)
        se = inference.standard_errors(inference.delta(self._jacobian, u_cov))
        u, u_se = self._outcome.u, inference.standard_errors(u_cov)
        leaves, tree = jax.tree.flatten(self.model.space)
        at = np.cumsum([0] + [int(np.prod(s.value_shape)) for s in leaves])
        at_u = np.cumsum([0] + [int(np.prod(s.coordinate_shape)) for s in leaves])
        done: dict[str, Any] = {}
        one_sided = self._one_sided(z)
        for k, (name, s) in enumerate(zip(self.model.names, leaves, strict=True)):
            value_shape, u_shape = (len(u), *s.value_shape), (len(u), *s.coordinate_shape)
            x = self._natural[:, at[k] : at[k + 1]].reshape(value_shape)
            x_se = se[:, at[k] : at[k + 1]].reshape(value_shape)
            status = np.where(self._ok, IntervalStatus.WALD, IntervalStatus.NONE)
            if s.kind.name == "pinned":
                low, high, status = x, x, np.full(len(u), IntervalStatus.FIXED)
            elif s.source:
                low, high, status = done.get(s.source, (x, x, status))
            else:
                here = slice(at_u[k], at_u[k + 1])
                low, high = intervals.wald(
                    s, x, x_se, u[:, here].reshape(u_shape), u_se[:, here].reshape(u_shape), z, scale
                )
                bad = ~np.isfinite(x_se).all(tuple(range(1, x_se.ndim)))
                if one_sided is not None and s.kind.ends is not None and np.prod(s.coordinate_shape) == 1:
                    which, edge = one_sided
                    edge = np.asarray(jax.vmap(s.forward)(edge.reshape(u_shape)))
                    pick = which.reshape(-1, *[1] * (x.ndim - 1))
                    low, high = np.where(pick, np.minimum(x, edge), low), np.where(pick, np.maximum(x, edge), high)
                    status, bad = np.where(which, IntervalStatus.ONE_SIDED, status), bad & ~which
                status = np.where(bad, IntervalStatus.NONE, status)
            done[name] = (low, high, status)
        order = [done[name] for name in self.model.names]
        pick = (lambda x: x[0]) if self._single else (lambda x: x)
        return Interval(*(jax.tree.unflatten(tree, [pick(np.asarray(e[i])) for e in order]) for i in range(3)))

    def _one_sided(self, z: float) -> tuple[np.ndarray, np.ndarray] | None:
        """For models with one free coordinate: which fits are at a boundary, and where their interval ends."""
        u = self._outcome.u
        if u.shape[1] != 1:
            return None
        which = (self._outcome.status == Status.AT_BOUNDARY) & self._outcome.attained & np.isinf(u[:, 0])
        if not which.any() or not self._batch.kept or isinstance(self.model.log_likelihood, _keep.NotSaved):
            return None
        part = self if self._single else self[np.flatnonzero(which)]
        edge = np.zeros_like(u)
        edge[which] = part._evaluate(inference.endpoint, u[which], np.asarray(0.5 * z**2, u.dtype))
        return which, edge

    @_x64
    def transform(self, f: Callable[[Any], Any], kind: str = "observed") -> Derived:
        """Any smooth function of the params, with standard errors by the delta method.

        Args:
            f: params of one data set -> pytree of numbers; pure JAX.
            kind: of covariance.

        Example:
            >>> import jaxmle as jm
            >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
            >>> mean = fit.transform(lambda p: 1 / p["rate"])
            >>> round(float(mean.value), 10), round(float(mean.standard_errors), 10)
            (2.0, 1.1547005384)
        """
        leaves, tree = jax.tree.flatten(self.model.space)
        example = jax.tree.unflatten(tree, [np.ones(s.value_shape) for s in leaves])
        _, unravel = ravel_pytree(example)
        shaped = jax.eval_shape(f, example)
        _, unravel_value = ravel_pytree(jax.tree.map(lambda s: np.zeros(s.shape), shaped))

        def flat(x: Any) -> Any:
            return ravel_pytree(f(unravel(x)))[0]

        values = np.asarray(compiled_once(jax.vmap(flat))(self._natural))
        slopes = np.asarray(compiled_once(jax.vmap(jax.jacfwd(flat)))(self._natural))
        covariance = inference.delta(slopes @ self._jacobian, self._unconstrained(kind))
        errors = inference.standard_errors(covariance)

        def structured(x: np.ndarray) -> Any:
            return jax.tree.map(
                np.asarray,
                unravel_value(jnp.asarray(x[0])) if self._single else jax.vmap(unravel_value)(jnp.asarray(x)),
            )

        return Derived(structured(values), structured(errors), covariance[0] if self._single else covariance)

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

    status_counts = batches.status_counts

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
        return str(index) if self.keys is None else _keys.label(self.keys[index])

    def _flat(self, params: Any) -> np.ndarray:
        sizes = [int(np.prod(s.value_shape)) for s in jax.tree.leaves(self.model.space)]
        leaves = jax.tree.leaves(params)
        leaves = [np.asarray(x).reshape(self._batch.size, k) for x, k in zip(leaves, sizes, strict=True)]
        return np.concatenate(leaves, axis=1) if leaves else np.zeros((self._batch.size, 0))

    @functools.cached_property
    def info(self) -> dict[str, Any]:
        """Versions, device, dtype, optimizer, tolerance, options, and the hash of the data."""
        return {**self._info, "data": self._batch.hash}

    @_x64
    def simulate(self, key: Any = None) -> Any:
        """Data drawn from the fitted model, of the same shape; `key` a `jax.random` key or a whole number, 0 by default."""
        if self.model.simulate is None:
            raise TypeError(f"model {self.model.name or ''} does not say how to simulate: give Model(simulate=...)")
        key = jax.random.key(0 if key is None else key) if key is None or isinstance(key, int) else key
        if not self._single:
            return [self[i].simulate(jax.random.fold_in(key, i)) for i in range(len(self))]
        data = jax.tree.map(lambda x: x[0], self._batch.buckets[0].data)
        return jax.tree.map(np.asarray, self.model.simulate(jax.random.fold_in(key, 0), self.params, bare(data)))

    # --- tables ------------------------------------------------------------------------------------------

    def summary(self, level: float = 0.95, kind: str = "observed") -> str:
        """A table a person can read: estimates, standard errors, intervals, and the verdict in words."""
        return table_one(self, level, kind) if self._single else table_many(self, level, kind)

    def __repr__(self) -> str:
        return self.summary()

    columns = batches.columns
    to_pandas, to_polars, to_xarray = batches.to_pandas, batches.to_polars, batches.to_xarray
    save = _keep.save
    _repr_html_ = _html.fit
