"""Thresholds of any distribution of positive numbers: x is an unknown shift plus an outcome."""

import jax.numpy as jnp

from jaxmle import spaces
from jaxmle._util.arrays import Array, Bool, Float
from jaxmle._util.records import record
from jaxmle.distributions.base import weighted_moments
from jaxmle.distributions.base.distribution import Distribution, combinator
from jaxmle.distributions.base.support import is_finite
from jaxmle.distributions.base.types import Params, Shape
from jaxmle.distributions.composed.composition import Part, check_number, composed, supports
from jaxmle.model.geometry import Chart, Coordinates, Geometry
from jaxmle.special.elementary import floating


def _own(params: Params) -> dict[str, Array]:
    """Take the shift out of the parameters."""
    return {k: v for k, v in params.items() if k != "shift"}


@record
class Shift:
    """A distribution of positive numbers, to which a parameter is added."""

    of: Distribution

    def _moved(self, params: Params, x: Array) -> Array:
        x = floating(x)
        return jnp.where(jnp.isfinite(x), jnp.where(jnp.isfinite(x), x, 0) - params["shift"], x)

    def logpdf(self, params: Params, x: Array) -> Array:
        return self.of.logpdf(_own(params), self._moved(params, x))

    def logcdf(self, params: Params, x: Array) -> Array:
        return self.of.logcdf(_own(params), self._moved(params, x))

    def logsf(self, params: Params, x: Array) -> Array:
        return self.of.logsf(_own(params), self._moved(params, x))

    def quantile(self, params: Params, q: Array) -> Array:
        return params["shift"] + self.of.quantile(_own(params), q)

    def sample(self, key: Array, params: Params, shape: Shape = ()) -> Array:
        return params["shift"] + self.of.sample(key, _own(params), shape)  # pyright: ignore[reportReturnType, reportOperatorIssue]

    def mean(self, params: Params) -> Array:
        assert self.of.mean is not None
        return params["shift"] + self.of.mean(_own(params))

    def support(self, x: Array) -> Bool[Array, " n"]:
        return is_finite(x)

    def start(self, x: Array, weights: Float[Array, " n"]) -> dict[str, Array]:
        """Begin a little below the least row: by an n-th of the mean's distance from there."""
        x, weights = weighted_moments.usable_rows(x, weights, True)
        least = weighted_moments.ends(x, weights > 0)[0]
        least = jnp.where(jnp.isfinite(least), least, 0)
        above = weighted_moments.mean(jnp.where(weights > 0, x - least, 0), weights)
        room = jnp.maximum(above / jnp.maximum(jnp.sum(weights), 2), 64 * jnp.finfo(x.dtype).eps * jnp.abs(least))
        room = jnp.where(room > 0, room, 1)
        shift = least - room
        return {**self.of.start(jnp.where(weights > 0, x - shift, 1), weights), "shift": shift}

    # The chart: log(least row - shift) in place of the shift, so that every row is possible.
    def anchor(self, x: Array, weights: Float[Array, " n"]) -> Array:
        low, _ = weighted_moments.ends(x, is_finite(x))
        return jnp.where(jnp.isfinite(low), low, 0)

    def contributions(self, v: Coordinates, x: Array, least: Array) -> Array:
        params = {k: space.forward(v[k]) for k, space in self.of.space.items()}
        inside = is_finite(x)
        return jnp.where(
            inside, self.of.logpdf(params, jnp.where(inside, x - least, 1) + jnp.exp(v["shift"])), -jnp.inf
        )

    def outward(self, v: Coordinates, least: Array) -> dict[str, Array]:
        return {**v, "shift": least - jnp.exp(v["shift"])}

    def inward(self, u: Coordinates, least: Array) -> dict[str, Array]:
        tiny = float(jnp.finfo(u["shift"].dtype).eps)
        room = jnp.maximum(least - u["shift"], tiny * (1e-3 + jnp.abs(least)))
        return {**u, "shift": jnp.log(room)}


@combinator
def shifted(d: Distribution) -> Distribution:
    """Make the distribution of shift + Y, Y of distribution `d` of positive numbers: three-parameter Weibull, lognormal, gamma.

    log f(x - shift), with a parameter `shift`, below every x. Where the density of `d` at 0 is infinite (a shape below 1)
    the likelihood has no bound as the shift closes on the least row, and a maximum is a local one; for shapes up to 2 there
    are no regular standard errors (Smith 1985, *Biometrika* 72, 67-90), which the status does not tell.

    Args:
        d: of one positive number.

    Example:
        >>> from jaxmle import distributions
        >>> threshold = distributions.shifted(distributions.weibull)
        >>> threshold
        <distribution shifted(weibull)(scale, shape, shift)>
        >>> round(float(threshold.mean({"scale": 2.0, "shape": 1.0, "shift": 10.0})), 6)
        12.0
    """
    check_number("shifted", d)
    if d.discrete or supports(d, -1.0) or not (supports(d, 1e-30) and supports(d, 2.0)):
        raise ValueError(
            f"shifted takes a distribution of positive numbers, continuous, from 0 on and without an upper end, not {d.name}"
        )
    if "shift" in d.space:
        raise ValueError(f"shifted: {d.name} has a shift already")
    moved = Shift(d)
    space = dict(sorted({**d.space, "shift": spaces.real}.items()))
    unitless = tuple(name == "shift" or s.kind.unitless for name, s in space.items())
    chart = None
    if d.geometry.regularity == "smooth":
        anchor, contributions = Part(moved, "anchor"), Part(moved, "contributions")
        chart = Chart(anchor, contributions, Part(moved, "outward"), Part(moved, "inward"), unitless)
    geometry = Geometry(regular=None if d.geometry.regular is None else Part(Regular(d), "holds"), chart=chart)
    return composed(d, moved, f"shifted({d.name})", space=space, geometry=geometry, doc=f"Above a shift: {d.doc}")


@record
class Regular:
    """The condition of regular standard errors of the distribution itself."""

    of: Distribution

    def holds(self, params: Params) -> Bool[Array, ""]:
        assert self.of.geometry.regular is not None
        return self.of.geometry.regular(_own(params))
