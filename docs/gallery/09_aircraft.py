# %% [markdown]
# # Thirteen aircraft: one rate or many?
#
# Pooled data suggest that the failure rate decreases with age. It does not.
#
# Hours between failures of the air-conditioning of 13 Boeing 720s (Proschan 1963, *Technometrics* 5, 375-383). The
# Weibull shape of the pooled data is below 1, as if old systems failed less often than new ones.

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
# Compare a constant rate for each aircraft, fitted in one call, with one rate for all:

# %%
each = jm.fit_many("exponential", hours, groups=plane)
one = jm.fit("exponential", hours)
print(jm.likelihood_ratio(one, each))

# %%
axes = plot.forest(each, reference=one)

# %% [markdown]
# The rates differ. A mixture of aircraft with different constant rates looks like a decreasing rate: short intervals come mostly from the
# bad aircraft, and long ones from the good ones. That was Proschan's discovery.
