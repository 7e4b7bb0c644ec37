# %% [markdown]
# # A wrong model, seen and handled
#
# A Poisson for counts that are not Poisson: the estimate is still right, its standard error is not.
#
# Maximum likelihood with a wrong model still estimates something: the member of the family with the smallest Kullback-Leibler
# divergence from the true distribution (White 1982, *Econometrica* 50, 1-25). For a Poisson that is the right mean. But the usual
# standard error assumes the model's variance. The mites of Bliss and Fisher again, 150 apple leaves:

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
assumed = float(poisson.standard_errors("observed")["mean"])
robust = float(poisson.standard_errors("robust")["mean"])
print(f"mean {poisson.params['mean']:.4f}")
print(f"standard error, if the model is right    {assumed:.4f}")
print(f"standard error, right or wrong (robust)  {robust:.4f}")
assert abs(robust - mites.std() / np.sqrt(len(mites))) < 1e-10

# %% [markdown]
# The robust (sandwich) error is {{ robust / assumed:.2f }} times as large. When the model is right the two agree up to
# sampling error, so a ratio far from 1 is evidence against the model. (For a mean it is the textbook's standard deviation over $\sqrt n$.)
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
# The points of the Poisson leave the line at both ends: there are too many empty leaves and too many crowded ones. (`plot.qq` can draw a
# band by refitting 500 samples: `band="pointwise"`.)
#
# ## Handle it
#
# It is better to change the model than the standard error. Under the negative binomial the two standard errors agree:

# %%
print(f"observed {wide.standard_errors('observed')['mean']:.4f}, robust {wide.standard_errors('robust')['mean']:.4f}")
