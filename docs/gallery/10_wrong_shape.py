# %% [markdown]
# # A wrong shape, seen and handled
#
# A Poisson for counts that are not Poisson: the estimate survives, its standard error does not.
#
# Maximum likelihood with a wrong model still estimates something: the law of that family closest to the truth, in the
# sense of Kullback and Leibler (White 1982, *Econometrica* 50, 1-25). For a Poisson that is the right mean. But the usual
# standard error believes the model's variance. The mites of Bliss and Fisher again, 150 apple leaves:

# %%
import numpy as np
import polars as pl
from matplotlib import pyplot as plt

import jaxmle as jm
from jaxmle import io, plot

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
figure, panels = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
for axes, fit in zip(panels, (poisson, wide), strict=True):
    plot.qq(fit, ax=axes, band=None)

# %% [markdown]
# The Poisson's points leave the line at both ends: too many empty leaves, too many crowded ones. (`plot.qq` draws a band,
# too, by refitting 500 samples: `band="pointwise"`.)
#
# ## Handle it
#
# Better than to mend the error is to mend the shape. Under the negative binomial the two errors agree:

# %%
print(f"believed {wide.standard_errors('observed')['mean']:.4f}, robust {wide.standard_errors('robust')['mean']:.4f}")
