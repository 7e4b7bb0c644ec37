"""Geometry: what is known of the shape of a log-likelihood beyond its values; every part is optional."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from jaxmle._util.arrays import Array, Bool, Data, Float, Params
from jaxmle._util.records import record

Anchor = Any
"What of the data a chart depends on: a pytree of the chart's own."
Coordinates = Mapping[str, Float[Array, ""]]
"A point of a chart, or unconstrained coordinates: scalars by the names of the params."
Regularity = Literal["smooth", "kinked", "edge"]


@record
class Chart:
    """Coordinates v for the ascent, one-to-one with the unconstrained coordinates u of the parameters.

    All three of params, u and v are dicts with the same names.

    Attributes:
        anchor: `(data, weights[n]) -> pytree`, what of the data the chart depends on, such as the greatest row.
        contributions: `(v, data, anchor) -> f[n]`, the log-likelihood there; exact where the parameters overflow.
        outward: `(v, anchor) -> u`, also from infinite v.
        inward: `(u, anchor) -> v`.
        unitless: which of v stand for a logarithm or a logit, by name in order.
        limits: `(data, weights, anchor) -> [v, ...]`, all points at infinity where the log-likelihood may have a supremum: an
            ascent that ended at infinity reports the highest. Loops are allowed here.
    """

    anchor: Callable[[Data, Float[Array, " n"]], Anchor]
    contributions: Callable[[Coordinates, Data, Anchor], Float[Array, " n"]]
    outward: Callable[[Coordinates, Anchor], Coordinates]
    inward: Callable[[Coordinates, Anchor], Coordinates]
    unitless: tuple[bool, ...]
    limits: Callable[[Data, Float[Array, " n"], Anchor], Sequence[Coordinates]] | None = None


@record
class Kink:
    """A parameter in which the log-likelihood may have kinks, where derivatives do not find its maximum.

    Attributes:
        name: of the parameter, a scalar.
        best: `(params, data, weights[n]) -> params` with the kinked parameter at its best for the others, nearby where it
            has several; others may get better too. Loops and sorts are allowed here.
        on: `(params, data) -> bool[]`, whether the log-likelihood has no curvature in it there.
    """

    name: str
    best: Callable[[Params, Data, Float[Array, " n"]], Params]
    on: Callable[[Params, Data], Bool[Array, ""]]


@record
class Geometry:
    """The shape of a log-likelihood: where it is not smooth, what is known in closed form, the coordinates of its ascent.

    A combinator passes it on or replaces it whole.

    Attributes:
        maximum: `(data, weights[n]) -> params`, the maximum in closed form. Where the log-likelihood is not smooth in the
            parameters it replaces the ascent: see `closed_form`.
        information: `(params, data) -> f[n, p, p]`, the expected information of each observation about the natural
            parameters, in the order of `jax.flatten_util.ravel_pytree(params)` (dict keys sorted).
        regularity: `"smooth"`, `"kinked"` (certified by `information`) or `"edge"` (the support moves with the parameters).
        regular: `(params) -> bool[]`, whether standard errors exist at these parameters; None where they always do.
        kink: a parameter to hold where the ascent ends without a verdict.
        chart: other coordinates for the ascent, where the parameters are scalars and free.

    Example:
        >>> from jaxmle import distributions
        >>> distributions.uniform.geometry.regularity
        'edge'
    """

    maximum: Callable[[Data, Float[Array, " n"]], Params] | None = None
    information: Callable[[Params, Data], Float[Array, "n p p"]] | None = None
    regularity: Regularity = "smooth"
    regular: Callable[[Params], Bool[Array, ""]] | None = None
    kink: Kink | None = None
    chart: Chart | None = None

    @property
    def closed_form(self) -> Callable[[Data, Float[Array, " n"]], Params] | None:
        """The maximum that replaces the ascent; None where the ascent follows derivatives."""
        return None if self.regularity == "smooth" else self.maximum

    def restricted(self) -> "Geometry":
        """Drop the maximum, which is of all parameters, for a model in which some are fixed or copy others.

        The chart and the kink stay: solvers use a chart only where all parameters are free, a kink only in one that is.
        """
        return dataclasses.replace(self, maximum=None)


SMOOTH = Geometry()
"Nothing is known but that the log-likelihood is smooth."
