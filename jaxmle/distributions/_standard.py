"""Laws from their standard form: the formulas of a law see a standardized z; units, ends and samples are added here.

| form | x | z | density of x |
|---|---|---|---|
| `LINE` | finite | (x - loc) / scale | f(z) / scale |
| `RATIO` | x >= 0 | x / scale | f(z) / scale |
| `LOG` | x > 0 | log(x / scale) | f(z) / x |
| `SHARE` | 0 < x < 1 | x | f(z) |
| `ANGLE` | finite | x - loc, wrapped to [-pi, pi) | f(z) |
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxmle import spaces
from jaxmle._util.records import record
from jaxmle.distributions import _quantiles
from jaxmle.distributions._distribution import Distribution, is_finite, is_nonnegative, is_positive, is_share, tails
from jaxmle.special.elementary import floating

TWO_PI = 6.283185307179586

ENDLESS = 320.0
"The logarithm, or asinh, of a shape that is as good as infinite, with a square that is not."


@record
class Form:
    """How x becomes z and back.

    Attributes:
        inside: `(x) -> bool[n]`, the support.
        standard: `(params, x) -> z`.
        log_slope: `(params, x) -> log |dz/dx|`.
        back: `(params, z) -> x`.
        space: the parameters that it uses.
    """

    inside: Callable[[Any], Any]
    standard: Callable[[Any, Any], Any]
    log_slope: Callable[[Any, Any], Any]
    back: Callable[[Any, Any], Any]
    space: dict[str, Any]


def wrapped(x: Any) -> Any:
    """An angle in [-pi, pi)."""
    return x - TWO_PI * jax.lax.stop_gradient(jnp.floor(x / TWO_PI + 0.5))


def _minus_log_scale(params: Any, x: Any) -> Any:
    return -jnp.log(params["scale"])


def _nothing(params: Any, x: Any) -> Any:
    return 0.0


def _same(params: Any, x: Any) -> Any:
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
    lambda p, x: jnp.log(x) - jnp.log(p["scale"]),
    lambda p, x: -jnp.log(x),
    lambda p, z: p["scale"] * jnp.exp(z),
    {"scale": spaces.positive},
)
SHARE = Form(is_share, _same, _nothing, _same, {})
ANGLE = Form(
    is_finite,
    lambda p, x: wrapped(x - p["loc"]),
    _nothing,
    lambda p, z: wrapped(p["loc"] + z),
    {"loc": spaces.real},
)


def _inside(form: Form, params: Any, x: Any) -> tuple[Any, Any, Any]:
    """Which x are inside, x with a dummy for the others, and z, at which formulas are harmless where x is outside."""
    inside = form.inside(x)
    x = jnp.where(inside, x, 0.5)
    return inside, x, jnp.where(inside, form.standard(params, x), 0.5)


@record
class LogDensity:
    """log f(z) plus the logarithm of dz/dx."""

    form: Form
    f: Callable[[Any, Any], Any]

    def __call__(self, params: Any, x: Any) -> Any:
        inside, x, z = _inside(self.form, params, floating(x))
        return jnp.where(inside, self.f(params, z) + self.form.log_slope(params, x), -jnp.inf)


@record
class LogTail:
    """log F(z) or log(1 - F(z)), with its values below and above the support."""

    form: Form
    f: Callable[[Any, Any], Any]
    below: float
    above: float

    def __call__(self, params: Any, x: Any) -> Any:
        x = floating(x)
        inside, _, z = _inside(self.form, params, x)
        return tails(inside, x, self.f(params, z), self.below, self.above)


@record
class Quantile:
    """The standard quantile in units of x."""

    form: Form
    f: Callable[[Any, Any], Any]

    def __call__(self, params: Any, q: Any) -> Any:
        return self.form.back(params, self.f(params, _quantiles.legal(q)))


@record
class Solved:
    """A standard quantile without a formula; `grows` maps [low, high] onto the range of z."""

    lower: Callable[[Any, Any], Any]
    upper: Callable[[Any, Any], Any]
    grows: Callable[[Any], Any]
    low: float
    high: float

    def __call__(self, params: Any, q: Any) -> Any:
        end = 1e3 if floating(q).dtype == jnp.float64 else 80.0
        low, high = max(self.low, -end), min(self.high, end)
        return _quantiles.continuous(self.lower, self.upper, params, q, self.grows, low, high)


@record
class Sample:
    """Draws standard values: `draw(key, params, shape, dtype)`, or the quantile of uniform ones."""

    form: Form
    quantile: Callable[[Any, Any], Any]
    draw: Callable[..., Any] | None

    def __call__(self, key: Any, params: Any, shape: Any = ()) -> Any:
        values = [floating(v) for v in jax.tree.leaves(params)]
        dtype = jnp.result_type(*values)
        shape = shape or jnp.broadcast_shapes(*[v.shape for v in values])
        if self.draw is not None:
            return self.form.back(params, self.draw(key, params, shape, dtype))
        tiny = float(jnp.finfo(dtype).tiny)
        return self.form.back(params, self.quantile(params, jax.random.uniform(key, shape, dtype, tiny, 1.0)))


def law(
    form: Form,
    name: str,
    logpdf: Any,
    lower: Any,
    upper: Any,
    start: Any,
    doc: str,
    *,
    quantile: Any,
    draw: Any = None,
    **fields: Any,
) -> Distribution:
    """The record of a law, from the log-density, both log-tails and the quantile of its standard form.

    Args:
        quantile: `(params, q) -> z`.
        draw: `(key, params, shape, dtype) -> z`; by default the quantile of uniform numbers.
        **fields: `shapes`, the spaces of the parameters that `form` does not know; further fields of the record.
    """
    space = {**form.space, **fields.pop("shapes", {})}
    return Distribution(
        name=name,
        logpdf=LogDensity(form, logpdf),
        logcdf=LogTail(form, lower, -jnp.inf, 0.0),
        logsf=LogTail(form, upper, 0.0, -jnp.inf),
        quantile=Quantile(form, quantile),
        sample=Sample(form, quantile, draw),
        support=form.inside,
        space={k: space[k] for k in sorted(space)},
        start=start,
        doc=doc,
        **fields,
    )
