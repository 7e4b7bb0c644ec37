"""Evidence for a verdict: a few numbers without units, computed from two accepted points of Newton's ascent."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int
from jaxmle._util.linalg import certain_above, definite_above
from jaxmle.model.objective import Objective
from jaxmle.optimizers.curvature import CurvatureState

NOTHING = 1e-5
"Curvature, in nats, of a logarithm or a logit that the data do not determine; its slope may be five times that."

STEADY = 0.1
"By how much a small pivot may change in a step, relative to itself."

STUCK = 1e20
"Damping, in units of the curvature, above which no shorter step is tried."


class Evidence(NamedTuple):
    """The numbers that a verdict rests on. With u the last accepted point, v the step that led to it, g and J the gradient and the
    observed information of the negative log-likelihood at u, g- and J- those before v, W the sum of weights.

    Each is a count, a ratio, or a log-likelihood in nats; f[] unless said otherwise.

    Attributes:
        evaluations: of the objective so far, int[].
        accepted: whether the last candidate was accepted, bool[].
        undamped: whether the next step is Newton's own, its damping 0, bool[].
        overdamped: whether damping exceeds `STUCK`, so that no shorter step is tried, bool[].
        tolerance: the greatest predicted gain at which a fit counts as converged.
        rounding: the rounding error of a sum of contributions, 2 eps (|l| + W), or `unresolved` where that is greater.
        allowed: the greater of the two.
        decrement: predicted gain of the log-likelihood, 1/2 g' J^-1 g; infinite where J is changed to step.
        decrement_before: the same where v began.
        definite: whether J, scaled to unit diagonal, is positive definite, with a pivot that is large or stays, bool[].
        lowest_pivot: of J scaled to unit diagonal, in units of the least pivot that exceeds rounding.
        curvature_ratio: v'J v / v'J- v; 1 where the curvature has settled, e^-1 a unit step of a logarithm in a tail.
        curvature_retained: the least ratio, over v, of a coordinate's own curvature J_jj after to before, or of the lowest pivot.
        tail_rate: by what factor in all, over steps in a row, curvature and slope fell together along the coordinates that
            keep their pace; 1 where none did.
        tailing: whether v is such a step, bool[].
        certain: whether J is definite and the last candidate was accepted, or longer than Newton's step, bool[].
        predicted_gain: the lesser of `decrement_before` and the gain that the slope predicts for the next unstretched step w,
            1/2 |g'w|.
        predicted_gain_per_weight: the latter per unit of weight, 1/2 |g'w| / W.
        growing_gain: steps in a row over which J was not definite and that predicted gain grew, int[].
        vanished: whether some logarithm or logit has neither slope nor curvature left, bool[].
        leaves_boundary: whether one has as little, but its slope points away from the boundary, bool[].
        furthest: the greatest distance of a logarithm or a logit from its value at the start of the ascent, in units of half the
            range of exponents: from 1 on the square of that factor overflows.
        narrowness: the greatest of log(J_jj / W) over logarithms and logits, of log(u_j^2 J_jj / W) over the others, and of
            the distance of a logarithm from its start: e^-20 is the square of a coordinate's standard error from one row, relative to it.
        resolution: one unit in the last place of a coordinate in units of its standard error from one row, eps |u_j| (J_jj / W)^1/2, the
            greatest: from 1 on a density is narrower than the numbers on which it stands.
        unresolved: by how much the log-likelihood may rise within one unit in the last place of the parameters.
        left: the greater of `decrement` and `unresolved`.
        negligible_step: whether the next step is below one unit in the last place, or below a tenth of the tolerance, in each
            coordinate, bool[].
        varies: whether the rows of the data differ, bool[].
        last_step: v, f[p].
    """

    evaluations: Int[Array, ""]
    accepted: Bool[Array, ""]
    undamped: Bool[Array, ""]
    overdamped: Bool[Array, ""]
    tolerance: Float[Array, ""]
    rounding: Float[Array, ""]
    allowed: Float[Array, ""]
    decrement: Float[Array, ""]
    decrement_before: Float[Array, ""]
    definite: Bool[Array, ""]
    lowest_pivot: Float[Array, ""]
    curvature_ratio: Float[Array, ""]
    curvature_retained: Float[Array, ""]
    tail_rate: Float[Array, ""]
    tailing: Bool[Array, ""]
    certain: Bool[Array, ""]
    predicted_gain: Float[Array, ""]
    predicted_gain_per_weight: Float[Array, ""]
    growing_gain: Int[Array, ""]
    vanished: Bool[Array, ""]
    leaves_boundary: Bool[Array, ""]
    furthest: Float[Array, ""]
    narrowness: Float[Array, ""]
    resolution: Float[Array, ""]
    unresolved: Float[Array, ""]
    left: Float[Array, ""]
    negligible_step: Bool[Array, ""]
    varies: Bool[Array, ""]
    last_step: Float[Array, " p"]


STORED = (
    "decrement_before", "lowest_pivot", "curvature_ratio", "curvature_retained", "tail_rate",
    "predicted_gain", "predicted_gain_per_weight", "growing_gain", "furthest", "narrowness", "resolution", "inward", "unresolved",
)  # fmt: skip
"The evidence that an outcome stores, for `Fit.explain`; `inward` is the loss of a step inward from a limit."


def stored_numbers(e: Evidence) -> Float[Array, " k"]:
    """Return the numbers of `STORED`, f[k]; NaN for `inward`, which is not known yet."""
    known = e._asdict() | {"inward": jnp.full_like(e.predicted_gain, jnp.nan)}
    return jnp.stack([known[name].astype(e.predicted_gain.dtype) for name in STORED])


def with_inward_loss(numbers: Float[Array, " k"], inward: Float[Array, ""]) -> Float[Array, " k"]:
    """Insert the loss of a step inward into the numbers of `STORED`."""
    return jnp.where(np.array([name == "inward" for name in STORED]), inward, numbers)


def no_evidence(u: Float[Array, " p"]) -> Evidence:
    """Return the evidence before the first evaluation at coordinates u, f[p]."""
    zero, no, inf = jnp.zeros((), u.dtype), jnp.zeros((), bool), jnp.full((), jnp.inf, u.dtype)
    return Evidence(
        evaluations=jnp.zeros((), jnp.int32), accepted=no, undamped=no, overdamped=no, tolerance=zero, rounding=zero, allowed=zero,
        decrement=inf, decrement_before=inf, definite=no, lowest_pivot=zero, curvature_ratio=zero, curvature_retained=zero,
        tail_rate=zero + 1, tailing=no, certain=no, predicted_gain=inf, predicted_gain_per_weight=zero,
        growing_gain=jnp.zeros((), jnp.int32), vanished=no, leaves_boundary=no, furthest=zero, narrowness=zero, resolution=zero, unresolved=zero, left=inf, negligible_step=no, varies=no,
        last_step=jnp.zeros_like(u),
    )  # fmt: skip


def gather(
    old: CurvatureState,
    new: CurvatureState,
    known: Evidence,
    objective: Objective,
    begin: Float[Array, " p"],
    tolerance: ArrayLike,
) -> Evidence:
    """Compute the evidence after one update of Newton's method; where no step was accepted, those about v stay as `known`."""
    dtype = new.anchor.dtype
    eps = float(jnp.finfo(dtype).eps)
    weight, unitless = jnp.sum(objective.weights), jnp.asarray(objective.unitless)
    first, accepted = old.count == 0, new.accepted
    v = new.anchor - old.anchor
    before, after = v @ (old.matrix @ v), v @ (new.matrix @ v)
    ratio = jnp.where(before > 0, after / jnp.where(before > 0, before, 1.0), 0.0)
    ratio = jnp.where(first, 0.0, jnp.where(jnp.all(v == 0), 1.0, ratio))
    diagonal = jnp.abs(jnp.diagonal(new.matrix))
    own = _share(diagonal, jnp.abs(jnp.diagonal(old.matrix)))
    pivot = jnp.where(old.damping > 0, jnp.inf, _share(new.lowest, old.lowest))
    retained = jnp.minimum(jnp.min(own, initial=jnp.inf), pivot)

    # A small pivot is that of two nearly collinear covariates where it stays the same, and of a ridge where it does not, or
    # where it was not positive before.
    positive_before = first | (old.damping > 0) | (old.lowest > 0)
    unchanged = jnp.abs(new.lowest - old.lowest) <= STEADY * new.lowest
    steady = (new.lowest > certain_above(dtype)) & positive_before | unchanged
    definite = new.definite & steady

    travelled = jnp.where(unitless, jnp.abs(new.anchor - begin), 0.0)
    vanishing, leaving = _nothing_left(new.matrix, new.gradient, objective)
    own_size = jnp.where(unitless, 1.0, jnp.abs(new.anchor))
    each = jnp.sqrt(diagonal / jnp.where(weight > 0, weight, 1.0)) * own_size
    concentrated = 2 * jnp.log(jnp.maximum(each, 1.0))

    def latest(fresh: Array, last: Array) -> Array:
        return jnp.where(accepted, fresh, last).astype(dtype)

    spacing, unresolved = eps * jnp.abs(new.anchor), unresolved_gain(new.anchor, new.matrix, unitless)
    rounding = jnp.maximum(2 * eps * (jnp.abs(new.value) + weight), unresolved)
    predicted, decrement_before = 0.5 * jnp.abs(new.gradient @ new.plain), latest(old.decrement, known.decrement_before)
    per_weight = jnp.where(weight > 0, predicted / jnp.where(weight > 0, weight, 1.0), 0.0)
    return Evidence(
        evaluations=new.count,
        accepted=accepted,
        undamped=new.damping == 0,
        overdamped=new.damping > STUCK,
        tolerance=jnp.asarray(tolerance, dtype),
        rounding=rounding.astype(dtype),
        allowed=jnp.maximum(jnp.asarray(tolerance, dtype), rounding).astype(dtype),
        decrement=new.decrement,
        decrement_before=decrement_before,
        definite=definite,
        lowest_pivot=(new.lowest / definite_above(dtype)).astype(dtype),
        curvature_ratio=latest(ratio, known.curvature_ratio),
        curvature_retained=latest(retained, known.curvature_retained),
        tail_rate=new.tail_rate,
        tailing=new.tailing,
        certain=(accepted | (old.stretch > 1)) & definite,  # a long step that overshot says nothing
        predicted_gain=jnp.minimum(predicted, decrement_before).astype(dtype),
        predicted_gain_per_weight=per_weight.astype(dtype),
        growing_gain=jnp.where(
            accepted,
            jnp.where(~new.definite & (per_weight > known.predicted_gain_per_weight), known.growing_gain + 1, 0),
            known.growing_gain,
        ),
        vanished=jnp.any(vanishing & ~leaving),
        leaves_boundary=jnp.any(vanishing & leaving),
        furthest=(jnp.max(travelled, initial=0.0) / half_range(dtype)).astype(dtype),
        narrowness=jnp.max(jnp.maximum(travelled, concentrated), initial=0.0).astype(dtype),
        resolution=resolution(new.anchor, new.matrix, weight).astype(dtype),
        unresolved=unresolved.astype(dtype),
        left=jnp.maximum(new.decrement, unresolved).astype(dtype),
        negligible_step=jnp.all((jnp.abs(new.move) <= spacing) | (0.5 * diagonal * new.move**2 <= 0.1 * tolerance)),
        varies=objective.varies,
        last_step=latest(v, known.last_step),
    )


def _share(now: Array, before: Array) -> Array:
    """Divide now by before; where before is not positive return infinity if now is no less, else minus infinity."""
    positive = before > 0
    return jnp.where(positive, now / jnp.where(positive, before, 1.0), jnp.where(now >= before, jnp.inf, -jnp.inf))


def half_range(dtype: DTypeLike) -> float:
    """Return the logarithm from which on the square of its exponential overflows: 355 in float64, 44 in float32."""
    return 0.5 * float(np.log(jnp.finfo(dtype).max))


def vanished(information: Float[Array, "p p"], gradient: Float[Array, " p"], objective: Objective) -> Bool[Array, " p"]:
    """Find the logarithms and logits whose curvature and slope have vanished, bool[p].

    One that moves away from a boundary is none of them: near a boundary, at a distance s = e^u of the natural
    parameter, the log-likelihood is c + a s; where a > 0 it rises inward (the condition of Karush, Kuhn and Tucker fails), the
    slope is -a s and the curvature the same.
    """
    gone, leaving = _nothing_left(information, gradient, objective)
    return gone & ~leaving


def _nothing_left(
    information: Float[Array, "p p"], gradient: Float[Array, " p"], objective: Objective
) -> tuple[Bool[Array, " p"], Bool[Array, " p"]]:
    """Find logarithms and logits with hardly any slope and curvature, and those that move away from a boundary, bool[p] each."""
    least = NOTHING * jnp.minimum(1.0, jnp.sum(objective.weights))
    curvature, slope = jnp.diagonal(information), jnp.abs(gradient)
    gone = jnp.asarray(objective.unitless) & (jnp.abs(curvature) <= least) & (slope <= 5 * least)
    return gone, departing(curvature, slope)


def departing(curvature: Float[Array, " p"], slope: Float[Array, " p"]) -> Bool[Array, " p"]:
    """Find what moves away from a boundary, bool[p]: logarithms and logits with a curvature of -1/2 to -4 times the slope."""
    return (slope > 0) & (curvature <= -0.5 * slope) & (curvature >= -4 * slope)


def unresolved_gain(
    u: Float[Array, " p"], information: Float[Array, "p p"], unitless: Bool[Array, " p"]
) -> Float[Array, ""]:
    """Compute by how much the log-likelihood may rise within one unit in the last place of the parameters, f[].

    A parameter that is e^u has the relative spacing of numbers, whatever u is.
    """
    size = jnp.where(unitless, jnp.maximum(jnp.abs(u), 1.0), jnp.abs(u))
    spacing = float(jnp.finfo(u.dtype).eps) * size
    return 0.5 * jnp.sum(jnp.abs(jnp.diagonal(information)) * spacing**2)


def resolution(u: Float[Array, " p"], information: Float[Array, "p p"], weight: Float[Array, ""]) -> Float[Array, ""]:
    """Compute the greatest unit in the last place of a coordinate, in units of its standard error from one row, f[]."""
    spacing = float(jnp.finfo(u.dtype).eps) * jnp.abs(u)
    each = jnp.abs(jnp.diagonal(information)) / jnp.where(weight > 0, weight, 1.0)
    return jnp.max(spacing * jnp.sqrt(each), initial=0.0)
