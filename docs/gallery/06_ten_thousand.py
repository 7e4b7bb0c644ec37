# %% [markdown]
# # Ten thousand gamma fits at once
#
# One call, one compilation, ten thousand answers, each with its own verdict.
#
# A plant logs 50 waiting times for each of 10 000 machines. Every machine gets a gamma law of its own. Here the truth is
# known, so that the ten thousand answers can be held against it.

# %%
import time

import numpy as np
from matplotlib import pyplot as plt

import jaxmle as jm

rng = np.random.default_rng(1)
hours = rng.gamma(2.5, 8.0, size=(10_000, 50))
fits = jm.fit_many("gamma", hours)
began = time.perf_counter()
fits = jm.fit_many("gamma", hours)
seconds = time.perf_counter() - began
print(fits.status_counts())
assert fits.converged.all()

# %% [markdown]
# The second call, with nothing left to compile, took {{ 1000 * seconds:.0f }} ms on the machine that built this page.
#
# Each fit knows its standard errors. Do they tell the truth? In $(\hat\theta - \theta) / \mathrm{se}$ the ten thousand
# should look standard normal, and 95 % of the intervals should hold the true shape.

# %%
shape, error = fits.params["shape"], fits.standard_errors()["shape"]
interval = fits.interval()
covered = np.mean((interval.lower["shape"] < 2.5) & (interval.upper["shape"] > 2.5))
print(f"shape: mean {shape.mean():.3f}, standard deviation {shape.std():.3f}, mean standard error {error.mean():.3f}")
print(f"{100 * covered:.1f} % of the 95 % intervals hold the truth")
assert 0.93 < covered < 0.97

# %% [markdown]
# With 50 rows the estimates are a little too high, by {{ 100 * (shape.mean() / 2.5 - 1):.0f }} %: maximum likelihood is
# consistent, and on small data biased. The bias is small beside the standard error of one fit, and shrinks like $1/n$.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.hist(shape, bins=60, color="C0", alpha=0.8)
left.axvline(2.5, color="C1", label="the truth")
left.set(xlabel="estimated shape", ylabel="machines", title="Ten thousand estimates")
left.legend()
right.scatter(shape, fits.params["scale"], s=2, alpha=0.25, lw=0, rasterized=True)
right.plot(2.5, 8.0, "o", color="C1")
right.set(xlabel="estimated shape", ylabel="estimated scale", title="They trade off along shape × scale = mean")

# %% [markdown]
# ## One bad data set
#
# A sensor that is stuck sends the same value fifty times. Its likelihood has no maximum; the verdict says so, and no
# other machine notices.

# %%
hours[17] = 3.0
again = jm.fit_many("gamma", hours)
print(again.status_counts())
print(again.message(17))
others = np.arange(10_000) != 17
assert np.array_equal(again.params["shape"][others], shape[others])
