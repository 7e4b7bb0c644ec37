"""L-BFGS with one evaluation of value and gradient a step and no line search, for which other lanes would wait."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int, Params
from jaxmle.optimizers.curvature import REACH, _cached, _check, rounding

ENOUGH = 1e-4
"Share of the decrease predicted by the slope that a candidate must reach (Nocedal & Wright 2006, p. 33)."

RESET_AFTER = 6
"Candidates rejected in a row after which the pairs are dropped."


class LbfgsState(NamedTuple):
    """The state of L-BFGS: the last accepted point, and m pairs of moves and changes of the gradient.

    Attributes:
        anchor: the last accepted point, f[p].
        value, gradient: the function and its gradient f[p] there; the value is infinite before the first.
        moves, changes: s_k and y_k, the oldest first, f[m, p].
        products: 1 / s_k'y_k, f[m]; 0 where there is no pair.
        seed: diagonal of the curvature that the recursion starts from, f[p].
        decrement: 1/2 g'Hg there, f[]; infinite while nothing is known of the curvature, or a candidate was rejected.
        move: the next step from the anchor, f[p].
        rejected: candidates rejected in a row, int[].
        cautious: whether steps are still kept short because a candidate was not finite, bool[].
    """

    anchor: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    moves: Float[Array, "m p"]
    changes: Float[Array, "m p"]
    products: Float[Array, " m"]
    seed: Float[Array, " p"]
    decrement: Float[Array, ""]
    move: Float[Array, " p"]
    rejected: Int[Array, ""]
    cautious: Bool[Array, ""]


@_cached
def lbfgs(memory: int = 10) -> optax.GradientTransformationExtraArgs:
    r"""Make the limited-memory BFGS optimizer, for parameters in the tens to thousands, where a Hessian costs too much.

    The step is :math:`-\alpha H g`. H follows from the last m moves :math:`s_k = x_{k+1} - x_k` and changes of the
    gradient :math:`y_k = g_{k+1} - g_k` by

    .. math:: H_{k+1} = V_k' H_k V_k + \rho_k s_k s_k', \quad V_k = I - \rho_k y_k s_k', \quad \rho_k = 1 / y_k's_k

    and is never formed (Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., eqs. 7.16-7.17, algorithm 7.4,
    p. 178). The recursion starts from a diagonal :math:`B^{-1}` rather than from the scalar of their eq. 7.20, so that
    parameters in different units do no harm: B follows the diagonal of the direct BFGS update,

    .. math:: B_j \leftarrow \gamma B_j - \frac{(\gamma B_j s_j)^2}{\gamma s'Bs} + \frac{y_j^2}{y's}, \quad
        \gamma = \min(1, y'B^{-1}y / y's)

    (Gilbert & Lemarechal 1989, *Math. Programming* 45, section 4), from :math:`B_j = g_j^2 / W` at the start, with W the
    sum of weights: a lower bound of the outer product of scores.

    There is no line search. A candidate that lowers the function by enough becomes the point (:math:`\alpha = 1`); one
    that does not is rejected, and the next step from the same point is at most half as long in the norm of B. Its pair
    is kept all the same (as in their algorithm 6.2, p. 146): it has the curvature there. Pairs
    without safely positive :math:`y's` are left out; where curvature was not positive the next step is longer. Near the
    maximum, where values are rounding noise, candidates are judged as in `newton`.

    Usable in any optax loop; `update` needs `value`, or `value_fn` to compute it.

    Args:
        memory: m, the pairs that are kept; memory and work grow with m p.

    Returns:
        An `optax.GradientTransformationExtraArgs`.

    Raises:
        TypeError: where `memory` is not a whole number of at least 1.

    Example:
        >>> import jax, optax, jax.numpy as jnp
        >>> from jaxmle import optimizers
        >>> def f(x):
        ...     return jnp.sum((x - 1.0) ** 4 + jnp.array([1.0, 100.0]) * (x - 1.0) ** 2)
        >>> optimizer, x = optimizers.lbfgs(), jnp.zeros(2)
        >>> state = optimizer.init(x)
        >>> for _ in range(30):
        ...     value, grad = jax.value_and_grad(f)(x)
        ...     updates, state = optimizer.update(grad, state, x, value=value)
        ...     x = optax.apply_updates(x, updates)
        >>> [round(float(v), 3) for v in x]
        [1.0, 1.0]
    """
    if isinstance(memory, bool) or not isinstance(memory, (int, np.integer)) or memory < 1:
        raise TypeError(
            f"lbfgs: memory={memory!r}; expected a whole number of at least 1, known before compiling; inside "
            'optax.inject_hyperparams say static_args="memory"'
        )

    def init(params: Params) -> LbfgsState:
        flat, _ = ravel_pytree(params)
        none, pairs = jnp.zeros_like(flat), jnp.zeros((memory, flat.size), flat.dtype)
        inf = jnp.full((), jnp.inf, flat.dtype)
        return LbfgsState(
            anchor=flat, value=inf, gradient=none, moves=pairs, changes=pairs, products=jnp.zeros(memory, flat.dtype),
            seed=none + 1, decrement=inf, move=none, rejected=jnp.zeros((), jnp.int32),
            cautious=jnp.zeros((), bool),
        )  # fmt: skip

    def update(updates: Params, state: Any, params: Params | None = None, **extra: Any) -> tuple[Params, LbfgsState]:
        value, value_fn = extra.get("value"), extra.get("value_fn")
        _check("lbfgs", None, params, value_fn if value is None else value)
        flat, unravel = ravel_pytree(params)
        value = jnp.asarray(value_fn(params) if value is None else value, flat.dtype)  # pyright: ignore
        weights = getattr(value_fn, "weights", None)
        total = jnp.abs(value) if weights is None else jnp.sum(weights)
        unitless = jnp.asarray(getattr(value_fn, "unitless", np.zeros(flat.shape, bool)))
        new = _advance(state, flat, value, ravel_pytree(updates)[0], total, unitless)
        return unravel(new.anchor + new.move - flat), new

    return optax.GradientTransformationExtraArgs(init, update)


def _over(a: ArrayLike, b: Array) -> Array:
    """Divide a by b where b is positive; 0 elsewhere."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


def _recursion(s: LbfgsState, gradient: Float[Array, " p"]) -> Float[Array, " p"]:
    """Evaluate H g by two loops over the pairs, written out (Nocedal & Wright 2006, algorithm 7.4)."""
    pairs = list(zip(s.moves, s.changes, s.products, strict=True))
    q, parts = gradient, []
    for move, change, product in reversed(pairs):
        parts.append(product * (move @ q))
        q = q - parts[-1] * change
    q = q / s.seed
    for (move, change, product), part in zip(pairs, reversed(parts), strict=True):
        q = q + (part - product * (change @ q)) * move
    return q


def _first_seed(
    x: Float[Array, " p"], gradient: Float[Array, " p"], total: Float[Array, ""], unitless: Bool[Array, " p"]
) -> Float[Array, " p"]:
    """Choose the diagonal of the curvature to begin with, equivariant to the units of the coordinates.

    Each row adds about 1 for a logarithm or a logit, no less than 1 / x^2 for a coordinate with units, and in sum no
    less than g^2 / W.
    """
    least = jnp.where(unitless, total, _over(total, x**2))
    seed = jnp.maximum(_over(gradient**2, total), least)
    return jnp.where(seed > 0, seed, 1.0)


def _with_pair(
    s: LbfgsState, move: Float[Array, " p"], change: Float[Array, " p"], allowed: Bool[Array, ""]
) -> tuple[LbfgsState, Bool[Array, ""]]:
    """Add a pair to the state and update the seed, and return whether the pair's curvature is safely positive.

    A pair that is not allowed, or whose curvature is not positive, leaves the state as it is.
    """
    product, bent, sharp = move @ change, move @ (s.seed * move), change @ (change / s.seed)
    keep = allowed & (product > float(jnp.finfo(move.dtype).eps) ** 0.5 * jnp.sqrt(bent * sharp))
    inverse = _over(1.0, product)
    seed = s.seed * jnp.minimum(1.0, sharp * inverse)
    along = seed * move
    updated = seed - along**2 * _over(1.0, move @ along) + change**2 * inverse
    new = s._replace(
        moves=jnp.concatenate([s.moves[1:], move[None]]),
        changes=jnp.concatenate([s.changes[1:], change[None]]),
        products=jnp.concatenate([s.products[1:], inverse[None]]),
        seed=jnp.maximum(updated, 1e-6 * seed),
    )
    return LbfgsState(*(jnp.where(keep, a, b) for a, b in zip(new, s, strict=True))), keep


def _advance(
    s: LbfgsState,
    x: Float[Array, " p"],
    value: Float[Array, ""],
    gradient: Float[Array, " p"],
    total: Float[Array, ""],
    unitless: Bool[Array, " p"],
) -> LbfgsState:
    """Accept or reject the candidate x, update the pairs, and propose the next step."""
    first = jnp.isinf(s.value)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
    gradient = jnp.where(finite, gradient, 0.0)
    moved = x - s.anchor
    _, slack = rounding(s.value, s.decrement, total)
    accepted = finite & (value <= s.value + ENOUGH * jnp.minimum(s.gradient @ moved, 0.0) + slack)
    rejected = jnp.where(accepted, 0, s.rejected + 1)

    s, bent = _with_pair(s, moved, gradient - s.gradient, finite & ~first)
    anchor = jnp.where(accepted, x, s.anchor)
    value = jnp.where(accepted, value, s.value)
    gradient = jnp.where(accepted, gradient, s.gradient)
    seed = jnp.where(first, _first_seed(anchor, gradient, total, unitless), s.seed)
    s = s._replace(seed=seed, products=jnp.where(rejected >= RESET_AFTER, 0.0, s.products))
    plain = -_recursion(s, gradient)
    downhill = jnp.all(jnp.isfinite(plain)) & ((gradient @ plain < 0) | jnp.all(gradient == 0))
    products = jnp.where(downhill, s.products, 0.0)
    plain = jnp.where(downhill, plain, -gradient / seed)
    slope = gradient @ plain

    # Of the next step: first, a fifth of a unit of log-likelihood per row at most; after a candidate that was rejected,
    # at most half its length, or less and less where it was not finite; where curvature was not positive, twice as far;
    # beside where the function is not finite, twice as far at most.
    ratio = jnp.sqrt(_over(moved @ (seed * moved), plain @ (seed * plain)))
    shorter = jnp.minimum(1.0, jnp.where(finite, 0.5, jnp.exp(float(np.log(0.1)) * rejected.astype(x.dtype))) * ratio)
    longer = jnp.where(bent, 1.0, jnp.maximum(1.0, 2.0 * ratio))
    cautious = (s.cautious & ~(accepted & (2.0 * ratio >= 1))) | (~finite & ~first)
    longer = jnp.where(cautious, jnp.minimum(1.0, 2.0 * ratio), longer)
    length = jnp.where(first, jnp.minimum(1.0, _over(0.2 * total, -slope)), jnp.where(accepted, longer, shorter))
    reach = jnp.max(jnp.where(unitless, jnp.abs(plain), 0.0), initial=0.0)
    length = jnp.minimum(length, jnp.where(reach > 0, REACH / jnp.where(reach > 0, reach, 1.0), jnp.inf))
    move = (length * plain).astype(x.dtype)
    # Steps below one unit in the last place that no longer lower the function: there is no more to gain.
    spent = ~accepted & ~first & jnp.all(jnp.abs(move) <= float(jnp.finfo(x.dtype).eps) * jnp.abs(anchor))
    known = accepted & (jnp.any(products > 0) | jnp.all(gradient == 0))
    decrement = jnp.where(known, -0.5 * slope, jnp.where(spent, 0.0, jnp.inf))
    return s._replace(
        anchor=anchor, value=value, gradient=gradient, products=products, seed=seed.astype(x.dtype),
        decrement=decrement.astype(x.dtype), move=move, rejected=rejected, cautious=cautious,
    )  # fmt: skip
