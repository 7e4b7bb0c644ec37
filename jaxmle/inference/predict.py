"""Predictions of a fit: density, probabilities, quantiles and mean of the fitted distribution.

Methods of `Fit`. Errors come by the delta method, intervals on the scale that suits the number: the logarithm for
densities and for quantiles and means of positive data, the logit for probabilities, else as it is.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from jaxmle._engine.evaluate import PointFunction
from jaxmle._engine.solution import Solution
from jaxmle._util import group_keys
from jaxmle._util.arrays import ArrayLike, Data, Float, Int
from jaxmle._util.compile import in_float64
from jaxmle._util.text_tables import table, to_pandas, to_polars
from jaxmle.inference import response_at_point
from jaxmle.inference.covariance import in_coordinates
from jaxmle.inference.interval_record import IntervalStatus, normal_quantile
from jaxmle.model.response import Response

Points = ArrayLike | Mapping[str, ArrayLike]
"A number, [m] points, or [B, m]; by name where a row has several columns."
Shaped = tuple[dict[str, np.ndarray], tuple[int, ...]]
"Points f[B, m] by name, and the shape of the answer."


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """A number of the fitted distribution at some points, with errors and intervals.

    For m points the arrays are [m], for many data sets [B, m]; for a single point without the last axis.

    Attributes:
        what: `"pdf"`, `"cdf"`, `"sf"`, `"quantile"` or `"mean"`.
        at: the points, or None.
        value: there.
        standard_errors: by the delta method; NaN with the reason in `status`.
        lower, upper: ends of the interval of confidence `level`.
        status: `IntervalStatus` codes.
        level: of confidence.
        keys: the group of each data set, or None.
    """

    what: str
    at: Data
    value: Float[np.ndarray, "..."]
    standard_errors: Float[np.ndarray, "..."]
    lower: Float[np.ndarray, "..."]
    upper: Float[np.ndarray, "..."]
    status: Int[np.ndarray, "..."]
    level: float
    keys: np.ndarray | None = None
    _columns: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)

    def columns(self) -> dict[str, np.ndarray]:
        """Return one column for each number, one row for each point (and data set)."""
        return self._columns

    @property
    def reasons(self) -> list[str]:
        """Sentences about the points that have no interval."""
        return [IntervalStatus(int(s)).sentence for s in np.unique(self.status) if s != IntervalStatus.WALD]

    def __repr__(self) -> str:
        shown = {name: x for name, x in self.columns().items() if name != "status"}
        points = list(self.at) if isinstance(self.at, dict) else ["at"]
        return table(
            f"{self.what} of the fitted distribution, {100 * self.level:g} % intervals", shown, self.reasons, points
        )

    to_pandas, to_polars = to_pandas, to_polars


# --- methods of a fit ------------------------------------------------------------------------------------


@in_float64
def pdf(solution: Solution, x: Points, level: float = 0.95, *, kind: str = "observed") -> Prediction:
    """Compute the density of the fitted distribution at `x`; for counts the probability of `x`.

    Intervals are formed on the logarithm, for counts on the logit.

    Args:
        x: a number; [m] points; or for a batch [B, m], points of each data set. Binomial: `{"successes", "trials"}`.
        level: of confidence.
        kind: of covariance.

    Returns:
        a `Prediction`.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
        >>> round(float(fit.pdf(0.0).value), 6)
        0.5
    """
    return _predict(solution, "pdf", response_at_point.density, _points(solution, x), level, kind)


@in_float64
def cdf(solution: Solution, x: Points, level: float = 0.95, *, kind: str = "observed") -> Prediction:
    """Compute P(X <= x) in the fitted distribution; the interval is formed on the logit.

    Args:
        x, level, kind: as in `pdf`.

    Returns:
        a `Prediction`.

    Example:
        >>> import jaxmle as jm
        >>> coin = jm.fit("bernoulli", [1, 1, 0, 1])
        >>> round(float(coin.cdf(0).value), 6)
        0.25
    """
    return _predict(solution, "cdf", response_at_point.Tail(upper=False), _points(solution, x), level, kind)


@in_float64
def sf(solution: Solution, x: Points, level: float = 0.95, *, kind: str = "observed") -> Prediction:
    """Compute P(X > x), survival beyond x, in the fitted distribution; the interval is formed on the logit.

    Args:
        x, level, kind: as in `pdf`.

    Returns:
        a `Prediction`.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
        >>> round(float(fit.sf(2.0).value), 6), round(float(fit.sf(2.0).standard_errors), 6)
        (0.367879, 0.212395)
    """
    return _predict(solution, "sf", response_at_point.Tail(upper=True), _points(solution, x), level, kind)


@in_float64
def quantile(
    solution: Solution, q: ArrayLike, level: float = 0.95, *, kind: str = "observed", **known: ArrayLike
) -> Prediction:
    """Find the least x with P(X <= x) >= q in the fitted distribution: `quantile(0.1)` is the B10 life of a lifetime distribution.

    dx/du = -(dF/du) / f(x). Intervals are formed on the logarithm for positive data. The quantile of counts moves in
    steps and has no standard error.

    Args:
        q: probabilities: a number, [m], or for a batch [B, m].
        level, kind: as in `pdf`.
        **known: further data columns: `trials=` for the binomial.

    Returns:
        a `Prediction`.

    Raises:
        ValueError: for a q that is no probability.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
        >>> print(fit.quantile([0.1, 0.5]))
        quantile of the fitted distribution, 95 % intervals
        q    quantile  std err   lower   upper
        0.1    0.2107   0.1217  0.0680  0.6534
        0.5    1.3863   0.8004  0.4471  4.2983

    Reference: Meeker & Escobar 1998, *Statistical Methods for Reliability Data*, section 8.4.
    """
    response = response_of(solution)
    given = np.asarray(q, float)
    if not ((given >= 0) & (given <= 1)).all():
        bad = given[~((given >= 0) & (given <= 1))].flat[0]
        hint = f"; did you mean {bad / 100:g}?" if 1 < bad <= 100 else ""
        raise ValueError(f"quantile: {bad:g} is not a probability between 0 and 1{hint}")
    return _predict(
        solution,
        "quantile",
        response_at_point.quantile,
        _shaped(solution, {"q": given, **_known(response, known)}),
        level,
        kind,
    )


@in_float64
def mean(solution: Solution, level: float = 0.95, *, kind: str = "observed", **known: ArrayLike) -> Prediction:
    """Compute the expectation of the fitted distribution; NaN where it does not exist or is infinite (Cauchy, gpd with shape >= 1).

    Intervals are formed on the logarithm for positive data, on the logit for shares.

    Args:
        level, kind: as in `pdf`.
        **known: further data columns: `trials=` for the binomial.

    Returns:
        a `Prediction`.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0])
        >>> round(float(fit.mean().value), 10), round(float(fit.mean().standard_errors), 10)
        (2.0, 1.1547005384)
    """
    response = response_of(solution)
    if not response.has_mean:
        raise TypeError(f"the mean of {response.name} is not known: give Distribution(mean=params -> f[])")
    columns = _known(response, known)
    points = _shaped(solution, columns or {"": np.zeros(())})
    return _predict(solution, "mean", response_at_point.expectation, points, level, kind)


# --- how ---------------------------------------------------------------------------------------------------


def response_of(solution: Solution) -> Response:
    """Return the response of a fit's model; raise where it is no distribution of one column.

    Raises:
        TypeError: for a log-likelihood of the user's own, and for rows of several columns.
    """
    response, name = solution.model.response, solution.model.name
    if response is None:
        raise TypeError(
            f"model {name or solution.model.log_likelihood!r} is a log-likelihood of your own, and its distribution is not known; "
            "use fit.transform(f) for any function of the params, with standard errors"
        )
    if len(response.outcome) > 1:
        raise TypeError(
            f"model {name} is the distribution of several columns, {', '.join(response.outcome)}, which has no distribution "
            "function and no quantile here; use fit.transform(f) for any function of the params, with standard errors"
        )
    return response


def _known(response: Response, known: dict[str, ArrayLike]) -> dict[str, np.ndarray]:
    if set(known) != set(response.known):
        wanted = ", ".join(f"{name}=" for name in response.known) or "no further columns"
        raise ValueError(f"{response.name}: expected {wanted}, got {', '.join(known) or 'none'}")
    return {name: np.asarray(x, float) for name, x in known.items()}


def _points(solution: Solution, x: Points) -> Shaped:
    """Read points of a response, and broadcast them to f[B, m]."""
    response = response_of(solution)
    if not response.columns:
        return _shaped(solution, {"": np.asarray(x, float)})
    if not isinstance(x, dict) or set(x) != set(response.columns):
        raise ValueError(f"{response.name}: points are a dict of {' and '.join(response.columns)}, got {x!r}")
    return _shaped(solution, {name: np.asarray(v, float) for name, v in x.items()})


def _shaped(solution: Solution, points: dict[str, np.ndarray]) -> Shaped:
    """Broadcast points to f[B, m], and find the shape of the answer."""
    size = solution.batch.size
    arrays = dict(zip(points, np.broadcast_arrays(*points.values()), strict=True))
    shape = next(iter(arrays.values())).shape
    each = len(shape) == 2 and shape[0] == size and not solution.single
    if len(shape) > 1 and not each:
        wanted = "[m]" if solution.single else f"[m] or [{size}, m]"
        raise ValueError(f"points have shape {list(shape)}; expected a number or {wanted}")
    m = shape[-1] if shape else 1
    arrays = {name: np.ascontiguousarray(np.broadcast_to(x, (size, m))) for name, x in arrays.items()}
    return arrays, (shape[-1:] if solution.single else (size, *shape[-1:]))


def _predict(
    solution: Solution, what: str, function: PointFunction, points: Shaped, level: float, kind: str
) -> Prediction:
    """Evaluate a function at points for every data set, with standard errors and intervals."""
    z, response = normal_quantile(level), response_of(solution)
    at, shape = points
    data = at[""] if set(at) == {""} else at
    p = solution.model.free
    out = solution.evaluate(function, solution.outcome.u, at=data)
    covariance = in_coordinates(solution, kind)
    with np.errstate(all="ignore"):
        slope = out[..., -p:] if p else out[..., :0]
        error = np.sqrt(np.einsum("bmi,bij,bmj->bm", slope, covariance, slope))
        value = np.where(solution.usable[:, None], out[..., 0], np.nan)
        if what in ("quantile", "mean"):
            se = error
            least, most = (np.asarray(x) for x in response.range(at))
            low, high = _natural_interval(least, most, what, value, se, z)
        else:
            logit = what != "pdf" or response.discrete
            se = np.where(error == 0, 0.0, error * value * (_expit(-out[..., 1]) if logit else 1))
            low, high = ((_expit if logit else np.exp)(out[..., 1] + sign * z * error) for sign in (-1, 1))
    status = np.where(np.isfinite(se), IntervalStatus.WALD, IntervalStatus.NONE)
    if what == "quantile" and response.discrete:
        status = np.full_like(status, IntervalStatus.STEPS)
    status = np.where(solution.usable[:, None] & np.isnan(value), IntervalStatus.UNDEFINED, status)
    low, high = (np.where(np.isfinite(se), x, np.nan) for x in (low, high))
    shown = {name or "at": x for name, x in at.items()} if what != "mean" or response.columns else {}
    numbers = {what: value, "std err": se, "lower": low, "upper": high, "status": status}
    columns = {name: x.ravel() for name, x in {**shown, **numbers}.items()}
    columns["status"] = np.array([IntervalStatus(int(s)).name.lower() for s in columns["status"]])
    if not solution.single:
        label = group_keys.columns(solution.batch.keys, solution.batch.key_name) or {"data set": np.arange(len(value))}
        label = {name: np.repeat(x, value.shape[1]) for name, x in label.items()}
        columns = group_keys.beside(label, columns) | columns

    def pick(x: np.ndarray) -> np.ndarray:
        return x.reshape(shape) if shape else x.item()

    where = {name: pick(x) for name, x in shown.items()}
    shown_at = None if not where else where["at"] if set(where) == {"at"} else where
    value, se, low, high, status = (pick(x) for x in numbers.values())
    return Prediction(what, shown_at, value, se, low, high, status, level, solution.batch.keys, columns)


def _natural_interval(
    least: np.ndarray, most: np.ndarray, what: str, x: np.ndarray, se: np.ndarray, z: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ends of an interval for a value in units of the data: on the logit between 0 and the most, on the log above 0, else as it is."""
    if what == "mean" and np.all(least >= 0) and np.all(most < np.inf):
        share = x / most
        link, half = np.log(share) - np.log1p(-share), z * se / (x * (1 - share))
        return most * _expit(link - half), most * _expit(link + half)
    if np.all(least >= 0):
        factor = np.exp(z * se / x)
        return x / factor, x * factor
    return x - z * se, x + z * se


def _expit(x: np.ndarray) -> np.ndarray:
    """Map logits x to probabilities, without overflow."""
    return np.where(
        x < 0, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.maximum(x, 0)))
    )
