"""Distribution: the record of a parametric family, and its variant for vectors."""

import functools
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, cast

from jaxmle._util.arrays import Array, Bool, Data, Float
from jaxmle._util.records import record
from jaxmle.distributions.base.types import Params
from jaxmle.model.geometry import SMOOTH, Geometry
from jaxmle.spaces import Space

P = ParamSpec("P")


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
        geometry: what else is known of the log-likelihood (`jaxmle.model.Geometry`): the maximum in closed form, the
            expected information, where it is not smooth, in which coordinates to ascend.
        discrete: whether x is a count.
        columns: names of the data leaves where x is a dict, the response first.
        event: how many axes one observation has: 0 for numbers, 1 for vectors, 2 for matrices.
        period: of x where it is an angle (2 pi): outcomes a period apart are one; 0 for all others.
        mean: `(params, **known) -> f[]`, the expectation of the response; NaN where it does not exist or is infinite.
        doc: documentation; the first line gives the density.

    Example:
        >>> from jaxmle import distributions
        >>> float(distributions.exponential.logpdf({"rate": 1.0}, 2.0))
        -2.0
    """

    name: str
    logpdf: Callable[[Params, Data], Float[Array, " n"]]
    logcdf: Callable[[Params, Data], Float[Array, " n"]]
    logsf: Callable[[Params, Data], Float[Array, " n"]]
    quantile: Callable[..., Float[Array, " n"]]
    sample: Callable[..., Data]
    support: Callable[[Data], Bool[Array, " n"]]
    space: dict[str, Space]
    start: Callable[[Data, Float[Array, " n"]], Params]
    geometry: Geometry = SMOOTH
    discrete: bool = False
    columns: tuple[str, ...] = ()
    event: int = 0
    period: float = 0.0
    mean: Callable[..., Float[Array, ""]] | None = None
    doc: str = ""

    def __repr__(self) -> str:
        return f"<distribution {self.name}({', '.join(self.space)})>"


def no_distribution_function(*_: object, **__: object) -> NoReturn:
    """Raise a TypeError in place of the distribution function and the quantile of a vector."""
    raise TypeError(
        "a distribution of vectors has no distribution function and no quantile here; use logpdf and sample"
    )


def vector_distribution(**fields: Any) -> Distribution:
    """Make the record of a family of vectors, which has neither distribution function nor quantile, from its other fields."""
    none = no_distribution_function
    return Distribution(logcdf=none, logsf=none, quantile=none, **fields)


def sized(family: Callable[P, Distribution]) -> Callable[P, Distribution]:
    """Memoize a function from dimensions to a distribution: equal dimensions give the same record, so programs are shared."""
    return cast(Callable[P, Distribution], functools.lru_cache(family))


def combinator(function: Callable[P, Distribution]) -> Callable[P, Distribution]:
    """Memoize a function from distributions to a distribution, as `sized` does with dimensions."""
    return cast(Callable[P, Distribution], functools.lru_cache(maxsize=256)(function))
