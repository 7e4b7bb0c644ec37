"""The models that jaxmle does not ship, written as its users write them: a log-density, spaces, a start."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

import jaxmle as jm
from jaxmle import spaces


def _logistic(params: Any, data: Any) -> Any:
    predictor = data["x"] @ params["beta"]
    return data["y"] * predictor - jnp.logaddexp(0.0, predictor)


def _logistic_start(data: Any, weights: Any) -> Any:
    return {"beta": jnp.zeros(data["x"].shape[-1], data["x"].dtype)}


@functools.cache
def logistic(p: int) -> jm.Model:
    """y in {0, 1} with log-odds x'beta, x[n, p]."""
    return jm.Model(_logistic, {"beta": spaces.real(shape=p)}, start=_logistic_start, name="logistic regression")


def _counts(params: Any, data: Any) -> Any:
    mean = jnp.exp(data["x"] @ params["beta"])
    return jm.distributions.negative_binomial.logpdf({"mean": mean, "dispersion": params["dispersion"]}, data["y"])


def _counts_start(data: Any, weights: Any) -> Any:
    # The column of ones comes first.
    total, y = jnp.sum(weights), data["y"]
    mean = jnp.maximum(jnp.sum(weights * y) / total, 0.1)
    excess = jnp.sum(weights * (y - mean) ** 2) / total / mean**2 - 1 / mean
    beta = jnp.zeros(data["x"].shape[-1], mean.dtype).at[0].set(jnp.log(mean))
    return {"beta": beta, "dispersion": jnp.clip(excess, 0.05, 10.0)}


@functools.cache
def negative_binomial(p: int) -> jm.Model:
    """Counts with mean exp(x'beta), x[n, p - 1] with ones first, and a dispersion: p parameters."""
    space = {"beta": spaces.real(shape=p - 1), "dispersion": spaces.positive}
    return jm.Model(_counts, space, start=_counts_start, name="negative binomial regression")


def _mixture(params: Any, x: Any) -> Any:
    first = jnp.log(params["weight"]) + norm.logpdf(x, params["loc"][0], params["scale"][0])
    second = jnp.log1p(-params["weight"]) + norm.logpdf(x, params["loc"][1], params["scale"][1])
    return jnp.logaddexp(first, second)


def _mixture_start(x: Any, weights: Any) -> Any:
    total = jnp.sum(weights)
    mean = jnp.sum(weights * x) / total
    deviation = jnp.sqrt(jnp.sum(weights * (x - mean) ** 2) / total)
    sides = jnp.array([-0.8, 0.8], x.dtype)
    half = jnp.asarray(0.5, x.dtype)
    return {"loc": mean + deviation * sides, "scale": jnp.full(2, 0.6, x.dtype) * deviation, "weight": half}


MIXTURE = jm.Model(
    _mixture,
    {"loc": spaces.real(shape=2), "scale": spaces.positive(shape=2), "weight": spaces.interval(0.0, 1.0)},
    start=_mixture_start,
    name="two normals",
)


def _garch(params: Any, x: Any) -> Any:
    def day(variance: Any, square: Any) -> Any:
        return params["omega"] + params["alpha"] * square + params["beta"] * variance, variance

    _, variance = jax.lax.scan(day, jnp.mean(x * x), x * x)
    return norm.logpdf(x, 0.0, jnp.sqrt(variance))


def _garch_start(x: Any, weights: Any) -> Any:
    def number(value: Any) -> Any:
        return jnp.asarray(value, x.dtype)

    return {"alpha": number(0.1), "beta": number(0.8), "omega": 0.1 * jnp.mean(x * x)}


GARCH = jm.Model(
    _garch,
    {"alpha": spaces.positive, "beta": spaces.positive, "omega": spaces.positive},
    start=_garch_start,
    observations="ordered",
    name="GARCH(1,1)",
)


def _spot(params: Any, data: Any) -> Any:
    square = (data["column"] - params["column"]) ** 2 + (data["row"] - params["row"]) ** 2
    bright = params["amplitude"] * jnp.exp(-0.5 * square / params["width"] ** 2)
    return norm.logpdf(data["light"], params["offset"] + bright)


def _spot_start(data: Any, weights: Any) -> Any:
    light = data["light"]
    low, high = jnp.min(light), jnp.max(light)
    above = (light - low) / jnp.sum(light - low)
    return {
        "amplitude": high - low,
        "offset": low,
        "width": jnp.asarray(1.0, light.dtype),
        "column": jnp.sum(above * data["column"]),
        "row": jnp.sum(above * data["row"]),
    }


SPOT = jm.Model(
    _spot,
    {
        "amplitude": spaces.positive,
        "offset": spaces.real,
        "width": spaces.positive,
        "column": spaces.real,
        "row": spaces.real,
    },
    start=_spot_start,
    name="Gaussian spot",
)
