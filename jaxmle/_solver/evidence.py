"""What two accepted points of Newton's climb say of the likelihood between and beyond them: few numbers without units."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int
from jaxmle._util.linalg import definite_above
from jaxmle.model.objective import Objective
from jaxmle.optimizers.curvature import CurvatureState

NOTHING = 1e-5
"Curvature, in nats, of a logarithm or a logit about which the data say nothing; its slope may be five times that."

STUCK = 1e20
"Damping, in units of the curvature, at which no step is left to be tried."


class Evidence(NamedTuple):
    """What a verdict rests on. With u the last accepted point, v the step that led to it, g and J the gradient and the
    observed information of the negative log-likelihood at u, g- and J- those before v, W the sum of weights.

    Each is a count, a ratio, or a log-likelihood in nats; f[] unless said otherwise.

    Attributes:
        evaluations: of the objective so far, int[].
        accepted: whether the last candidate was accepted, bool[].
        undamped: whether the next step is Newton's own, its damping 0, bool[].
        stuck: whether damping has grown beyond what any curvature asks for, bool[].
        tolerance: log-likelihood that may be left to be gained.
        rounding: what rounding leaves unsure in a sum of contributions, 2 eps (|l| + W).
        allowed: the greater of the two.
        decrement: log-likelihood still to be gained, 1/2 g' J^-1 g; infinite where J is changed to step.
        decrement_before: the same where v began.
        definite: whether J, scaled to unit diagonal, is positive definite, bool[].
        lowest_pivot: of J scaled to unit diagonal, in units of the least that rounding lets be trusted.
        curvature_ratio: v'J v / v'J- v; 1 where the curvature has settled, e^-1 a unit step of a logarithm in a tail.
        curvature_retained: the least share that a coordinate's own curvature J_jj, or the lowest pivot, has kept along v.
        tail_rate: by what factor in all, over steps in a row, curvature and slope fell together along the coordinates that
            keep their pace; 1 where none did.
        tailing: whether v is such a step, bool[].
        certain: whether the last candidate was accepted and J is definite, bool[].
        left: log-likelihood that is left: the less of `decrement_before` and what the next plain step w promises along the
            slope, 1/2 |g'w|.
        rise: that promise per unit of weight, 1/2 |g'w| / W.
        gaining: steps in a row over which J was not definite and the promise grew, int[].
        vanished: whether some logarithm or logit has neither slope nor curvature left, bool[].
        leaves: whether one has as little, but its slope points out of there, bool[].
        furthest: the greatest distance that a logarithm or a logit has gone from where the climb began, in units of half the
            range of exponents: from 1 on the square of that factor is no number.
        narrowness: the greatest of log(J_jj / W) over logarithms and logits, of log(u_j^2 J_jj / W) over the others, and of
            how far a logarithm has gone: e^-20 is the square of the relative width that a row leaves to a coordinate.
        resolution: one unit in the last place of a coordinate in units of what a row says of it, eps |u_j| (J_jj / W)^1/2, the
            greatest: from 1 on a density is narrower than the numbers on which it stands.
        minute: whether the next step is below one unit in the last place, or below a tenth of the tolerance, in each
            coordinate, bool[].
        varies: whether the rows of the data differ, bool[].
        last_step: v, f[p].
    """

    evaluations: Int[Array, ""]
    accepted: Bool[Array, ""]
    undamped: Bool[Array, ""]
    stuck: Bool[Array, ""]
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
    left: Float[Array, ""]
    rise: Float[Array, ""]
    gaining: Int[Array, ""]
    vanished: Bool[Array, ""]
    leaves: Bool[Array, ""]
    furthest: Float[Array, ""]
    narrowness: Float[Array, ""]
    resolution: Float[Array, ""]
    minute: Bool[Array, ""]
    varies: Bool[Array, ""]
    last_step: Float[Array, " p"]


NOTED = (
    "decrement_before", "lowest_pivot", "curvature_ratio", "curvature_retained", "tail_rate", "left", "rise", "gaining",
    "furthest", "narrowness", "resolution", "inward",
)  # fmt: skip
"What an outcome keeps of the evidence, for `Fit.explain`; `inward` is what one step inward from a limit loses."


def note(e: Evidence) -> Float[Array, " k"]:
    """Return the numbers of `NOTED`, f[k]; NaN for what is not known."""
    known = e._asdict() | {"inward": jnp.full_like(e.left, jnp.nan)}
    return jnp.stack([known[name].astype(e.left.dtype) for name in NOTED])


def noted(numbers: Float[Array, " k"], inward: Float[Array, ""]) -> Float[Array, " k"]:
    """Return the numbers of `NOTED` with what a step inward loses."""
    return jnp.where(np.array([name == "inward" for name in NOTED]), inward, numbers)


def none_yet(u: Float[Array, " p"]) -> Evidence:
    """Return the evidence before the first evaluation at coordinates u, f[p]."""
    zero, no, inf = jnp.zeros((), u.dtype), jnp.zeros((), bool), jnp.full((), jnp.inf, u.dtype)
    return Evidence(
        evaluations=jnp.zeros((), jnp.int32), accepted=no, undamped=no, stuck=no, tolerance=zero, rounding=zero, allowed=zero,
        decrement=inf, decrement_before=inf, definite=no, lowest_pivot=zero, curvature_ratio=zero, curvature_retained=zero,
        tail_rate=zero + 1, tailing=no, certain=no, left=inf, rise=zero, gaining=jnp.zeros((), jnp.int32), vanished=no, leaves=no, furthest=zero, narrowness=zero, resolution=zero, minute=no, varies=no,
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
    """Compute the evidence after one update of Newton's method; what concerns v stays as `known` where none was accepted."""
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

    travelled = jnp.where(unitless, jnp.abs(new.anchor - begin), 0.0)
    gone, leaving = _nothing_left(new.matrix, new.gradient, objective)
    own_size = jnp.where(unitless, 1.0, jnp.abs(new.anchor))
    each = jnp.sqrt(diagonal / jnp.where(weight > 0, weight, 1.0)) * own_size
    concentrated = 2 * jnp.log(jnp.maximum(each, 1.0))

    def latest(fresh: Array, last: Array) -> Array:
        return jnp.where(accepted, fresh, last).astype(dtype)

    spacing, rounding = eps * jnp.abs(new.anchor), 2 * eps * (jnp.abs(new.value) + weight)
    promise, decrement_before = 0.5 * jnp.abs(new.gradient @ new.plain), latest(old.decrement, known.decrement_before)
    rise = jnp.where(weight > 0, promise / jnp.where(weight > 0, weight, 1.0), 0.0)
    return Evidence(
        evaluations=new.count,
        accepted=accepted,
        undamped=new.damping == 0,
        stuck=new.damping > STUCK,
        tolerance=jnp.asarray(tolerance, dtype),
        rounding=rounding.astype(dtype),
        allowed=jnp.maximum(jnp.asarray(tolerance, dtype), rounding).astype(dtype),
        decrement=new.decrement,
        decrement_before=decrement_before,
        definite=new.definite,
        lowest_pivot=(new.lowest / definite_above(dtype)).astype(dtype),
        curvature_ratio=latest(ratio, known.curvature_ratio),
        curvature_retained=latest(retained, known.curvature_retained),
        tail_rate=new.tail_rate,
        tailing=new.tailing,
        certain=accepted & new.definite,
        left=jnp.minimum(promise, decrement_before).astype(dtype),
        rise=rise.astype(dtype),
        gaining=jnp.where(
            accepted, jnp.where(~new.definite & (rise > known.rise), known.gaining + 1, 0), known.gaining
        ),
        vanished=jnp.any(gone & ~leaving),
        leaves=jnp.any(gone & leaving),
        furthest=(jnp.max(travelled, initial=0.0) / half_range(dtype)).astype(dtype),
        narrowness=jnp.max(jnp.maximum(travelled, concentrated), initial=0.0).astype(dtype),
        resolution=resolution(new.anchor, new.matrix, weight).astype(dtype),
        minute=jnp.all((jnp.abs(new.move) <= spacing) | (0.5 * diagonal * new.move**2 <= 0.1 * tolerance)),
        varies=objective.varies,
        last_step=latest(v, known.last_step),
    )


def _share(now: Array, before: Array) -> Array:
    """now / before, as a share that was kept: infinite where there was none to keep and there is no less now."""
    positive = before > 0
    return jnp.where(positive, now / jnp.where(positive, before, 1.0), jnp.where(now >= before, jnp.inf, -jnp.inf))


def half_range(dtype: DTypeLike) -> float:
    """The distance of a logarithm at which the square of its factor overflows: 355 in float64, 44 in float32."""
    return 0.5 * float(np.log(jnp.finfo(dtype).max))


def vanished(information: Float[Array, "p p"], gradient: Float[Array, " p"], objective: Objective) -> Bool[Array, " p"]:
    """Logarithms and logits whose curvature and slope are gone, bool[p].

    One that is on its way out of such a place is none of them: near a boundary, at a distance s = e^u of the natural
    parameter, the log-likelihood is c + a s; where a > 0 it rises inward (the condition of Karush, Kuhn and Tucker fails), the
    slope is -a s and the curvature the same.
    """
    gone, leaving = _nothing_left(information, gradient, objective)
    return gone & ~leaving


def _nothing_left(
    information: Float[Array, "p p"], gradient: Float[Array, " p"], objective: Objective
) -> tuple[Bool[Array, " p"], Bool[Array, " p"]]:
    """Return logarithms and logits with hardly a slope and a curvature, and those that leave a boundary, bool[p] each."""
    least = NOTHING * jnp.minimum(1.0, jnp.sum(objective.weights))
    curvature, slope = jnp.diagonal(information), jnp.abs(gradient)
    gone = jnp.asarray(objective.unitless) & (jnp.abs(curvature) <= least) & (slope <= 5 * least)
    return gone, departing(curvature, slope)


def departing(curvature: Float[Array, " p"], slope: Float[Array, " p"]) -> Bool[Array, " p"]:
    """Where a logarithm or a logit leaves a boundary, bool[p]: its curvature is minus its slope, or minus up to four times it."""
    return (slope > 0) & (curvature <= -0.5 * slope) & (curvature >= -4 * slope)


def resolution(u: Float[Array, " p"], information: Float[Array, "p p"], weight: Float[Array, ""]) -> Float[Array, ""]:
    """One unit in the last place of a coordinate in units of what a row of the `weight` says of it, the greatest, f[]."""
    spacing = float(jnp.finfo(u.dtype).eps) * jnp.abs(u)
    each = jnp.abs(jnp.diagonal(information)) / jnp.where(weight > 0, weight, 1.0)
    return jnp.max(spacing * jnp.sqrt(each), initial=0.0)
