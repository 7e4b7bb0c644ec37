# %% [markdown]
# # How long do ball bearings last?
#
# Twenty-three bearings, three laws of lifetime, and what each says about early failures.
#
# Millions of revolutions until failure (Lieblein and Zelen 1956, *Journal of Research of the National Bureau of
# Standards* 57, 273-316). The life that nine bearings in ten survive is what a catalogue prints.

# %%
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io

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
n = len(revolutions)
x = np.linspace(1, 190, 300)
shares = (np.arange(1, n + 1) - 0.5) / n
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(np.sort(revolutions), shares, "o", color="0.4", ms=4, label="bearings")
for name, fit in fits.items():
    left.plot(x, fit.cdf(x).value, label=name)
    right.plot(fit.quantile(shares).value, np.sort(revolutions), "o", ms=4, label=name)
right.plot([0, 200], [0, 200], color="0.6", lw=1, zorder=0)
left.set(xlabel="million revolutions", ylabel="share that failed", title="Distribution functions")
right.set(xlabel="quantiles of the fit", ylabel="bearings, sorted", title="QQ plot")
left.legend()

# %% [markdown]
# The exponential leaves the line at both ends: too many early failures, and too many that last for ever.
