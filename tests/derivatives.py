"""Three models with scores and Hessians derived by hand."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln

from jaxmle import spaces
from jaxmle.model.model import Model

RNG = np.random.default_rng(20)
N = 24


# --- three models with hand-derived scores and Hessians ------------------------------------------------------


def normal_log_likelihood(params, d):
    z = (d["y"] - d["x"] @ params["beta"]) / params["scale"]
    return -0.5 * jnp.log(2 * jnp.pi) - jnp.log(params["scale"]) - 0.5 * z**2


def normal_start(d, w):
    root = jnp.sqrt(w)
    beta = jnp.linalg.lstsq(d["x"] * root[:, None], d["y"] * root)[0]
    return {"beta": beta, "scale": jnp.sqrt(jnp.sum(w * (d["y"] - d["x"] @ beta) ** 2) / jnp.sum(w))}


def normal_simulate(key, params, d):
    return {**d, "y": d["x"] @ params["beta"] + params["scale"] * jax.random.normal(key, d["y"].shape)}


def normal_information(params, d):
    s, n = params["scale"], len(d["y"])
    out = jnp.zeros((n, 3, 3)).at[:, :2, :2].set(d["x"][:, :, None] * d["x"][:, None, :] / s**2)
    return out.at[:, 2, 2].set(2 / s**2)


NORMAL = Model(
    normal_log_likelihood,
    {"beta": spaces.real(shape=2), "scale": spaces.positive},
    start=normal_start,
    simulate=normal_simulate,
    information=normal_information,
    name="normal regression",
)
X = np.stack([np.ones(N), RNG.normal(size=N)], axis=1)
NORMAL_DATA = {"x": X, "y": X @ [1.0, 2.0] + RNG.normal(size=N)}
NORMAL_AT = {"beta": np.array([0.8, 2.1]), "scale": 1.2}


def normal_score(params, d):
    r, s = d["y"] - d["x"] @ params["beta"], params["scale"]
    return {"beta": d["x"].T @ r / s**2, "scale": (r**2).sum() / s**3 - len(r) / s}


def normal_hessian(params, d):
    x, r, s = np.asarray(d["x"]), np.asarray(d["y"] - d["x"] @ params["beta"]), float(params["scale"])
    out = np.zeros((3, 3))
    out[:2, :2] = -x.T @ x / s**2
    out[:2, 2] = out[2, :2] = -2 * x.T @ r / s**3
    out[2, 2] = len(r) / s**2 - 3 * (r**2).sum() / s**4
    return out


def gamma_log_likelihood(params, x):
    k, s = params["shape"], params["scale"]
    return (k - 1) * jnp.log(x) - x / s - gammaln(k) - k * jnp.log(s)


def gamma_simulate(key, params, x):
    return params["scale"] * jax.random.gamma(key, params["shape"], x.shape)


GAMMA = Model(gamma_log_likelihood, {"shape": spaces.positive, "scale": spaces.positive}, simulate=gamma_simulate)
GAMMA_DATA = RNG.gamma(2.5, 1.5, size=N)
GAMMA_AT = {"shape": 2.2, "scale": 1.7}


def gamma_score(params, x):
    k, s = params["shape"], params["scale"]
    return {"shape": jnp.log(x).sum() - len(x) * (digamma(k) + jnp.log(s)), "scale": x.sum() / s**2 - len(x) * k / s}


def gamma_hessian(params, x):
    k, s, n = params["shape"], params["scale"], len(x)
    cross = -n / s
    return {
        "shape": {"shape": -n * jax.scipy.special.polygamma(1, k), "scale": cross},
        "scale": {"shape": cross, "scale": n * k / s**2 - 2 * x.sum() / s**3},
    }


def weibull_log_likelihood(params, x):
    k, s = params["shape"], params["scale"]
    return jnp.log(k / s) + (k - 1) * jnp.log(x / s) - (x / s) ** k


WEIBULL = Model(weibull_log_likelihood, {"shape": spaces.positive, "scale": spaces.positive})
WEIBULL_DATA = 30.0 * RNG.weibull(1.4, size=N)
WEIBULL_AT = {"shape": 1.3, "scale": 33.0}


def weibull_contributions(params, x):
    """One row of scores for each observation, in the order scale, shape."""
    k, s = params["shape"], params["scale"]
    z = np.asarray(x / s)
    return np.stack([-k / s + k / s * z**k, 1 / k + np.log(z) - z**k * np.log(z)], axis=1)


def weibull_hessian(params, x):
    k, s, n = float(params["shape"]), float(params["scale"]), len(x)
    z = np.asarray(x) / s
    cross = -n / s + (z**k * (1 + k * np.log(z))).sum() / s
    scale = n * k / s**2 - k * (k + 1) / s**2 * (z**k).sum()
    return np.array([[scale, cross], [cross, -n / k**2 - (z**k * np.log(z) ** 2).sum()]])


CASES = {
    "normal": (NORMAL, NORMAL_AT, NORMAL_DATA, normal_score, normal_hessian),
    "gamma": (GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score, gamma_hessian),
    "weibull": (WEIBULL, WEIBULL_AT, WEIBULL_DATA, weibull_contributions, weibull_hessian),
}


def message(report):
    """The messages of all rows that did not pass, with their names."""
    return "\n".join(f"{r['name']}: {r['message']}" for r in report.rows if r["verdict"] in ("fail", "warn"))
