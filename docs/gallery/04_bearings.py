# %% [markdown]
# # How long do ball bearings last?
#
# Twenty-three bearings, three lifetime distributions, and what each says about early failures.
#
# Millions of revolutions until failure (Lieblein and Zelen 1956, *Journal of Research of the National Bureau of
# Standards* 57, 273-316). Catalogues print the life that nine bearings in ten survive.

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
# Bearings age. The data of 23 bearings do not decide between Weibull and lognormal, but the two differ for early failures:

# %%
for name in ("weibull", "lognormal"):
    print(f"{name:10} nine in ten survive:", fits[name].quantile(0.1))

# %%
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True, layout="constrained")
for axes, name in zip(panels, ("weibull", "exponential"), strict=True):
    plot.qq(fits[name], ax=axes)

# %% [markdown]
# A QQ plot shows the sorted data against the quantiles of the fit. The band shows where they would lie if the model were right: 500
# samples are drawn from each fit, and each is refitted. The exponential leaves its band: it predicts too many early failures and too
# many long lives.
#
# ## The likelihood of a Weibull

# %%
axes = plot.contours(fits["weibull"])

# %% [markdown]
# The picture shows the log-likelihood over shape and scale, and the {{ fits["weibull"].steps }} steps of Newton's method. The contours are
# confidence regions of 50, 90 and 95 %: drops of half a chi-square quantile.
