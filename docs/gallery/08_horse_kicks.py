# %% [markdown]
# # Horse kicks: a maximum on the boundary
#
# Famous Poisson data, and a negative binomial whose best dispersion is 0.
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
# The variance lies just below the mean. The variance of a negative binomial is mean + dispersion × mean², so its likelihood increases
# as the dispersion decreases, down to 0.

# %%
wide = jm.fit("negative_binomial", deaths, weights=years)
print(wide.summary())
assert not wide.converged
assert wide.params["dispersion"] == 0
assert abs(wide.log_likelihood - poisson.log_likelihood) < 1e-9

# %% [markdown]
# Many programs stop there with a tiny dispersion, a meaningless standard error, and the word "converged". jaxmle recognizes that the
# maximum is on the boundary, reports the limit (dispersion exactly 0, the Poisson), and gives no standard error because none
# exists. The log-likelihood can still be used to compare models.

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
right.set(
    xscale="log", xlabel="dispersion", ylabel="log-likelihood, mean at its best", title="No maximum, only a limit"
)
right.legend()
