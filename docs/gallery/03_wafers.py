# %% [markdown]
# # A factory's error rate
#
# Defects on 25 silicon wafers: the rate, its control limits, and whether one rate is enough.
#
# The counts are those of the NIST/SEMATECH *e-Handbook of Statistical Methods*, section 6.3.3.1. If defects fall
# independently, at the same rate on every wafer, their numbers are Poisson.

# %%
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io

defects = pl.read_csv(io.example("wafers.csv"))["defects"].to_numpy()
rate = jm.fit("poisson", defects)
print(rate.summary())
mean = float(rate.params["mean"])
assert abs(mean - 16) < 1e-12

# %% [markdown]
# The estimate is the average, {{ mean:.0f }} defects a wafer, known to about
# {{ 100 * float(rate.standard_errors()["mean"]) / mean:.0f }} %. The handbook's control limits are the mean plus and minus three
# standard deviations, 4 and 28. A Poisson is not symmetric; quantiles of the fitted distribution are:

# %%
low, high = (float(rate.quantile(q).value) for q in (0.00135, 0.99865))
print(f"99.73 % of all wafers between {low:.0f} and {high:.0f} defects")

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
axes.plot(np.arange(1, 26), defects, "o-", lw=0.8)
axes.axhline(mean, color="0.3", lw=1)
axes.axhspan(low, high, color="C0", alpha=0.1, label="99.73 % of a Poisson's wafers")
axes.set(xlabel="wafer", ylabel="defects", ylim=(0, 38))
axes.legend(loc="upper right")

# %% [markdown]
# Wafer {{ int(defects.argmax()) + 1 }}, with {{ defects.max() }} defects, lies outside these limits and deserves a closer look.
#
# ## Is one rate enough?
#
# If the rate itself changed from wafer to wafer, the counts would scatter more than a Poisson. Give each wafer a rate of
# its own, and ask whether 25 rates explain the counts better than one:

# %%
each = jm.fit_many("poisson", defects, groups=np.arange(25))
test = jm.likelihood_ratio(rate, each)
print(f"variance / mean = {defects.var() / mean:.2f}")
print(test)

# %% [markdown]
# {{ "One rate is not enough" if test.p_value < 0.05 else "There is no strong evidence against one rate" }}: p = {{ float(test.p_value):.3f }}.
# For counts with more variance than a Poisson there are [other distributions](07_counts.md).
