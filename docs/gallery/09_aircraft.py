# %% [markdown]
# # Thirteen aircraft: one rate or many?
#
# A falling failure rate that is not one: what pooling does, and how to see it.
#
# Hours between failures of the air-conditioning of 13 Boeing 720s (Proschan 1963, *Technometrics* 5, 375-383). Pooled,
# the Weibull shape is below 1: as if old systems failed less often than new ones.

# %%
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io

table = pl.read_csv(io.example("air_conditioning.csv"))
hours, plane = table["hours"].to_numpy().astype(float), table["plane"].to_numpy()
pooled = jm.fit("weibull", hours)
print(pooled.summary())
assert abs(pooled.log_likelihood - -1177.585) < 1e-3

# %% [markdown]
# Now a constant rate for each aircraft, all thirteen in one call, against one rate for all:

# %%
each = jm.fit_many("exponential", hours, groups=plane)
one = jm.fit("exponential", hours)
print(jm.likelihood_ratio(one, each))

# %%
order = np.argsort(each.params["rate"])
rate, interval = 1000 * each.params["rate"], each.interval()
low, high = 1000 * interval.lower["rate"], 1000 * interval.upper["rate"]
place = np.arange(13)
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
axes.hlines(place, low[order], high[order], lw=2.5, alpha=0.5)
axes.plot(rate[order], place, "o")
axes.axvline(1000 * float(one.params["rate"]), color="C1", ls="--", label="one rate for all")
axes.set_yticks(place, [str(k) for k in np.asarray(each.keys)[order]])
axes.set(xlabel="failures in 1000 hours (95 % intervals)", ylabel="aircraft", xlim=(0, None))
axes.legend()

# %% [markdown]
# The rates differ. A mixture of aircraft, each with a constant rate, looks like a rate that falls: the bad ones fail
# early and often, and what is left among the long intervals are the good ones. That was Proschan's discovery.
