# %% [markdown]
# # Overdispersed counts
#
# Mites on leaves and accidents at work: more zeros and more large counts than a Poisson predicts.
#
# European red mites on 150 apple leaves (Bliss and Fisher 1953, *Biometrics* 9, 176-200), and accidents of 647 women
# making shells in five weeks (Greenwood and Yule 1920, *Journal of the Royal Statistical Society* 83, 255-279). A table of
# counts is values and weights: 70 leaves with no mite are one row of weight 70.

# %%
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io, plot

mites = pl.read_csv(io.example("mites.csv")).rename({"mites": "count", "leaves": "weight"})
accidents = pl.read_csv(io.example("accidents.csv")).rename({"accidents": "count", "women": "weight"})
both = {"mites": mites, "accidents": accidents}
table = pl.concat([t.select("count", "weight", of=pl.lit(name)) for name, t in both.items()])
data = {"weights": table["weight"].to_numpy(), "groups": table["of"].to_list()}
poisson = jm.fit_many("poisson", table["count"].to_numpy(), **data)
wide = jm.fit_many("negative_binomial", table["count"].to_numpy(), **data)
print(wide.summary())
print()
print(jm.likelihood_ratio(poisson, wide))
assert abs(wide["mites"].log_likelihood - -222.437) < 1e-3

# %% [markdown]
# The negative binomial has variance mean + dispersion × mean². Its AIC is lower by
# {{ (poisson.aic - wide.aic)[0]:.0f }} for the mites and {{ (poisson.aic - wide.aic)[1]:.0f }} for the
# accidents: mites cluster, and some women have more accidents than others.

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axes, fits in zip(panels, (poisson, wide), strict=True):
    plot.density(fits["mites"], ax=axes)
    axes.set(xlabel="mites on a leaf")

# %% [markdown]
# If each woman has a Poisson number of accidents, and the rates of the women have a gamma distribution, the counts are negative binomial.
# Greenwood and Yule called this accident proneness. It cannot be distinguished by these counts from accidents that make further
# accidents more likely: both lead to the same distribution.
#
# The last cell of the accidents is really "5 or more", here taken as 5. Data with `"lower"` and `"upper"` state it exactly
# (lower 4, upper infinite), like [lifetimes that are still running](05_remission.md).
