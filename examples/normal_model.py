"""A model of your own: a straight line with normal errors.

Run it with: jaxmle fit examples/line.csv --model examples/normal_model.py:line
"""

import jax.numpy as jnp
from jax.scipy.stats import norm

import jaxmle as jm


def log_likelihood(params, data):
    """One contribution per row; `data` holds the numeric columns of the file by name."""
    mean = params["intercept"] + params["slope"] * data["x"]
    return norm.logpdf(data["y"], mean, params["scale"])


def start(data, weights):
    """Return a starting point (optional): a flat line through the weighted mean. Weights of padding rows are 0."""
    mean = jnp.average(data["y"], weights=weights)
    spread = jnp.sqrt(jnp.average((data["y"] - mean) ** 2, weights=weights))
    return {"intercept": mean, "slope": jnp.zeros_like(mean), "scale": spread}


line = jm.Model(
    log_likelihood,
    {"intercept": jm.spaces.real, "slope": jm.spaces.real, "scale": jm.spaces.positive},
    start=start,
    name="line",
)
