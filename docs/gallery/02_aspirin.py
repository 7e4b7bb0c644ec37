# %% [markdown]
# # An A/B test: aspirin and heart attacks
#
# Two groups, two proportions. Do they differ, and by how much?
#
# The Physicians' Health Study gave 22 071 physicians aspirin or a placebo every other day and counted heart attacks
# (Steering Committee 1989, *New England Journal of Medicine* 321, 129-135). The same arithmetic serves any A/B test.

# %%
import polars as pl

import jaxmle as jm
from jaxmle import io, plot
from jaxmle.compare import two_groups

table = pl.read_csv(io.example("aspirin.csv"))
print(table)
arms = {"successes": table["attacks"].to_numpy(), "trials": table["physicians"].to_numpy()}

# %% [markdown]
# `fit_many` estimates one probability for each group, `fit` one for both. Twice the difference of their log-likelihoods
# is the likelihood-ratio statistic.

# %%
each = jm.fit_many("binomial", arms, groups=table["group"].to_list())
both = jm.fit("binomial", arms)
test = jm.likelihood_ratio(both, each)
print(test)
assert abs(test.statistic - 25.372) < 1e-3

# %% [markdown]
# If aspirin did nothing, a statistic above 3.84 would be seen once in twenty studies; here it is
# {{ float(test.statistic):.1f }}. The size of the effect, with 95 % intervals:

# %%
contrast = two_groups(each)
print(contrast)

# %%
interval = each.interval()
assert interval.upper["probability"][0] < interval.lower["probability"][1]
axes = plot.forest(each, reference=both)
# %% [markdown]
# The intervals of the two groups do not overlap. (Where two 95 % intervals overlap a little, the groups may still differ: look at
# the test, not at the overlap.)
