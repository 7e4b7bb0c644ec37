"""Comparing fits of the same data: tests of a null, criteria of any models, and two groups side by side."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from jaxmle._solver.status import Status
from jaxmle._util import group_keys
from jaxmle._util.arrays import Float
from jaxmle._util.compile import in_float64
from jaxmle._util.text_tables import table, to_pandas, to_polars
from jaxmle.comparison.hypothesis_tests import Significance, SignificanceStatus, likelihood_ratio, score_test, wald_test
from jaxmle.comparison.nesting import check_fit, check_same_data
from jaxmle.inference.interval_record import normal_quantile
from jaxmle.result.fit import Fit

__all__ = [
    "Comparison",
    "Contrast",
    "Significance",
    "SignificanceStatus",
    "compare",
    "likelihood_ratio",
    "score_test",
    "two_groups",
    "wald_test",
]

CRITERIA = ("aic", "aicc", "bic")


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Models of the same data by an information criterion; M models, arrays f[M], or f[B, M] for a batch.

    Attributes:
        names: of the models.
        criterion: which one `difference` and `weight` are from.
        free: k, the number of free parameters, int[M].
        n_observations: sum of weights, f[] or f[B].
        log_likelihood: the maximum, or the supremum at a limit.
        aic, aicc, bic: criteria, smaller is better; NaN where `status` is no maximum and no limit.
        difference: criterion minus the least of the data set.
        weight: exp(-difference / 2), scaled to sum to 1 over the models that were fitted.
        status: `Status` codes of the fits.
        keys: the group of each data set, or None.
        messages: what happened to the fits that are no certified maxima (single data set).
    """

    names: tuple[str, ...]
    criterion: str
    free: np.ndarray
    n_observations: float | Float[np.ndarray, " B"]
    log_likelihood: np.ndarray
    aic: np.ndarray
    aicc: np.ndarray
    bic: np.ndarray
    difference: np.ndarray
    weight: np.ndarray
    status: np.ndarray
    keys: np.ndarray | None = None
    messages: tuple[str, ...] = ()

    @property
    def best(self) -> str | np.ndarray:
        """The name of the model with the least criterion; for a batch str[B], empty where none was fitted."""
        rank = np.where(np.isnan(self.difference), np.inf, self.difference)
        name = np.where(np.isfinite(rank).any(-1), np.array(self.names)[rank.argmin(-1)], "")
        return name if self.difference.ndim > 1 else str(name)

    def columns(self) -> dict[str, np.ndarray]:
        """Return one column for each number, one row for each model (of each data set), the best first for a single one."""
        single, m = self.difference.ndim == 1, len(self.names)
        order = np.argsort(self.difference, kind="stable") if single else np.arange(self.difference.size)
        sets = 1 if single else len(self.difference)
        label = {} if single else group_keys.columns(self.keys, "key") or {"key": np.arange(sets)}
        label = {name: np.repeat(x, m) for name, x in label.items()}
        numbers = {name: getattr(self, name) for name in ("log_likelihood", *CRITERIA, "difference", "weight")}
        status = np.array([Status(int(s)).name.lower() for s in self.status.ravel()])
        all_ = {"model": np.tile(self.names, sets), "k": np.tile(self.free, sets)}
        all_ |= {name: x.ravel() for name, x in numbers.items()} | {"status": status}
        return group_keys.beside(label, all_) | {name: x[order] for name, x in all_.items()}

    def __repr__(self) -> str:
        title = f"Models by {self.criterion}"
        if self.difference.ndim > 1:
            best, counts = np.unique(self.best[self.best != ""], return_counts=True)
            won = ", ".join(f"{name} {n:,}" for name, n in sorted(zip(best, counts, strict=True), key=lambda x: -x[1]))
            title += f"; best for how many of {len(self.difference):,} data sets: {won or 'none'}"
        return table(title, self.columns(), self.messages)

    to_pandas, to_polars = to_pandas, to_polars


@in_float64
def compare(fits: Mapping[str, Fit], criterion: str = "aic") -> Comparison:
    """Compare any number of models of the same data, nested or not, by information criteria.

    The criterion estimates how far a model is from the truth; only differences count: under 2 is nothing to speak of,
    above 10 a model has no support. Weights are the relative likelihoods exp(-difference / 2).

    Args:
        fits: by name, all single or all batches of the same data sets.
        criterion: `"aic"`, `"aicc"` (small n) or `"bic"`.

    Returns:
        a `Comparison`. A fit that found no maximum gets NaN and no weight; one at a limit is compared by its supremum.

    Raises:
        TypeError, ValueError: for fits of different data, weights or data sets, and discrete against continuous distributions.

    Example:
        >>> import jaxmle as jm
        >>> hours = [1.0, 2.0, 3.0, 8.0, 9.0]
        >>> table = jm.compare({name: jm.fit(name, hours) for name in ("exponential", "gamma")})
        >>> table.best, [round(float(x), 3) for x in table.difference]
        ('exponential', [0.0, 1.205])

    Reference: Burnham & Anderson 2002, *Model Selection and Multimodel Inference*, 2nd ed., sections 2.6 and 2.9.
    """
    if not isinstance(fits, Mapping) or not fits:
        raise TypeError("compare needs a dict from names to fits, such as {'weibull': fit, 'gamma': other}")
    if criterion not in CRITERIA:
        raise ValueError(f"criterion={criterion!r}; expected one of {', '.join(map(repr, CRITERIA))}")
    names = tuple(str(name) for name in fits)
    for name, fit in zip(names, fits.values(), strict=True):
        check_fit(name, fit)
    first = next(iter(fits.values()))
    for name, fit in list(zip(names, fits.values(), strict=True))[1:]:
        check_same_data(first, fit, (names[0], name))
    status = np.stack([fit.solution.outcome.status for fit in fits.values()], axis=1)
    usable = np.isin(status, [s for s in Status if s.ok or s.at_limit])
    numbers = {
        name: np.where(usable, np.stack([np.atleast_1d(getattr(fit, name)) for fit in fits.values()], axis=1), np.nan)
        for name in ("log_likelihood", *CRITERIA)
    }
    values = numbers[criterion]
    least = np.where(np.isnan(values), np.inf, values).min(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        difference = values - least
        relative = np.exp(-0.5 * difference)
        weight = relative / np.nansum(relative, axis=1, keepdims=True)
    pick = (lambda x: x[0]) if first.solution.single else (lambda x: x)
    free = np.array([fit.model.free for fit in fits.values()])
    said = tuple(
        f"{name}: {fit.message()}"
        for name, fit in zip(names, fits.values(), strict=True)
        if first.solution.single and not fit.converged
    )
    return Comparison(
        names,
        criterion,
        free,
        first.n_observations,
        *(pick(x) for x in numbers.values()),
        *(pick(x) for x in (difference, weight, status)),
        keys=first.keys,
        messages=said,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Contrast:
    """The second of two groups against the first.

    Attributes:
        names: `"difference"`, `"ratio"`, and for shares `"odds ratio"`.
        value, standard_errors, lower, upper: f[len(names)].
        label: the groups, as `"second / first"`.
        level: of confidence.
    """

    names: tuple[str, ...]
    value: np.ndarray
    standard_errors: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    label: str
    level: float

    def columns(self) -> dict[str, np.ndarray]:
        """Return one column for each number, one row for each contrast."""
        numbers = {"estimate": self.value, "std err": self.standard_errors, "lower": self.lower, "upper": self.upper}
        return {"contrast": np.array(self.names), **numbers}

    def __repr__(self) -> str:
        missing = ["no errors: a group's fit has none (see its status)"] if np.isnan(self.standard_errors).any() else []
        return table(f"Means of {self.label}, {100 * self.level:g} % intervals", self.columns(), missing)

    to_pandas, to_polars = to_pandas, to_polars


@in_float64
def two_groups(fits: Fit, level: float = 0.95, *, reference: object = None) -> Contrast:
    """Compare the means of two independent groups: difference, ratio, and for shares the odds ratio (the A/B test).

    The difference m2 - m1 has standard error sqrt(se1^2 + se2^2); ratios have theirs and their intervals on the log.
    The test that goes with it is `likelihood_ratio` of the pooled fit against `fits`.

    Args:
        fits: a batch of two data sets of a distribution.
        level: of confidence.
        reference: the key (or the position) of the group that the other is compared with, m1; by default the first.

    Returns:
        a `Contrast`.

    Raises:
        ValueError: for another number of data sets.
        KeyError, IndexError: where no group has the key `reference`.

    Example:
        >>> import jaxmle as jm
        >>> from jaxmle.compare import two_groups
        >>> attacks = {"successes": [104, 189], "trials": [11037, 11034]}
        >>> two_groups(jm.fit_many("binomial", attacks, groups=["aspirin", "placebo"]))
        Means of placebo / aspirin, 95 % intervals
        contrast    estimate  std err   lower   upper
        difference    0.0077   0.0015  0.0047  0.0107
        ratio         1.8178   0.2206  1.4330  2.3059
        odds ratio    1.8321   0.2251  1.4400  2.3308

    Reference: Agresti 2007, *An Introduction to Categorical Data Analysis*, 2nd ed., sections 2.2 and 2.3.
    """
    check_fit("fits", fits)
    if fits.solution.single or len(fits) != 2:
        raise ValueError(
            f"two_groups needs a batch of two data sets, got {'one' if fits.solution.single else len(fits)}"
        )
    response, z = fits.model.response, normal_quantile(level)
    share = response is not None and response.name in ("bernoulli", "binomial")
    found = fits.mean(trials=1) if response is not None and "trials" in response.known else fits.mean()
    order = [0, 1] if reference is None else _reference_first(fits, reference)
    m, se = found.value[order], found.standard_errors[order]
    with np.errstate(all="ignore"):
        value = [m[1] - m[0], m[1] / m[0]]
        log_se = [np.hypot(*(se / m))]
        if share:
            value.append(m[1] / (1 - m[1]) * (1 - m[0]) / m[0])
            log_se.append(np.hypot(*(se / (m * (1 - m)))))
        difference_se = np.hypot(*se)
        value, log_se = np.array(value), np.array(log_se)
        errors = np.array([difference_se, *(value[1:] * log_se)])
        lower = np.array([value[0] - z * difference_se, *(value[1:] * np.exp(-z * log_se))])
        upper = np.array([value[0] + z * difference_se, *(value[1:] * np.exp(z * log_se))])
    names = ("difference", "ratio", "odds ratio")[: len(value)]
    keys = order if fits.keys is None else fits.keys[order]
    label = f"{group_keys.label(keys[1])} / {group_keys.label(keys[0])}"
    return Contrast(names, value, errors, lower, upper, label, level)


def _reference_first(fits: Fit, reference: object) -> list[int]:
    """Return the positions of two groups, that of the reference (a key, or a position) first."""
    if isinstance(reference, (int, np.integer)) and not isinstance(reference, bool):
        if reference not in (0, 1):
            raise IndexError(f"reference={reference}: the two groups are 0 and 1; a key is given as text")
        return [int(reference), 1 - int(reference)]
    first = group_keys.find(fits.keys, reference)
    return [first, 1 - first]
