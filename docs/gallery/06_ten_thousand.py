# %% [markdown]
# # Ten thousand gamma fits at once
#
# One call, one compilation, ten thousand answers, each with its own verdict.
#
# A plant records 50 waiting times for each of 10 000 machines, and each machine gets a gamma distribution of its own. Here the data are
# simulated, so the ten thousand estimates can be compared with the true parameters.

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
# The second call, with nothing left to compile, took {{ 1000 * seconds:.0f }} ms on the computer that built this page.
#
# Each fit has standard errors. Are they right? The ten thousand values of $(\hat\theta - \theta) / \mathrm{se}$ should look standard
# normal, and 95 % of the intervals should contain the true shape.

# %%
shape, error = fits.params["shape"], fits.standard_errors()["shape"]
interval = fits.interval()
covered = np.mean((interval.lower["shape"] < 2.5) & (interval.upper["shape"] > 2.5))
print(f"shape: mean {shape.mean():.3f}, standard deviation {shape.std():.3f}, mean standard error {error.mean():.3f}")
print(f"{100 * covered:.1f} % of the 95 % intervals contain the true shape")
assert 0.93 < covered < 0.97

# %% [markdown]
# With 50 rows the estimates are too high by {{ 100 * (shape.mean() / 2.5 - 1):.0f }} % on average: maximum likelihood is consistent, but biased in
# small samples. The bias is small compared with the standard error of one fit, and decreases like $1/n$.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.hist(shape, bins=60, color="C0", alpha=0.8)
left.axvline(2.5, color="C1", label="the truth")
left.set(xlabel="estimated shape", ylabel="machines", title="Ten thousand estimates")
left.legend()
right.scatter(shape, fits.params["scale"], s=2, alpha=0.25, lw=0, rasterized=True)
right.plot(2.5, 8.0, "o", color="C1")
right.set(xlabel="estimated shape", ylabel="estimated scale", title="Only shape × scale, the mean, is known well")

# %% [markdown]
# ## One bad data set
#
# A stuck sensor sends the same value fifty times. Its likelihood has no maximum. Its verdict says so, and the other machines are not
# affected.

# %%
hours[17] = 3.0
again = jm.fit_many("gamma", hours)
print(again.status_counts())
print(again.message(17))
others = np.arange(10_000) != 17
assert np.array_equal(again.params["shape"][others], shape[others])
