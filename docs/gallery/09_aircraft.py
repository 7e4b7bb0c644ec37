# %% [markdown]
# # Thirteen aircraft: one rate or many?
#
# A falling failure rate that is not one: what pooling does, and how to see it.
#
# Hours between failures of the air-conditioning of 13 Boeing 720s (Proschan 1963, *Technometrics* 5, 375-383). Pooled,
# the Weibull shape is below 1: as if old systems failed less often than new ones.

# %%
import polars as pl

import jaxmle as jm
from jaxmle import io, plot

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
axes = plot.forest(each, reference=one)

# %% [markdown]
# The rates differ. A mixture of aircraft, each with a constant rate, looks like a rate that falls: the bad ones fail
# early and often, and what is left among the long intervals are the good ones. That was Proschan's discovery.
