# %% [markdown]
# # A score worked out by hand
#
# Derivatives by hand go wrong. `jm.check` compares them with the exact ones, and says what is wrong.
#
# The score is the derivative of the log-likelihood with respect to the parameters. For a Weibull distribution with
# $z = x / \mathrm{scale}$ the log-density is
#
# $$\log f = \log k - \log s + (k - 1) \log z - z^k ,$$
#
# where $k$ is the shape and $s$ the scale. Someone has worked out both derivatives:

# %%
import jax.numpy as jnp
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io


def log_likelihood(params, x):
    k, s = params["shape"], params["scale"]
    return jnp.log(k / s) + (k - 1) * jnp.log(x / s) - (x / s) ** k


def score(params, x):
    k, s = params["shape"], params["scale"]
    z = x / s
    return {
        "shape": jnp.log(z) - z**k * jnp.log(z),
        "scale": k / s * (z**k - 1),
    }


weibull = jm.Model(log_likelihood, {"shape": jm.spaces.positive, "scale": jm.spaces.positive})
x = pl.read_csv(io.example("ball_bearings.csv"))["revolutions"].to_numpy()
report = jm.check(weibull, {"shape": 1.5, "scale": 70.0}, x, score=score)
print(report)
assert not report.ok

# %% [markdown]
# The derivative in the scale is right to the last digits. In that of the shape a term is missing, and the report says which: the
# derivative of $\log k$. A wrong sign, a wrong factor, swapped entries and another parametrization are named in the same way.
# Corrected:


# %%
def corrected(params, x):
    k, s = params["shape"], params["scale"]
    z = x / s
    return {"shape": 1 / k + jnp.log(z) - z**k * jnp.log(z), "scale": k / s * (z**k - 1)}


report = jm.check(weibull, {"shape": 1.5, "scale": 70.0}, x, score=corrected)
assert report.ok
print(str(report).splitlines()[1])

# %% [markdown]
# Why a wrong score matters: an optimizer stops where the score is 0, and the wrong score is 0 elsewhere.

# %%
k = np.linspace(0.8, 3.2, 200)
right, wrong = ([float(np.sum(f({"shape": a, "scale": 81.88}, x)["shape"])) for a in k] for f in (corrected, score))
fit = jm.fit(weibull, x)
figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.plot(k, right, label="the score")
axes.plot(k, wrong, ls="--", label="with a term forgotten")
axes.axhline(0, color="0.6", lw=1)
axes.plot(float(fit.params["shape"]), 0, "o", color="C0", label="the maximum")
axes.set(xlabel="shape, at scale 81.88", ylabel="score of the shape")
axes.legend()
