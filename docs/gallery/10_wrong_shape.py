# %% [markdown]
# # A wrong shape, seen and handled
#
# A Poisson for counts that are not Poisson: the estimate survives, its standard error does not.
#
# Maximum likelihood with a wrong model still estimates something: the law of that family closest to the truth, in the
# sense of Kullback and Leibler (White 1982, *Econometrica* 50, 1-25). For a Poisson that is the right mean. But the usual
# standard error believes the model's variance. The mites of Bliss and Fisher again, 150 apple leaves:

# %%
from statistics import NormalDist

import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io

table = pl.read_csv(io.example("mites.csv"))
mites = np.repeat(table["mites"].to_numpy(), table["leaves"].to_numpy())
poisson = jm.fit("poisson", mites)
wide = jm.fit("negative_binomial", mites)
believed = float(poisson.standard_errors("observed")["mean"])
robust = float(poisson.standard_errors("robust")["mean"])
print(f"mean {poisson.params['mean']:.4f}")
print(f"standard error, if the model is right    {believed:.4f}")
print(f"standard error, right or wrong (robust)  {robust:.4f}")
assert abs(robust - mites.std() / np.sqrt(len(mites))) < 1e-10

# %% [markdown]
# The robust (sandwich) error is {{ robust / believed:.2f }} times as large. When the model is right the two agree up to
# chance: a ratio far from 1 is a test of the shape. (For a mean it is the textbook's standard deviation over $\sqrt n$.)
#
# ## See it
#
# Randomized quantile residuals are standard normal where the model is right, for counts too (Dunn and Smyth 1996,
# *Journal of Computational and Graphical Statistics* 5, 236-244).

# %%
n = len(mites)
theory = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (name, fit) in zip(axes, {"Poisson": poisson, "negative binomial": wide}.items(), strict=True):
    ax.plot(theory, np.sort(fit.residuals()), "o", ms=4)
    ax.plot([-3, 3], [-3, 3], color="0.6", lw=1, zorder=0)
    ax.set(xlabel="standard normal quantiles", title=name)
axes[0].set_ylabel("residuals, sorted")

# %% [markdown]
# The Poisson's residuals are too steep at both ends: too many empty leaves, too many crowded ones.
#
# ## Handle it
#
# Better than to mend the error is to mend the shape. Under the negative binomial the two errors agree:

# %%
print(f"believed {wide.standard_errors('observed')['mean']:.4f}, robust {wide.standard_errors('robust')['mean']:.4f}")
print(jm.likelihood_ratio(poisson, wide))
