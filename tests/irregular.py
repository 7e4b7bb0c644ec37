"""Models and data whose maximum is not regular, and the regular ones nearest to them."""

import jax
import jax.numpy as jnp
import numpy as np
from cases import gaussian, logistic_log_likelihood, rng

import jaxmle as jm
from jaxmle import spaces


def regression_log_likelihood(params, data):
    return gaussian(data["y"] - params["a"] * data["u"] - params["b"] * data["v"], params["scale"])


def free_mixture_log_likelihood(params, x):
    parts = jnp.log(0.5) + gaussian(x[:, None] - params["loc"], params["scale"])
    return jax.nn.logsumexp(parts, axis=1)


def collapsing_start(x, weights):
    return {"loc": jnp.stack([x[0], jnp.mean(x)]), "scale": jnp.stack([1e-3 * jnp.std(x), jnp.std(x)])}


def reversed_log_likelihood(params, x):
    return 0.5 * (x - params["loc"]) ** 2


LOGISTIC = {
    p: jm.Model(logistic_log_likelihood, {"beta": spaces.real(shape=p)}, name=f"logistic {p}") for p in (1, 2, 4)
}
TWICE = jm.Model(regression_log_likelihood, {"a": spaces.real, "b": spaces.real, "scale": spaces.positive})
COLLAPSE = jm.Model(
    free_mixture_log_likelihood,
    {"loc": spaces.real(shape=2), "scale": spaces.positive(shape=2)},
    start=collapsing_start,
)
REVERSED = jm.Model(reversed_log_likelihood, {"loc": spaces.real})


def separated(p, n, seed=0):
    x = rng(seed).normal(size=(n, p))
    x[:, 0] = 1.0
    return {"x": x, "y": (x[:, 1:].sum(1) > 0.1).astype(float)}


def quasi_separated(n, seed=0):
    """Separated but for rows on the border, which have both outcomes."""
    x = np.abs(rng(seed).normal(size=n)) * np.where(np.arange(n) % 2, 1.0, -1.0)
    x[:4] = 0.0
    y = (x > 0).astype(float)
    y[:2] = 1.0
    return {"x": np.stack([np.ones(n), x], axis=1), "y": y}


def light_tails(n, seed=0):
    return rng(seed).uniform(-1.0, 1.0, n)


def twice_the_same(n):
    r = rng(8)
    u = r.normal(size=n)
    return {"u": u, "v": 2.0 * u, "y": u + r.normal(size=n)}


def weibull_log_likelihood(params, x):
    z = x / params["scale"]
    return jnp.log(params["shape"] / params["scale"]) + (params["shape"] - 1) * jnp.log(z) - z ** params["shape"]


def own_start(x, weights):
    return {"loc": jnp.mean(x), "scale": jnp.std(x)}


def normal_log_likelihood(params, x):
    return gaussian(x - params["loc"], params["scale"])


LOCATION = {"loc": spaces.real, "scale": spaces.positive}
POSITIVE = rng(40).gamma(2.3, 1.7, 200)
TAILED = 1.0 + 2.0 * rng(41).standard_t(4.0, 200)


def exposures_log_likelihood(params, data):
    mean = params["s"] * data["e"] + params["b"] * data["b"]
    return data["n"] * jnp.log(mean) - mean


def exposures():
    r = rng(42)
    e, b = r.uniform(0.5, 2.0, 60), r.uniform(0.5, 2.0, 60)
    return {"n": r.poisson(3 * e + 5 * b).astype(float), "e": e, "b": b}


def variances_log_likelihood(params, data):
    variance = params["v0"] + params["v1"] * data["z"]
    return -0.5 * (jnp.log(variance) + data["y"] ** 2 / variance)


def variances():
    r = rng(43)
    z = r.uniform(0.0, 3.0, 200)
    return {"z": z, "y": np.sqrt(1 + 2 * z) * r.normal(size=200)}


EXPOSURES = jm.Model(exposures_log_likelihood, {"s": spaces.positive, "b": spaces.positive})
VARIANCES = jm.Model(variances_log_likelihood, {"v0": spaces.positive, "v1": spaces.positive})
NORMAL = jm.Model(normal_log_likelihood, LOCATION, start=lambda x, w: {"loc": jnp.mean(x), "scale": 2.0})
