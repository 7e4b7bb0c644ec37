"""Expectations: closed forms, else an integral by the trapezoidal rule; NaN where there is none or it is infinite.

Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions*, and Johnson, Kemp & Kotz, *Univariate Discrete
Distributions*, where no other source stands.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import special
from jaxmle._util.records import record
from jaxmle.special.elementary import floating

EULER = 0.5772156649015329
_ZETAS = (EULER, 0.8224670334241132, 0.40068563438653143, 0.27058080842778454, 0.207385551028674)
_STEP = 1 / 16
_GRID = np.arange(-7.0, 8.0, _STEP)
_LINE = np.arange(-10.0, 10.0 + 1 / 64, 1 / 64)


@record
class Named:
    """A parameter is the mean."""

    name: str

    def __call__(self, params: Any) -> Any:
        return floating(params[self.name])


loc, mean = Named("loc"), Named("mean")


def finite(condition: Any, value: Callable[..., Any], *arguments: Any) -> Any:
    """`value(*arguments)` where the mean exists, with harmless ones elsewhere: the condition's own arguments plus 2."""
    return jnp.where(condition, value(*[jnp.where(condition, a, a + 2) for a in arguments]), jnp.nan)


def over_positive(f: Callable[[Any], Any]) -> Any:
    """int_0^inf f(s) ds with s = exp(y - exp(-y)): both tails fall doubly exponentially (Takahasi & Mori 1974)."""
    y = jnp.asarray(_GRID, jnp.result_type(float))
    log_s = y - jnp.exp(-y)
    return _STEP * jnp.sum(jax.vmap(f)(jnp.exp(log_s)) * jnp.exp(log_s) * (1 + jnp.exp(-y)))


def none(params: Any) -> Any:
    """There is no mean."""
    return jnp.full_like(floating(params["loc"]), jnp.nan)


def asymmetric_laplace(p: Any) -> Any:
    return p["loc"] + p["scale"] * (1 / p["asymmetry"] - p["asymmetry"])


def beta(p: Any) -> Any:
    return p["a"] / (p["a"] + p["b"])


def beta_binomial(p: Any, trials: Any) -> Any:
    return trials * p["probability"]


def birnbaum_saunders(p: Any) -> Any:
    return p["scale"] * (1 + 0.5 * p["shape"] ** 2)


def burr12(p: Any) -> Any:
    c, d = floating(p["shape1"]), floating(p["shape2"])
    return p["scale"] * finite(c * d > 1, lambda c, d: d * jnp.exp(special.betaln(d - 1 / c, 1 + 1 / c)), c, d)


def chi(p: Any) -> Any:
    return p["scale"] * jnp.sqrt(p["df"]) * jnp.exp(special.log_rising(0.5, 2 / floating(p["df"])))


def exponentiated_weibull(p: Any) -> Any:
    power, shape = floating(p["power"]), floating(p["shape"])
    moment = over_positive(
        lambda s: jnp.exp(special.xlogy(1 / shape, s) + (power - 1) * special.log1mexp(-jnp.maximum(s, 1e-300)) - s)
    )
    return p["scale"] * power * moment


def frechet(p: Any) -> Any:
    return p["scale"] * finite(p["shape"] > 1, lambda a: jnp.exp(special.gammaln(1 - 1 / a)), floating(p["shape"]))


def generalized_gamma(p: Any) -> Any:
    shape = floating(p["shape"])
    return p["scale"] * jnp.exp(special.gammaln(shape + 1 / p["power"]) - special.gammaln(shape))


def gev(p: Any) -> Any:
    """(Gamma(1 - shape) - 1) / shape, by the series of log Gamma near 0."""
    shape = floating(p["shape"])
    small = jnp.abs(shape) < 1e-3
    k = jnp.where(shape < 1, jnp.where(small, 0.5, shape), 0.5)
    s = jnp.where(small, shape, 0)
    ratio = jnp.where(small, sum(c * s**j for j, c in enumerate(_ZETAS)), special.gammaln(1 - k) / k)
    log = ratio * jnp.where(small, s, k)
    return p["loc"] + p["scale"] * jnp.where(shape < 1, ratio * special.expm1_ratio(log), jnp.nan)


def gompertz(p: Any) -> Any:
    shape = floating(p["shape"])
    return p["scale"] * over_positive(lambda s: jnp.exp(-s) / (shape + s))


def gpd(p: Any) -> Any:
    return p["scale"] * finite(p["shape"] < 1, lambda a: 1 / (1 - a), floating(p["shape"]))


def gumbel(p: Any) -> Any:
    return p["loc"] + EULER * p["scale"]


def gumbel_min(p: Any) -> Any:
    return p["loc"] - EULER * p["scale"]


def half_normal(p: Any) -> Any:
    return math.sqrt(2 / np.pi) * floating(p["scale"])


def johnson_su(p: Any) -> Any:
    return p["loc"] - p["scale"] * jnp.exp(0.5 / p["delta"] ** 2) * jnp.sinh(p["gamma"] / p["delta"])


def kumaraswamy(p: Any) -> Any:
    return p["b"] * jnp.exp(special.betaln(1 + 1 / floating(p["a"]), floating(p["b"])))


def log_logistic(p: Any) -> Any:
    return p["scale"] * finite(p["shape"] > 1, lambda a: 1 / jnp.sinc(1 / a), floating(p["shape"]))


def logarithmic(p: Any) -> Any:
    share = floating(p["probability"])
    return -share / ((1 - share) * jnp.log1p(-share))


def logit_normal(p: Any) -> Any:
    z = jnp.asarray(_LINE, jnp.result_type(float))
    return jnp.sum(jax.nn.sigmoid(p["loc"] + p["scale"] * z) * jnp.exp(-0.5 * z * z)) / (64 * math.sqrt(2 * np.pi))


def lomax(p: Any) -> Any:
    """Of lomax and of the inverse gamma."""
    return p["scale"] * finite(p["shape"] > 1, lambda a: 1 / (a - 1), floating(p["shape"]))


def nakagami(p: Any) -> Any:
    return p["scale"] * jnp.exp(special.log_rising(0.5, 1 / floating(p["shape"])))


def pareto(p: Any) -> Any:
    return p["scale"] * finite(p["shape"] > 1, lambda a: a / (a - 1), floating(p["shape"]))


def rayleigh(p: Any) -> Any:
    return math.sqrt(0.5 * np.pi) * floating(p["scale"])


def skellam(p: Any) -> Any:
    return floating(p["mean1"]) - p["mean2"]


def skew_normal(p: Any) -> Any:
    shape = floating(p["shape"])
    return p["loc"] + p["scale"] * math.sqrt(2 / np.pi) * shape / jnp.sqrt(1 + shape * shape)


def triangular(p: Any) -> Any:
    return (1 + floating(p["mode"])) / 3


def uniform(p: Any) -> Any:
    return 0.5 * (floating(p["lower"]) + p["upper"])


def zeta(p: Any) -> Any:
    return finite(
        p["shape"] > 2, lambda s: jnp.exp(special.log_zeta(s - 1) - special.log_zeta(s)), floating(p["shape"])
    )
