"""Families from their standard form: formulas see a standardized z; units, ends and samples are added here.

| form | x | z | density of x |
|---|---|---|---|
| `LINE` | finite | (x - loc) / scale | f(z) / scale |
| `RATIO` | x >= 0 | x / scale | f(z) / scale |
| `LOG` | x > 0 | log(x / scale) | f(z) / x |
| `PURE` | x > 0 | log x | f(z) / x |
| `SHARE` | 0 < x < 1 | x | f(z) |
| `ANGLE` | finite | x - loc, wrapped to [-pi, pi) | f(z) |
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxmle import spaces
from jaxmle._util.arrays import Array, ArrayLike, Bool, Float
from jaxmle._util.records import record
from jaxmle.distributions.base import quantiles
from jaxmle.distributions.base.distribution import Distribution
from jaxmle.distributions.base.log_ratio import log_of, log_ratio
from jaxmle.distributions.base.sampling import sample_shape
from jaxmle.distributions.base.support import extended, is_finite, is_nonnegative, is_positive, is_share
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.spaces import Space
from jaxmle.special.elementary import floating

TWO_PI = 6.283185307179586

Elementwise = Callable[[Params, Array], Array]
"`(params, x) -> f[n]`, of x, of its standard form z, or of probabilities."
Draw = Callable[[Array, Params, Shape, DTypeLike], Array]
"`(key, params, shape, dtype) -> z`."


@record
class Form:
    """A standardization: how x becomes z and back.

    Attributes:
        inside: `(x) -> bool[n]`, the support.
        standard: `(params, x) -> z`.
        log_slope: `(params, x) -> log |dz/dx|`.
        back: `(params, z) -> x`.
        space: the parameters that it uses.
        period: of x, 0 where it is a number.
    """

    inside: Callable[[Array], Bool[Array, " n"]]
    standard: Elementwise
    log_slope: Callable[[Params, Array], ArrayLike]
    back: Elementwise
    space: dict[str, Space]
    period: float = 0.0


def wrapped(x: Array) -> Array:
    """Wrap angles x to [-pi, pi)."""
    return x - TWO_PI * jax.lax.stop_gradient(jnp.floor(x / TWO_PI + 0.5))


def identity(v: Array) -> Array:
    """Return v itself, for a `NumericalQuantile` of any real z."""
    return v


def _minus_log_scale(params: Params, x: Array) -> Array:
    return -jnp.log(params["scale"])


def _no_slope(params: Params, x: Array) -> float:
    return 0.0


def _unchanged(params: Params, x: Array) -> Array:
    return x


LINE = Form(
    is_finite,
    lambda p, x: (x - p["loc"]) / p["scale"],
    _minus_log_scale,
    lambda p, z: p["loc"] + p["scale"] * z,
    {"loc": spaces.real, "scale": spaces.positive},
)


RATIO = Form(
    is_nonnegative,
    lambda p, x: x / p["scale"],
    _minus_log_scale,
    lambda p, z: p["scale"] * z,
    {"scale": spaces.positive},
)


LOG = Form(
    is_positive,
    lambda p, x: log_ratio(x, p["scale"]),
    lambda p, x: -log_of(x, p["scale"]),
    lambda p, z: p["scale"] * jnp.exp(z),
    {"scale": spaces.positive},
)


PURE = Form(is_positive, lambda p, x: jnp.log(x), lambda p, x: -jnp.log(x), lambda p, z: jnp.exp(z), {})
"Positive numbers without units, whose families have no scale."


SHARE = Form(is_share, _unchanged, _no_slope, _unchanged, {})


ANGLE = Form(
    is_finite,
    lambda p, x: wrapped(x - p["loc"]),
    _no_slope,
    lambda p, z: wrapped(p["loc"] + z),
    {"loc": spaces.real},
    period=2 * math.pi,
)


def _inside(form: Form, params: Params, x: Array) -> tuple[Array, Array, Array]:
    """Standardize x: which are inside, x with a dummy for the others, and z with one, at which formulas are harmless."""
    inside = form.inside(x)
    x = jnp.where(inside, x, 0.5)
    return inside, x, jnp.where(inside, form.standard(params, x), 0.5)


@record
class LogDensity:
    """The log-density of x: log f(z) plus the logarithm of dz/dx."""

    form: Form
    f: Elementwise

    def __call__(self, params: Params, x: Array) -> Array:
        inside, x, z = _inside(self.form, params, floating(x))
        return jnp.where(inside, self.f(params, z) + self.form.log_slope(params, x), -jnp.inf)


@record
class LogTail:
    """The logarithm of a tail of x: log F(z) or log(1 - F(z)), with its values below and above the support."""

    form: Form
    f: Elementwise
    below: float
    above: float

    def __call__(self, params: Params, x: Array) -> Array:
        x = floating(x)
        inside, _, z = _inside(self.form, params, x)
        return extended(inside, x, self.f(params, z), self.below, self.above)


@record
class Quantile:
    """The quantile in units of x, from the standard one."""

    form: Form
    f: Elementwise

    def __call__(self, params: Params, q: Array) -> Array:
        return self.form.back(params, self.f(params, quantiles.legal_probability(q)))


@record
class NumericalQuantile:
    """A standard quantile without a formula, from both log-tails; `increasing` maps [low, high] onto the range of z."""

    logcdf: Elementwise
    logsf: Elementwise
    increasing: Callable[[Array], Array]
    low: float
    high: float

    def __call__(self, params: Params, q: Array) -> Array:
        end = 1e3 if floating(q).dtype == jnp.float64 else 80.0
        low, high = max(self.low, -end), min(self.high, end)
        return quantiles.continuous(self.logcdf, self.logsf, params, q, self.increasing, low, high)


@record
class Sample:
    """The sampler of x: standard values by `draw(key, params, shape, dtype)`, or by the quantile of uniform numbers."""

    form: Form
    quantile: Elementwise
    draw: Draw | None

    def __call__(self, key: Array, params: Params, shape: Shape = ()) -> Array:
        values = [floating(v) for v in jax.tree.leaves(params)]
        dtype = jnp.result_type(*values)
        size = sample_shape(shape, *values)
        if self.draw is not None:
            return self.form.back(params, self.draw(key, params, size, dtype))
        tiny = float(jnp.finfo(dtype).tiny)
        return self.form.back(params, self.quantile(params, jax.random.uniform(key, size, dtype, tiny, 1.0)))


def from_standard_form(
    form: Form,
    name: str,
    *,
    logpdf: Elementwise | None,
    logcdf: Elementwise,
    logsf: Elementwise,
    quantile: Elementwise,
    start: Callable[[Array, Float[Array, " n"]], Params],
    doc: str,
    draw: Draw | None = None,
    log_density: Elementwise | None = None,
    **fields: Any,
) -> Distribution:
    """Make the record of a family from the log-density, both log-tails and the quantile of its standard form.

    Args:
        form: how x is standardized.
        logpdf, logcdf, logsf: `(params, z) -> f[n]`.
        start, doc: as in `Distribution`.
        quantile: `(params, q) -> z`.
        draw: `(key, params, shape, dtype) -> z`; by default the quantile of uniform numbers.
        log_density: of x itself, `(params, x) -> f[n]`, where that has more digits than one of z; then logpdf is None.
        **fields: `shapes`, the spaces of the parameters that `form` does not know; further fields of the record.
    """
    space = {**form.space, **fields.pop("shapes", {})}
    if log_density is None:
        assert logpdf is not None
        log_density = LogDensity(form, logpdf)
    return Distribution(
        name=name,
        logpdf=log_density,
        logcdf=LogTail(form, logcdf, -jnp.inf, 0.0),
        logsf=LogTail(form, logsf, 0.0, -jnp.inf),
        quantile=Quantile(form, quantile),
        sample=Sample(form, quantile, draw),
        support=form.inside,
        space={k: space[k] for k in sorted(space)},
        start=start,
        period=form.period,
        doc=doc,
        **fields,
    )
