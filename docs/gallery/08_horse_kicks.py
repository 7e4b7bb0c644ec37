# %% [markdown]
# # Horse kicks: a maximum on the boundary
#
# The most famous Poisson data of all, and what happens when one asks them for overdispersion.
#
# Deaths by horse kick in ten corps of the Prussian army over twenty years (Bortkiewicz 1898, *Das Gesetz der kleinen
# Zahlen*).

# %%
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io

table = pl.read_csv(io.example("horse_kicks.csv"))
deaths, years = table["deaths"].to_numpy(), table["corps_years"].to_numpy()
poisson = jm.fit("poisson", deaths, weights=years)
print(poisson.summary())
mean = float(poisson.params["mean"])
variance = float(np.average((deaths - mean) ** 2, weights=years))
print(f"\nmean {mean:.4f}, variance {variance:.4f}")

# %% [markdown]
# The variance lies just below the mean. A negative binomial, whose variance is mean + dispersion × mean², can only lose:
# its likelihood rises as the dispersion falls, all the way to 0.

# %%
wide = jm.fit("negative_binomial", deaths, weights=years)
print(wide.summary())
assert not wide.converged
assert wide.params["dispersion"] == 0
assert abs(wide.log_likelihood - poisson.log_likelihood) < 1e-9

# %% [markdown]
# Many programs stop there with a tiny dispersion, a standard error that means nothing, and the word "converged". jaxmle
# follows the direction that the steps keep, recognizes a tail, reports the limit (dispersion exactly 0, the Poisson), and
# gives no standard error because none exists. The log-likelihood is still good for comparing models.

# %%
dispersion = np.geomspace(1e-4, 1, 200)[:, None]  # whatever it is, the best mean is the average
profile = jm.distributions.negative_binomial.logpdf({"mean": mean, "dispersion": dispersion}, deaths) @ years
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.bar(deaths, years, color="0.8", label="corps-years")
left.plot(
    deaths, years.sum() * np.exp(jm.distributions.poisson.logpdf({"mean": mean}, deaths)), "o-", lw=1, label="Poisson"
)
left.set(xlabel="deaths in a year", ylabel="corps-years")
left.legend()
right.plot(dispersion, profile)
right.axhline(float(poisson.log_likelihood), color="C1", ls="--", label="Poisson, dispersion 0")
right.set(xscale="log", xlabel="dispersion", ylabel="log-likelihood, mean at its best", title="No top, only a limit")
right.legend()
