"""The record of a distribution: pure functions, a space and a start."""

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp

from jaxmle._util.records import record
from jaxmle.special.elementary import floating

Regularity = Literal["smooth", "kinked", "edge"]


@record
class Distribution:
    """A parametric family of one response, as a record of pure functions.

    Params are dicts of scalars (or of arrays that broadcast against x). n observations, p parameters.

    Args:
        name: as in `jaxmle.distributions.by_name(name)`.
        logpdf: `(params, x) -> f[n]`, log-density, or log-mass for counts, all constants kept; -inf outside the
            support, with derivatives free of NaN.
        logcdf: `(params, x) -> f[n]`, log P(X <= x).
        logsf: `(params, x) -> f[n]`, log P(X > x).
        quantile: `(params, q) -> f[n]`, the least x with P(X <= x) >= q.
        sample: `(key, params, shape=()) -> f[*shape]`; further data columns are keywords (`trials=`).
        support: `(x) -> bool[n]`, whether any parameters make x possible.
        space: dict of `Space`, one for each parameter.
        start: `(x, weights f[n]) -> params`, pure JAX; legal and finite for any data, equivariant to units.
        maximum: `(x, weights f[n]) -> params`, the maximum in closed form. Where the density is not smooth in the
            parameters it takes the place of the ascent; elsewhere it is the start, too.
        information: `(params, x) -> f[n, p, p]`, expected information of an observation about the natural
            parameters, sorted by name.
        discrete: whether x is a count.
        regularity: `"smooth"`, `"kinked"` or `"edge"` (the support moves with the parameters).
        event: how many axes one observation has: 0 for numbers, 1 for vectors, 2 for matrices.
        columns: names of the data leaves where x is a dict, the response first.
        regular: `(params) -> bool[]`, whether standard errors exist at these parameters; None where they always do.
        mean: `(params, **known) -> f[]`, the expectation of the response; NaN where it does not exist or is infinite.
        kink: a parameter in which rows are kinks, at some parameters (`jaxmle.model.Kink`).
        chart: coordinates to climb in for rows of x, where the parameters' own bend (`jaxmle.model.Chart`).
        doc: documentation; the first line gives the density.

    Example:
        >>> from jaxmle import distributions
        >>> float(distributions.exponential.logpdf({"rate": 1.0}, 2.0))
        -2.0
    """

    name: str
    logpdf: Callable[[Any, Any], Any]
    logcdf: Callable[[Any, Any], Any]
    logsf: Callable[[Any, Any], Any]
    quantile: Callable[..., Any]
    sample: Callable[..., Any]
    support: Callable[[Any], Any]
    space: dict[str, Any]
    start: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any] | None = None
    information: Callable[[Any, Any], Any] | None = None
    discrete: bool = False
    regularity: Regularity = "smooth"
    columns: tuple[str, ...] = ()
    event: int = 0
    regular: Callable[[Any], Any] | None = None
    mean: Callable[..., Any] | None = None
    chart: Any = None
    kink: Any = None
    doc: str = ""

    def __repr__(self) -> str:
        return f"<distribution {self.name}({', '.join(self.space)})>"


def no_tail(*_: Any, **__: Any) -> Any:
    """In place of the distribution function and the quantile of a law of vectors."""
    raise TypeError("a law of vectors has no distribution function and no quantile here; use logpdf and sample")


def law_of_vectors(**fields: Any) -> Distribution:
    """A record without distribution function and quantile."""
    return Distribution(logcdf=no_tail, logsf=no_tail, quantile=no_tail, **fields)


def is_finite(x: Any) -> Any:
    return jnp.isfinite(floating(x))


def is_positive(x: Any) -> Any:
    x = floating(x)
    return (x > 0) & (x < jnp.inf)


def is_nonnegative(x: Any) -> Any:
    x = floating(x)
    return (x >= 0) & (x < jnp.inf)


def is_share(x: Any) -> Any:
    x = floating(x)
    return (x > 0) & (x < 1)


def tails(inside: Any, x: Any, value: Any, below: Any, above: Any) -> Any:
    """`value` inside, `below` left of the support (-infinity, or up to 0), `above` right of it, NaN for NaN."""
    return jnp.where(inside, value, jnp.where(x <= 0, below, jnp.where(x > 0, above, jnp.nan)))


def standardized(params: Any, x: Any) -> Any:
    """(x - loc) / scale, with 0 for an x that is not finite."""
    inside = jnp.isfinite(x)
    return jnp.where(inside, (within(inside, x, params["loc"]) - params["loc"]) / params["scale"], 0)


def within(inside: Any, x: Any, dummy: Any) -> Any:
    """`x`, with a legal dummy where it is not inside: formulas then see only legal arguments."""
    return jnp.where(inside, x, dummy)


def symmetric(x: Any, rows: list[list[Any]]) -> Any:
    """Stacks entries (scalars or f[n]) to f[n, p, p], n from x."""
    x = jnp.asarray(x)
    dtype = jnp.result_type(*[entry for row in rows for entry in row], 1.0)
    full = [[jnp.broadcast_to(jnp.asarray(entry, dtype), x.shape) for entry in row] for row in rows]
    return jnp.stack([jnp.stack(row, axis=-1) for row in full], axis=-2)
