"""False alarms: how many regular fits each rule calls something else. `python -m benchmarks.verdicts [data sets]`.

Samples of 20, 50 and 200 rows from models whose maximum is inside, where a criterion that is known says so for each sample;
seeds are fixed. All rules are measured in one run, by the rule that each fit names.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmle as jm
from jaxmle import Status, spaces
from jaxmle._solver.verdict import NAMED

ROWS = (20, 50, 200)
ALARMS = (Status.AT_INFINITY, Status.AT_BOUNDARY, Status.NOT_IDENTIFIED, Status.UNBOUNDED)
Sample = tuple[Any, Any, np.ndarray]


def _logistic(params: Any, data: Any) -> Any:
    eta = data["x"] @ params["beta"]
    return data["y"] * eta - jnp.logaddexp(0.0, eta)


def _own(params: Any, x: Any) -> Any:
    return -0.5 * ((x - params["loc"]) / params["scale"]) ** 2 - jnp.log(params["scale"])


def _variances(params: Any, data: Any) -> Any:
    variance = params["v0"] + params["v1"] * data["z"]
    return -0.5 * (jnp.log(variance) + data["y"] ** 2 / variance)


LOGISTIC = jm.Model(_logistic, {"beta": spaces.real(shape=2)})
OWN = jm.Model(_own, {"loc": spaces.real, "scale": spaces.positive})
VARIANCES = jm.Model(_variances, {"v0": spaces.positive, "v1": spaces.positive})


def gamma(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "gamma", r.gamma(2.0, 1.0, (sets, n)), np.ones(sets, bool)


def weibull(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "weibull", 2.0 * r.weibull(0.8, (sets, n)), np.ones(sets, bool)


def log_logistic(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "log_logistic", np.exp(r.logistic(size=(sets, n))), np.ones(sets, bool)


def gumbel(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "gumbel", r.gumbel(3.0, 0.1, (sets, n)), np.ones(sets, bool)


def logistic(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "logistic", r.logistic(-5.0, 2.0, (sets, n)), np.ones(sets, bool)


def beta(r: np.random.Generator, sets: int, n: int) -> Sample:
    return "beta", r.beta(2.0, 0.8, (sets, n)), np.ones(sets, bool)


def own_normal(r: np.random.Generator, sets: int, n: int) -> Sample:
    """A user's own model without a start, in units of 1e-20."""
    return OWN, 1e-20 * r.normal(5.0, 1.0, (sets, n)), np.ones(sets, bool)


def counts(r: np.random.Generator, sets: int, n: int) -> Sample:
    """The maximum is inside exactly where the sample is overdispersed (Levin & Reeds 1977); by 1 % here, as near the
    boundary the gain is less than a tail may leave."""
    x = r.poisson(r.gamma(2.0, 2.0, (sets, n))).astype(float)
    return "negative_binomial", x, x.var(1) > 1.01 * x.mean(1)


def logit(r: np.random.Generator, sets: int, n: int) -> Sample:
    """The maximum is inside where the x of the two outcomes overlap (Albert & Anderson 1984)."""
    x = r.normal(size=(sets, n))
    y = r.uniform(size=(sets, n)) < 1 / (1 + np.exp(-0.5 - x))
    low0, high0 = (f(np.where(y, fill, x), axis=1) for f, fill in ((np.min, np.inf), (np.max, -np.inf)))
    low1, high1 = (f(np.where(y, x, fill), axis=1) for f, fill in ((np.min, np.inf), (np.max, -np.inf)))
    return LOGISTIC, {"x": np.stack([np.ones_like(x), x], -1), "y": y.astype(float)}, (low1 < high0) & (low0 < high1)


def censored(r: np.random.Generator, sets: int, n: int) -> Sample:
    """Regular with two distinct failures."""
    t, limit = r.weibull(1.5, (sets, n)), r.uniform(0.3, 3.0, (sets, n))
    return "weibull", {"lower": np.minimum(t, limit), "upper": np.where(t < limit, t, np.inf)}, (t < limit).sum(1) >= 2


def variances(r: np.random.Generator, sets: int, n: int) -> Sample:
    """Both variances inside where neither boundary has a slope inward only: the scores at v1 = 0 and at v0 = 0."""
    z = r.uniform(0.5, 3.0, (sets, n))
    y = np.sqrt(1 + 2 * z) * r.normal(size=(sets, n))
    v0, v1 = np.mean(y**2, 1, keepdims=True), np.mean(y**2 / z, 1, keepdims=True)
    inside = np.sum(z * (y**2 / v0 - 1), 1) > 0
    inside &= np.sum((y**2 / (v1 * z) - 1) / z, 1) > 0
    return VARIANCES, {"z": z, "y": y}, inside


FAMILIES: tuple[Callable[[np.random.Generator, int, int], Sample], ...] = (
    gamma, weibull, log_logistic, gumbel, logistic, beta, own_normal, counts, logit, censored, variances,
)  # fmt: skip


def measure(sets: int) -> tuple[int, Counter[str], Counter[str]]:
    """Fit `sets` data sets of each family and number of rows; return regular fits, alarms and other failures by rule.

    Retries are off: what the first ascent says is measured.
    """
    total, alarms, failures = 0, Counter[str](), Counter[str]()
    for k, family in enumerate(FAMILIES):
        for n in ROWS:
            model, data, regular = family(np.random.default_rng([k, n]), sets, n)
            fits = jm.fit_many(model, data, retries=0)
            status, rule = np.asarray(fits.status), fits.solution.outcome.rule
            total += int(regular.sum())
            for i in np.flatnonzero(regular & ~fits.converged):
                kind = alarms if status[i] in ALARMS else failures
                kind[f"{NAMED[rule[i]].name} ({family.__name__}, {n} rows)"] += 1
            jax.clear_caches()
    return total, alarms, failures


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    began = time.perf_counter()
    total, alarms, failures = measure(sets)
    print(
        f"{total} regular fits in {time.perf_counter() - began:.0f} s, {sets} data sets of each family and number of rows"
    )
    for title, found in (("false alarms", alarms), ("other failures, retries off", failures)):
        print(f"{title}: {sum(found.values())}, {sum(found.values()) / max(total, 1):.1e} of regular fits")
        for name, count in found.most_common():
            print(f"  {count:6d}  {name}")


if __name__ == "__main__":
    main()
