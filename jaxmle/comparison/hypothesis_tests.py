"""Likelihood-ratio, Wald and score tests of a null against a larger model."""

import dataclasses
import enum
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle import special
from jaxmle._engine.evaluate import everywhere
from jaxmle._solver.status import at_limit
from jaxmle._util import group_keys
from jaxmle._util.arrays import Bool, Float, Int, Params
from jaxmle._util.compile import in_float64
from jaxmle._util.text_tables import cell, table, to_pandas, to_polars
from jaxmle.comparison.edges import on_edge as edges_of
from jaxmle.comparison.nesting import check_fit, check_nested, check_pooled, check_same_data, check_smaller
from jaxmle.inference import at_point, matrices
from jaxmle.inference.covariance import in_coordinates
from jaxmle.model.model import Model
from jaxmle.models import pinned
from jaxmle.result.fit import Fit
from jaxmle.spaces import PINNED

_WORSE = -1e-6
"A likelihood ratio below this means that the full fit missed its maximum; within it of 0, it is 0."


Verdicts = tuple[Bool[np.ndarray, " B"], Bool[np.ndarray, " B"]]
"Whether each fit is a maximum or a limit, and whether it is a limit."


class SignificanceStatus(enum.IntEnum):
    """What a p value rests on, or why there is none."""

    CHI_SQUARE = 0
    HALF = 1
    AT_LIMIT = 2
    NULL_FAILED = 3
    FULL_FAILED = 4
    FULL_WORSE = 5
    NULL_AT_LIMIT = 6
    SEVERAL_ON_EDGE = 7
    NO_ERRORS = 8
    SINGULAR = 9
    ASSUMED = 10

    @property
    def sentence(self) -> str:
        """In words."""
        return _SENTENCES[int(self)]


_SENTENCES = {
    0: "p from chi-square",
    1: "the null is on the boundary of one parameter: p from half chi-square 0, half chi-square 1",
    2: "the full model's maximum is at a limit; its supremum is compared, p from chi-square",
    3: "no p: the null was not fitted to a maximum (see its status)",
    4: "no p: the full model was not fitted to a maximum (see its status)",
    5: "no p: the null fits better than the full model, so the full fit missed its maximum; try another start for it",
    6: "no p: the null's own maximum is at a limit, where chi-square does not hold; use simulation",
    7: "no p: the null is on the boundary of several parameters, or of one that others vanish with (a component of a "
    "mixture); use simulation",
    8: "no p: the full fit has no standard errors (see its status); use likelihood_ratio",
    10: "p from chi-square, assuming that the null lies inside the full model, on no edge of it (a variance of 0, a share of 0 or 1) "
    "and with all its parameters identified; no edge was found where the full model is the null; use simulation if unsure",
    9: "no p: the information is singular or not positive definite there; use likelihood_ratio",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Significance:
    """A test of a null against a larger model; numbers, or arrays [B] for a batch.

    Attributes:
        name: of the test.
        statistic: chi-square distributed under the null; NaN with the reason in `status`.
        df: degrees of freedom.
        p_value: probability of a statistic as large, were the null true; NaN with the reason in `status`.
        status: `SignificanceStatus` codes: what the p value rests on.
        keys: the group of each data set, or None.
    """

    name: str
    statistic: float | Float[np.ndarray, " B"]
    df: int
    p_value: float | Float[np.ndarray, " B"]
    status: SignificanceStatus | Int[np.ndarray, " B"]
    keys: np.ndarray | None = None

    def columns(self) -> dict[str, np.ndarray]:
        """Return one column for each number, one row for each data set."""
        statistic, p, status = (np.atleast_1d(x) for x in (self.statistic, self.p_value, self.status))
        words = np.array([SignificanceStatus(int(s)).name.lower() for s in status])
        found = {"statistic": statistic, "df": np.full(len(p), self.df), "p_value": p, "status": words}
        if np.ndim(self.statistic) == 0:
            return found
        label = group_keys.columns(self.keys, "key") or {"key": np.arange(len(p))}
        return group_keys.beside(label, found) | found

    def __repr__(self) -> str:
        codes = np.unique(self.status)
        if np.ndim(self.statistic) == 0:
            p = "" if np.isnan(self.p_value) else f", p = {self.p_value:.4g}"
            value = cell(float(self.statistic)) or "none"
            return f"{self.name}: statistic {value}, df {self.df}{p}; {SignificanceStatus(int(codes[0])).sentence}"
        return table(self.name, self.columns(), [SignificanceStatus(int(s)).sentence for s in codes])

    to_pandas, to_polars = to_pandas, to_polars


@in_float64
def likelihood_ratio(null: Fit, full: Fit, *, on_edge: int | None = None) -> Significance:
    """Likelihood-ratio test: 2 (l_full - l_null), chi-square with as many degrees of freedom as parameters fewer.

    Two fits of the same data, the null a special case of the full model: the same with parameters held by
    `models.pinned` or `models.tied`, a family inside another (exponential in weibull), or a model of one's own. Two
    batches are tested data set by data set. A null for one data set against a batch is the test that all the data sets
    share their parameters; the null must be the fit to all their rows together.

    Where the null is the limit of the full model in one parameter (Poisson in negative binomial, normal in Student t),
    half of the statistics are 0 under the null: p is that of half chi-square 0, half chi-square 1.

    Args:
        null: the smaller model's fit.
        full: the larger model's.
        on_edge: how many parameters the null puts on the boundary of the full model. By default it is known for the
            families that ship and for `models.pinned` and `models.tied`; for other models each parameter of the full one
            is held at its ends (a variance or a share of a mixture at 0), and where that gives the null's maximum the
            null lies on that edge. Where it does not, the result says that chi-square is an assumption.

    Returns:
        a `Significance`.

    Raises:
        TypeError, ValueError: for fits of different data or weights, discrete against continuous distributions, and a null
            that is not a smaller special case.

    Example:
        >>> import jaxmle as jm
        >>> hours = [1.0, 2.0, 3.0, 8.0]
        >>> test = jm.likelihood_ratio(jm.fit(jm.models.pinned("exponential", rate=1.0), hours), jm.fit("exponential", hours))
        >>> round(test.statistic, 6), test.df, round(test.p_value, 6)
        (9.977896, 1, 0.001584)

    Reference: Wilks 1938, *Annals of Mathematical Statistics* 9, 60-62; on the boundary Self & Liang 1987, *JASA* 82,
    605-610, case 5.
    """
    check_fit("null", null)
    check_fit("full", full)
    known = check_nested(null.model, full.model)
    pooled = null.solution.single and not full.solution.single
    df = check_smaller(null.model, full.model, len(full) if pooled else 1)
    if pooled:
        check_pooled(null, full)
    else:
        check_same_data(null, full, ("the null", "the full model"))
    low, high = -null.solution.outcome.value, -full.solution.outcome.value
    statistic = 2 * ((high.sum(keepdims=True) if pooled else high) - low)
    if on_edge is not None:
        edges, assumed = np.full(statistic.shape, int(on_edge)), False
    elif known is not None:
        edges, assumed = np.full(statistic.shape, int(known)), False
    else:
        edges, assumed = (np.zeros(statistic.shape, int) if pooled else edges_of(null, full).astype(int)), True
    status = _ratio_status(_codes(null, False), _codes(full, pooled), statistic, edges, df)
    if assumed:
        status = np.where(status == SignificanceStatus.CHI_SQUARE, SignificanceStatus.ASSUMED, status)
    statistic = np.where(np.isin(status, _UNKNOWN), np.nan, np.maximum(statistic, 0))
    p = _tail(statistic, df)
    p = np.where(status == SignificanceStatus.HALF, np.where(statistic > -_WORSE, 0.5 * p, 1.0), p)
    p = np.where(np.isin(status, [SignificanceStatus.NULL_AT_LIMIT, SignificanceStatus.SEVERAL_ON_EDGE]), np.nan, p)
    return _tested("Likelihood-ratio test", null, statistic, df, p, status)


_UNKNOWN = [SignificanceStatus.NULL_FAILED, SignificanceStatus.FULL_FAILED, SignificanceStatus.FULL_WORSE]


def _codes(fit: Fit, pooled: bool) -> Verdicts:
    """Tell whether each fit is a maximum or a limit, and whether it is a limit; over all data sets where pooled."""
    limit = at_limit(fit.solution.outcome.status)
    good = fit.solution.certified | limit
    return (good.all(keepdims=True), limit.any(keepdims=True)) if pooled else (good, limit)


def _ratio_status(null: Verdicts, full: Verdicts, statistic: np.ndarray, edges: np.ndarray, df: int) -> np.ndarray:
    (null_good, null_limit), (full_good, full_limit) = null, full
    status = np.full(statistic.shape, SignificanceStatus.CHI_SQUARE, int)
    status[full_limit] = SignificanceStatus.AT_LIMIT
    one = (edges == 1) & (df == 1)
    status = np.where(edges > 0, np.where(one, SignificanceStatus.HALF, SignificanceStatus.SEVERAL_ON_EDGE), status)
    status[null_limit] = SignificanceStatus.NULL_AT_LIMIT
    status[statistic < _WORSE] = SignificanceStatus.FULL_WORSE
    status[~full_good] = SignificanceStatus.FULL_FAILED
    status[~null_good] = SignificanceStatus.NULL_FAILED
    return status


@in_float64
def wald_test(
    null: Model | Fit | Mapping[str, Params] | Callable[[Params], Params],
    full: Fit,
    *,
    kind: str = "observed",
    scale: str | None = None,
) -> Significance:
    """Wald test: h' V^-1 h for restrictions h that are 0 under the null; needs the full fit alone.

    On the scale of each parameter's space, as Wald intervals are, so that a 95 % interval holds the values with p > 0.05.

    Args:
        null: a pinned or tied version of the full model; a dict of values, `{"shape": 1.0}`; or a function of the params
            whose values the null says are 0.
        full: the fit.
        kind: of covariance: `"robust"` where the model may be wrong.
        scale: `"natural"` for estimates minus values, without a change of scale.

    Returns:
        a `Significance`.

    Example:
        >>> import jaxmle as jm
        >>> fit = jm.fit("exponential", [1.0, 2.0, 3.0, 8.0])
        >>> test = jm.wald_test({"rate": 1.0}, fit, scale="natural")  # n (1 - 1 / rate)^2
        >>> round(test.statistic, 6)
        25.0

    Reference: Wald 1943, *Transactions of the AMS* 54, 426-482; Pawitan 2001, *In All Likelihood*, section 9.9.
    """
    check_fit("full", full)
    if scale not in (None, "natural"):
        raise ValueError(f"scale={scale!r}; expected None (the scale of each parameter's space) or 'natural'")
    if callable(null) and not isinstance(null, (Model, Fit)):
        h, covariance = _function_restrictions(null, full, kind)
    else:
        model = null.model if isinstance(null, Fit) else pinned(full.model, null) if isinstance(null, Mapping) else null
        if not isinstance(model, Model):
            raise TypeError(
                f"null must be a model, a dict of values or a function of the params, got {type(null).__name__}"
            )
        h, covariance = _model_restrictions(model, full, kind, scale)
    inverse = matrices.inverse(covariance)
    with np.errstate(all="ignore"):
        statistic = np.einsum("bi,bij,bj->b", h, inverse, h)
    status = np.where(np.isnan(statistic), SignificanceStatus.SINGULAR, SignificanceStatus.CHI_SQUARE)
    status = np.where(full.solution.certified, status, SignificanceStatus.NO_ERRORS)
    statistic = np.where(full.solution.certified, statistic, np.nan)
    return _tested("Wald test", full, statistic, h.shape[1], _tail(statistic, h.shape[1]), status)


def _function_restrictions(f: Callable[[Params], Params], full: Fit, kind: str) -> tuple[np.ndarray, np.ndarray]:
    size = full.solution.batch.size
    derived = full.transform(f, kind)
    h = np.concatenate([np.asarray(x, float).reshape(size, -1) for x in jax.tree.leaves(derived.value)], axis=1)
    return h, np.reshape(derived.covariance, (size, h.shape[1], h.shape[1]))


def _model_restrictions(null: Model, full: Fit, kind: str, scale: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Compute what is 0 under a pinned or tied null, and its covariance: in coordinates, or in natural values."""
    if null.log_likelihood != full.model.log_likelihood or null.names != full.model.names:
        raise ValueError(
            "the null of a Wald test is the full model with parameters held by models.pinned or models.tied"
        )
    check_nested(null, full.model)
    check_smaller(null, full.model, 1)
    natural, size = scale == "natural", full.solution.batch.size
    covariance = in_coordinates(full.solution, kind)
    if natural:
        covariance = matrices.delta(full.solution.jacobian, covariance)
    point = full.solution.natural if natural else full.solution.outcome.u
    spaces_ = list(zip(full.model.names, *(jax.tree.leaves(m.space) for m in (null, full.model)), strict=True))
    widths = [int(np.prod(s.value_shape if natural else s.coordinate_shape)) for _, _, s in spaces_]
    at = dict(zip(full.model.names, np.cumsum([0, *widths[:-1]]), strict=True))
    eye = np.eye(point.shape[1])
    select, targets = [], []
    for (name, held, free), width in zip(spaces_, widths, strict=True):
        if free.coordinate_shape != held.coordinate_shape and np.prod(free.coordinate_shape, dtype=int):
            rows = eye[at[name] : at[name] + width]
            if held.kind is PINNED:
                value = np.asarray(held.bounds[0], float)
                value = np.broadcast_to(value, (size, *free.value_shape))
                goal = value if natural else np.asarray(jax.vmap(free.inverse)(value))
                targets.append(goal.reshape(size, width))
            else:
                rows = rows - eye[at[held.source] : at[held.source] + width]
                targets.append(np.zeros((size, width)))
            select.append(rows)
    matrix = np.concatenate(select)
    h = point @ matrix.T - np.concatenate(targets, axis=1)
    return h, matrix @ covariance @ matrix.T


@in_float64
def score_test(null: Fit, full: Model | Fit, *, kind: str | None = None) -> Significance:
    """Rao's score test: S' I^-1 S of the full model at the null's estimate; needs the null fit alone.

    Args:
        null: fit of the full model with parameters held by `models.pinned` or `models.tied`; or, where `full` is a
            batch, the fit of the full model to all its rows together: the test that all the data sets share their
            parameters (for binomial data Pearson's chi-square test).
        full: the full model, or a fit of it.
        kind: which information I: `"expected"`, which no change of scale alters and which is taken where the model
            states it; `"observed"` or `"opg"`.

    Returns:
        a `Significance`.

    Example:
        >>> import jaxmle as jm
        >>> null = jm.fit(jm.models.pinned("exponential", rate=1.0), [1.0, 2.0, 3.0, 8.0])
        >>> round(jm.score_test(null, jm.models.as_model("exponential")).statistic, 6)  # (n - sum x)^2 / n
        25.0

    Reference: Rao 1948, *Proceedings of the Cambridge Philosophical Society* 44, 50-57; Pawitan 2001, section 9.9.
    """
    check_fit("null", null)
    model = full.model if isinstance(full, Fit) else full
    if not isinstance(model, Model):
        raise TypeError(f"full must be a model or a fit, got {type(full).__name__}; see jaxmle.models.as_model")
    if model.log_likelihood != null.model.log_likelihood or model.names != null.model.names:
        raise ValueError(
            "the null of a score test is the full model with parameters held by models.pinned or models.tied"
        )
    check_nested(null.model, model)
    kind = kind or ("observed" if model.geometry.information is None else "expected")
    rules = {
        "observed": at_point.score_and_observed,
        "expected": at_point.score_and_expected,
        "opg": at_point.score_and_opg,
    }
    if kind not in rules:
        raise ValueError(f"kind={kind!r}; expected one of {', '.join(map(repr, rules))}")
    batch, pooled = null.solution.batch, False
    if isinstance(full, Fit) and null.solution.single and not full.solution.single:
        pooled = True
        check_pooled(null, full)
        batch = full.solution.batch
    elif isinstance(full, Fit):
        check_same_data(null, full, ("the null", "the full model"))
    df = check_smaller(null.model, model, batch.size if pooled else 1)
    tree = jax.tree.structure(model.space)
    natural = [
        np.asarray(x, float).reshape(null.solution.batch.size, *s.value_shape)
        for x, s in zip(tree.flatten_up_to(null.params), jax.tree.leaves(model.space), strict=True)
    ]
    at = jax.vmap(lambda x: ravel_pytree(model.inverse(jax.tree.unflatten(tree, x)))[0])(natural)
    at = np.broadcast_to(np.asarray(at), (batch.size, at.shape[1]))
    good, limit = _codes(null, False)
    out = everywhere(model, batch, rules[kind], np.where(np.isfinite(at), at, 0.0))
    with np.errstate(all="ignore"):
        each = np.einsum("bi,bij,bj->b", out[..., 0], matrices.inverse(out[..., 1:]), out[..., 0])
    statistic = each.sum(keepdims=True) if pooled else each
    status = np.where(np.isnan(statistic), SignificanceStatus.SINGULAR, SignificanceStatus.CHI_SQUARE)
    status = np.where(limit, SignificanceStatus.NULL_AT_LIMIT, status)
    status = np.where(good, status, SignificanceStatus.NULL_FAILED)
    statistic = np.where(good & ~limit, statistic, np.nan)
    return _tested(f"Score test ({kind} information)", null, statistic, df, _tail(statistic, df), status)


# --- how ---------------------------------------------------------------------------------------------------


def _tail(x: np.ndarray, df: int) -> np.ndarray:
    """P(chi-square > x): Q(df/2, x/2); NaN for NaN."""
    safe = np.where(np.isnan(x), 0.0, x)
    return np.where(np.isnan(x), np.nan, np.exp(np.asarray(special.log_gammaincc(0.5 * df, 0.5 * safe))))


def _tested(name: str, fit: Fit, statistic: np.ndarray, df: int, p: np.ndarray, status: np.ndarray) -> Significance:
    if fit.solution.single:
        return Significance(name, float(statistic[0]), df, float(p[0]), SignificanceStatus(int(status[0])))
    return Significance(name, statistic, df, p, np.asarray(status, int), fit.keys)
