# %% [markdown]
# # How long do ball bearings last?
#
# Twenty-three bearings, three laws of lifetime, and what each says about early failures.
#
# Millions of revolutions until failure (Lieblein and Zelen 1956, *Journal of Research of the National Bureau of
# Standards* 57, 273-316). The life that nine bearings in ten survive is what a catalogue prints.

# %%
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io, plot

revolutions = pl.read_csv(io.example("ball_bearings.csv"))["revolutions"].to_numpy()
fits = {name: jm.fit(name, revolutions) for name in ("weibull", "lognormal", "exponential")}
print(fits["weibull"].summary())
assert abs(fits["weibull"].log_likelihood - -113.691) < 1e-3

# %% [markdown]
# The exponential is the Weibull with shape 1: bearings that do not age. That can be tested.

# %%
print(jm.likelihood_ratio(fits["exponential"], fits["weibull"]))
print()
print(jm.compare(fits, "aicc"))

# %% [markdown]
# Bearings age. Between Weibull and lognormal 23 bearings cannot decide, and yet the two disagree where it matters:

# %%
for name in ("weibull", "lognormal"):
    print(f"{name:10} nine in ten survive:", fits[name].quantile(0.1))

# %%
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True, layout="constrained")
for axes, name in zip(panels, ("weibull", "exponential"), strict=True):
    plot.qq(fits[name], ax=axes)

# %% [markdown]
# In a QQ plot the sorted data stand against the quantiles of the fit. The band says where a right law would put them:
# 500 samples are drawn from each fit, and each is refitted. The exponential leaves its band: too many early failures
# promised, and too many bearings that last for ever.
#
# ## The likelihood of a Weibull

# %%
axes = plot.contours(fits["weibull"])

# %% [markdown]
# The log-likelihood is a hill over shape and scale. Newton's path climbs it in {{ fits["weibull"].steps }} steps; the
# contours are drops of half a chi-square quantile, regions of 50, 90 and 95 %.
