# %% [markdown]
# # A coin
#
# Seven heads in ten tosses. Which probability of heads makes that most probable?
#
# The probability of the ten tosses, seen as a function of the unknown $p$, is the likelihood
# $L(p) = p^7 (1 - p)^3$. The maximum likelihood estimate is the $p$ at its peak.

# %%
import numpy as np
from matplotlib import pyplot as plt

import jaxmle as jm

tosses = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1]
coin = jm.fit("bernoulli", tosses)
print(coin.summary())
assert abs(coin.params["probability"] - 7 / 10) < 1e-12

# %% [markdown]
# The estimate is the proportion of heads, {{ coin.params["probability"]:.1f }}. The likelihood is a product of ten numbers below
# 1, here {{ np.exp(coin.log_likelihood):.5f }} at its peak; with ten thousand tosses it would be too small for a
# computer. Its logarithm is a sum, has its maximum at the same place, and does not underflow.
#
# How precise is the estimate? Every $p$ whose log-likelihood lies less than 1.92 below the maximum is in the 95 % likelihood
# interval; 1.92 is half the 95 % point of a chi-square with one degree of freedom.

# %%
interval = coin.interval(method="profile")
low, high = float(interval.lower["probability"]), float(interval.upper["probability"])
print(f"likelihood interval {low:.3f} to {high:.3f}")

p = np.linspace(0.15, 0.99, 300)
log_likelihood = 7 * np.log(p) + 3 * np.log1p(-p)
top = float(coin.log_likelihood)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(p, np.exp(log_likelihood))
left.plot(0.7, np.exp(top), "o")
left.set(xlabel="probability of heads p", ylabel="likelihood", title="A product ...")
right.plot(p, log_likelihood)
right.plot(0.7, top, "o")
right.hlines(top - 1.92, low, high, color="C1", lw=4, alpha=0.6, label="95 % interval")
right.annotate("", (0.7, top), (0.7, top - 1.92), arrowprops={"arrowstyle": "<->"})
right.text(0.71, top - 1.1, "1.92")
right.set(
    xlabel="probability of heads p",
    ylabel="log-likelihood",
    ylim=(top - 6, top + 0.6),
    title="... and its logarithm, a sum",
)
right.legend(loc="lower center")

# %% [markdown]
# ## No heads at all
#
# Twenty tosses without heads have their maximum at $p = 0$, on the boundary. The slope is not 0 there, so there
# is no standard error. jaxmle says so, and gives the one-sided likelihood interval instead.

# %%
none = jm.fit("bernoulli", np.zeros(20))
print(none.message())
print(f"one-sided interval [0, {float(none.interval().upper['probability']):.4f}]")
