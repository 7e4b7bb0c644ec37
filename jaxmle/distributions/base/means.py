"""Expectations: closed forms, else an integral by the trapezoidal rule; NaN where there is none or it is infinite.

Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions*, and Johnson, Kemp & Kotz, *Univariate Discrete
Distributions*, where no other source stands.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxmle._util.records import record
from jaxmle.distributions.base.types import Params
from jaxmle.special.elementary import floating

_STEP = 1 / 16
_GRID = np.arange(-7.0, 8.0, _STEP)


@record
class ParameterMean:
    """The mean of a family one of whose parameters it is."""

    name: str

    def __call__(self, params: Params) -> Array:
        return floating(params[self.name])


loc, mean = ParameterMean("loc"), ParameterMean("mean")


def where_finite(condition: Array, value: Callable[..., Array], *arguments: Array) -> Array:
    """Evaluate `value(*arguments)` where the condition for a mean holds, NaN elsewhere.

    There `value` sees the arguments plus 2, which are harmless.
    """
    return jnp.where(condition, value(*[jnp.where(condition, a, a + 2) for a in arguments]), jnp.nan)


def integral_over_positive(f: Callable[[Array], Array]) -> Array:
    """Integrate f over s > 0 by the trapezoidal rule in y.

    s = exp(y - exp(-y)), so that both tails fall doubly exponentially (Takahasi & Mori 1974, *Publ. RIMS* 9, 721-741).
    """
    y = jnp.asarray(_GRID, jnp.result_type(float))
    log_s = y - jnp.exp(-y)
    return _STEP * jnp.sum(jax.vmap(f)(jnp.exp(log_s)) * jnp.exp(log_s) * (1 + jnp.exp(-y)))


def scale_over_shape_minus_one(p: Params) -> Array:
    """Compute the mean scale / (shape - 1) of Lomax and of inverse gamma; NaN for shape <= 1."""
    return p["scale"] * where_finite(p["shape"] > 1, lambda a: 1 / (a - 1), floating(p["shape"]))
