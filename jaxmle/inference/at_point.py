"""Functions of an objective at one point, for `_engine.evaluate`: values, scores, information, ends of an interval."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from jaxmle._util.arrays import Array, Bool, Float, Int, Params
from jaxmle.model.objective import Objective

Point = Float[Array, " p"]
"Coordinates of one data set."
Unravel = Callable[[Point], Params]
"Maps coordinates f[p] to a pytree."
Seen = tuple[Float[Array, ""], Point]
"The lowest value seen and where."


def opg(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p"]:
    """Compute K = sum w s s', f[p, p], the outer product of scores (Berndt, Hall, Hall & Hausman 1974)."""
    return objective.opg(unravel(u))


def expected(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p"]:
    """Compute the expected information in unconstrained coordinates, f[p, p]."""
    return objective.expected(unravel(u))


def value(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, ""]:
    """Compute the negative log-likelihood, f[]."""
    return objective(unravel(u))


def contributions(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, " n"]:
    """Compute contributions times weights, f[n]; 0 on padding."""
    return objective.weights * objective.contributions(unravel(u))


def endpoints(objective: Objective, u: Point, unravel: Unravel, drop: Float[Array, ""]) -> Float[Array, " 4"]:
    """Find where the log-likelihood of a one-parameter model has fallen by `drop` from its maximum, and the highest point
    on the way: its coordinate and log-likelihood, f[4] in all.

    Doubled steps until it has fallen further, then bisection. A maximum at a limit (u infinite) is its own end on that
    side, so that its likelihood interval is one-sided; an end beyond which the log-likelihood never falls is infinite.
    Pawitan 2001, *In All Likelihood*, section 2.6.

    Args:
        u: the maximum, f[1].
        drop: half a chi-square quantile, f[].
    """
    limit = jnp.isinf(u)
    # Far out a log-likelihood may be no number, or not yet the supremum at the end of numbers.
    near_limit = [jnp.where(limit, jnp.copysign(far, u), u) for far in (30.0, 100.0)]
    best = jnp.nanmin(jnp.stack([objective(unravel(x)) for x in (u, *near_limit)]))

    def look(x: Point, lowest: Seen) -> tuple[Bool[Array, ""], Seen]:
        value = objective(unravel(x))
        within = (value - best <= drop) | (limit[0] & jnp.isnan(value))
        lower = value < lowest[0]
        return within, (jnp.where(lower, value, lowest[0]), jnp.where(lower, x, lowest[1]))

    def end(side: float, lowest: Seen) -> tuple[Point, Seen]:
        begin, first = jnp.where(limit, -700.0 * side, u), jnp.where(limit, 1.0, 1e-10 * jnp.maximum(jnp.abs(u), 1))

        def going(state: tuple[Array, Int[Array, ""], Bool[Array, ""], Seen]) -> Bool[Array, ""]:
            _, count, within, _ = state
            return (count < 1000) & within

        def double(state: tuple[Array, Int[Array, ""], Bool[Array, ""], Seen]) -> tuple[Array, Array, Array, Seen]:
            step, count, _, lowest = state
            return 2 * step, count + 1, *look(begin + side * 2 * step, lowest)

        step, count, _, lowest = lax.while_loop(
            going, double, (first, jnp.asarray(0), *look(begin + side * first, lowest))
        )

        def halve(_: Array, ends: tuple[Point, Point, Seen]) -> tuple[Point, Point, Seen]:
            near, far, lowest = ends
            middle = 0.5 * (near + far)
            within, lowest = look(middle, lowest)
            return jnp.where(within, middle, near), jnp.where(within, far, middle), lowest

        near = begin + side * jnp.where(count > 0, 0.5 * step, 0)
        near, far, lowest = lax.fori_loop(0, 80, halve, (near, begin + side * step, lowest))
        falls = (count < 1000) & ~jnp.isnan(objective(unravel(far)))
        found = jnp.where(falls, 0.5 * (near + far), side * jnp.inf)
        return jnp.where(limit & (jnp.sign(u) == side), u, found), lowest

    low, lowest = end(-1.0, (best, u))
    high, (value, x) = end(1.0, lowest)
    return jnp.concatenate([low, high, x, -value[None]])


def score_and(information: str, objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p+1"]:
    """Compute the score S and an information matrix side by side, f[p, p + 1]."""
    rule = {"observed": objective.information, "expected": objective.expected, "opg": objective.opg}[information]
    score = -jax.grad(lambda x: objective(unravel(x)))(u)
    return jnp.concatenate([score[:, None], rule(unravel(u))], axis=1)


def score_and_observed(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p+1"]:
    """Compute S and J, f[p, p + 1]."""
    return score_and("observed", objective, u, unravel)


def score_and_expected(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p+1"]:
    """Compute S and the expected information, f[p, p + 1]."""
    return score_and("expected", objective, u, unravel)


def score_and_opg(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "p p+1"]:
    """Compute S and K, f[p, p + 1]."""
    return score_and("opg", objective, u, unravel)
