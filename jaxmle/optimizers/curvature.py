"""Curvature methods: a damped Newton step with one evaluation a step and no inner loop."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float, Int, Params
from jaxmle._util.linalg import descend, hessian

K = ParamSpec("K")
T = TypeVar("T")

REACH = 5.0
"The longest step of a coordinate that stands for a logarithm or a logit, before it is stretched."


class CurvatureState(NamedTuple):
    """The state of a curvature method: the last accepted point, and properties of the step to it.

    Attributes:
        anchor: the last accepted point, f[p].
        value, gradient, matrix: the function, its gradient f[p] and the curvature f[p, p] there.
        decrement: 1/2 g' M^-1 g there, f[]; infinite while the step is damped.
        definite: whether the curvature there is positive definite, bool[].
        lowest: lowest pivot of the curvature there, scaled to unit diagonal, f[].
        tailing: whether curvature and slope fell together along the step to it, as towards a maximum at infinity,
            bool[].
        tail_step: the last step that did so, in the coordinates whose steps keep their length, f[p].
        tail_rate: by what factor in all, over such steps in a row, f[].
        damping: relative to the diagonal of the curvature, f[].
        stretch: factor on the next step, f[]; over 1 while steps keep their direction and do not settle.
        accepted: whether the last candidate was accepted, bool[].
        rejected: candidates rejected in a row, int[].
        lasting: the coordinates whose next step keeps the direction and length of the one before, bool[p].
        plain, move: the next step from the anchor, f[p], before and after it is stretched.
        count: evaluations so far, int[].
    """

    anchor: Float[Array, " p"]
    value: Float[Array, ""]
    gradient: Float[Array, " p"]
    matrix: Float[Array, "p p"]
    decrement: Float[Array, ""]
    definite: Bool[Array, ""]
    lowest: Float[Array, ""]
    tailing: Bool[Array, ""]
    tail_step: Float[Array, " p"]
    tail_rate: Float[Array, ""]
    damping: Float[Array, ""]
    stretch: Float[Array, ""]
    accepted: Bool[Array, ""]
    rejected: Int[Array, ""]
    lasting: Bool[Array, " p"]
    plain: Float[Array, " p"]
    move: Float[Array, " p"]
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]


def _cached(
    factory: Callable[K, optax.GradientTransformationExtraArgs],
) -> Callable[K, optax.GradientTransformationExtraArgs]:
    """Cache a factory, so that equal calls return the same optimizer, which is a static argument; traced calls are not cached."""
    cache = functools.lru_cache(maxsize=64)(factory)

    @functools.wraps(factory)
    def call(*args: K.args, **kwargs: K.kwargs) -> optax.GradientTransformationExtraArgs:
        try:
            hash((args, tuple(kwargs.items())))
        except TypeError:
            return factory(*args, **kwargs)
        return cache(*args, **kwargs)

    return call


@_cached
def newton(damping: float = 0.0) -> optax.GradientTransformationExtraArgs:
    r"""Make Newton's method with the observed information, by automatic differentiation.

    The step is :math:`v = -(H + \lambda D)^{-1} g`, with H the Hessian of the negative log-likelihood, made positive
    definite where it is not. A candidate that does not lower the function is rejected for one nearer to the last
    accepted point (:math:`\lambda` grows); one that does is kept (:math:`\lambda` falls to 0, so that the end is
    quadratic). Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., chapter 4 and algorithm 10.3 (p. 258).

    Usable in any optax loop; `update` needs `value_fn`, the function being minimized.

    Args:
        damping: the initial lambda, relative to the diagonal of H.

    Returns:
        An `optax.GradientTransformationExtraArgs`.

    Example:
        >>> import jax, optax, jax.numpy as jnp
        >>> from jaxmle import optimizers
        >>> def f(x):
        ...     return jnp.sum((x - 1.0) ** 4 + (x - 1.0) ** 2)
        >>> optimizer, x = optimizers.newton(), jnp.zeros(2)
        >>> state = optimizer.init(x)
        >>> for _ in range(8):
        ...     value, grad = jax.value_and_grad(f)(x)
        ...     updates, state = optimizer.update(grad, state, x, value=value, grad=grad, value_fn=f)
        ...     x = optax.apply_updates(x, updates)
        >>> [round(float(v), 5) for v in x]
        [1.0, 1.0]
    """
    return _curvature("newton", "information", damping)


@_cached
def fisher_scoring(damping: float = 0.0) -> optax.GradientTransformationExtraArgs:
    """Make Fisher scoring: Newton's method with the expected information (Fisher 1925; Osborne 1992, *Int. Stat. Rev.* 60).

    Positive definite wherever the model is identified, hence robust to far starts. The model must have an
    `information`; `value_fn` must offer `expected(params) -> f[p, p]`. The rest is as in `newton`.
    """
    return _curvature("fisher_scoring", "expected", damping)


@_cached
def bhhh(damping: float = 0.0) -> optax.GradientTransformationExtraArgs:
    """Make Newton's method with the outer product of scores (Berndt, Hall, Hall & Hausman 1974).

    Needs first derivatives only: a good choice where second ones are expensive, such as through a long scan. `value_fn`
    must offer `opg(params) -> f[p, p]`. The rest is as in `newton`.
    """
    return _curvature("bhhh", "opg", damping)


@_cached
def gauss_newton(damping: float = 0.0) -> optax.GradientTransformationExtraArgs:
    r"""Make Gauss and Newton's method, damped as Levenberg and Marquardt's, for curves with any noise.

    Where contributions depend on a response y and on some parameters through y - m alone, the curvature about these is
    :math:`\sum m' m'^\top (-\partial^2 l / \partial y^2)`, positive definite for log-concave noise also far from the maximum;
    about the others it is the observed information. `value_fn` must offer `gauss_newton(params) -> f[p, p]`. The rest
    is as in `newton`, which certifies the maximum. Nocedal & Wright 2006, *Numerical Optimization*, 2nd ed., section 10.3.
    """
    return _curvature("gauss_newton", "gauss_newton", damping)


def initial_state(u: Float[Array, " p"], damping: ArrayLike = 0.0) -> CurvatureState:
    """Make the state before the first evaluation, at coordinates u."""
    dtype = u.dtype
    zero, inf = jnp.zeros((), dtype), jnp.full((), jnp.inf, dtype)
    none, no, whole = jnp.zeros_like(u), jnp.zeros((), bool), jnp.zeros((), jnp.int32)
    return CurvatureState(
        anchor=u, value=inf, gradient=none, matrix=jnp.eye(u.size, dtype=dtype), decrement=inf, definite=no,
        lowest=zero, tailing=no, tail_step=none, tail_rate=zero + 1, damping=jnp.asarray(damping, dtype), stretch=zero + 1, accepted=no, rejected=whole,
        lasting=jnp.zeros(u.shape, bool), plain=none, move=none, count=whole,
    )  # fmt: skip


def _curvature(name: str, which: str, damping: ArrayLike) -> optax.GradientTransformationExtraArgs:
    """Make the optimizer called `name` whose curvature is the method `which` of `value_fn`, or the Hessian where it has none."""

    def init(params: Params) -> CurvatureState:
        return initial_state(ravel_pytree(params)[0], damping)

    def update(
        updates: Params, state: Any, params: Params | None = None, **extra: Any
    ) -> tuple[Params, CurvatureState]:
        value_fn = _check(name, which, params, extra.get("value_fn"))
        flat, unravel = ravel_pytree(params)
        gradient = ravel_pytree(updates)[0]
        value = extra["value"] if extra.get("value") is not None else value_fn(params)
        matrix = getattr(value_fn, which, functools.partial(hessian, value_fn))(params)
        total = jnp.sum(getattr(value_fn, "weights", 1.0))
        unitless = getattr(value_fn, "unitless", np.zeros(flat.shape, bool))
        new = advance(state, flat, value, gradient, matrix, total, unitless)
        return unravel(new.anchor + new.move - flat), new

    return optax.GradientTransformationExtraArgs(init, update)


def _check(name: str, which: str | None, params: Params | None, value_fn: T | None) -> T:
    """Check what a wrapper passes to a method, and return `value_fn`; without `which` that may be the value itself."""
    if params is None or value_fn is None:
        raise TypeError(
            f"{name}: update needs params and value_fn, the function being minimized: "
            "update(grads, state, params, value=value, grad=grad, value_fn=f)"
        )
    leaves = jax.tree.leaves(params, is_leaf=lambda x: isinstance(x, optax.MaskedNode))
    if any(isinstance(x, optax.MaskedNode) for x in leaves):
        raise TypeError(
            f"{name} inside optax.masked or optax.partition gets only a part of the parameters, and the log-likelihood "
            "needs all of them: hold parameters with jaxmle.models.pinned instead, or wrap a first-order method"
        )
    if which not in (None, "information") and not hasattr(value_fn, which):
        raise TypeError(
            f"{name} needs a value_fn that offers .{which}(params) -> f[p, p], got {type(value_fn).__name__}; "
            "jaxmle's own objective does; for a plain function use optimizers.newton()"
        )
    return value_fn


def hold(
    gradient: Float[Array, " p"], matrix: Float[Array, "p p"], held: Bool[Array, " p"]
) -> tuple[Float[Array, " p"], Float[Array, "p p"]]:
    """Return gradient f[p] and curvature f[p, p] with no slope in the coordinates that are `held`, so that they stay."""
    eye = jnp.eye(gradient.shape[0], dtype=gradient.dtype)
    return jnp.where(held, 0.0, gradient), jnp.where(held[:, None] | held[None, :], eye, matrix)


UNSURE = 1e5
"Times what rounding leaves unsure in a sum of its size, that cancellation inside the contributions may leave unsure."


def rounding(
    value: Float[Array, ""], decrement: Float[Array, ""], total: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Bound the rounding error of a value, and by how much a candidate may lie above the value, f[] each.

    Near the maximum the value is rounding noise: a step whose predicted gain is below that is judged by the decrement.
    """
    noise = 16 * float(jnp.finfo(value.dtype).eps) * (jnp.abs(value) + total)
    slack = jnp.where(decrement < noise, 64 * noise, noise + jnp.where(decrement < 1e3 * noise, decrement, 0.0))
    return noise, jnp.where(jnp.isfinite(value), slack, 0.0)


def advance(
    s: CurvatureState,
    x: Float[Array, " p"],
    value: Float[Array, ""],
    gradient: Float[Array, " p"],
    matrix: Float[Array, "p p"],
    total: Float[Array, ""],
    unitless: Bool[np.ndarray, " p"],
) -> CurvatureState:
    """Accept or reject the candidate x, and propose the next step; every Newton step of the solver is controlled here.

    Args:
        s: the state before.
        value, gradient, matrix: of the function at x, f[], f[p] and f[p, p].
        total: the sum of weights, f[].
        unitless: which coordinates stand for logarithms or logits, bool[p].
    """
    dtype = x.dtype
    eps = float(jnp.finfo(dtype).eps)
    finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(matrix))
    noise, slack = rounding(s.value, s.decrement, total)
    # The change of curvature and slope along the coordinates whose steps keep their length.
    moved = x - s.anchor
    run = jnp.where(s.lasting, moved, 0.0)
    bent, bends, slope_was, slope_is = run @ (s.matrix @ run), run @ (matrix @ run), s.gradient @ run, gradient @ run
    fell = jnp.where(bent > 0, bends / jnp.where(bent > 0, bent, 1.0), 0.0)
    # A long step in a tail must end in the tail: beyond it lies a maximum that was missed, or rounding.
    overshot = (s.tail_rate < 1) & (s.stretch > 1) & ~((slope_is < 0) & (bends > 0))
    # Cancellation inside the model may leave more unsure in the value than its size shows: within what that can be the
    # slopes at both ends judge a short step (approximate Wolfe condition, Hager & Zhang 2005, SIAM J. Optim. 16, 170-192).
    first = s.count == 0
    falls = ((s.gradient + gradient) @ moved < 0) | (s.decrement < noise)  # a slope below rounding has no sign
    unsure = falls & (s.decrement < UNSURE * noise) & (value <= s.value + UNSURE * noise)
    accepted = finite & ((value <= s.value + slack) | unsure) & ~overshot

    before, after = moved @ (s.matrix @ moved), moved @ (matrix @ moved)
    ratio = jnp.where(first, 0.0, jnp.where(before > 0, after / jnp.where(before > 0, before, 1.0), 0.0))
    ratio = jnp.where(~first & jnp.all(moved == 0), 1.0, ratio)
    predicted = -(s.gradient @ moved) - 0.5 * before
    gain = jnp.where(predicted > 0, (s.value - value) / jnp.where(predicted > 0, predicted, 1.0), 1.0)
    gain = jnp.where(predicted < noise, 1.0, gain)

    damping = jnp.where(
        accepted,
        jnp.where(first | (gain < 0.25), s.damping, jnp.where(s.damping < 1e-2, 0.0, s.damping * 0.1)),
        jnp.where(
            s.stretch > 1,
            s.damping,
            jnp.maximum(s.damping * jnp.exp(float(np.log(10.0)) * jnp.maximum(1, s.rejected).astype(dtype)), 0.1),
        ),
    )
    rejected = jnp.where(accepted | (s.stretch > 1), 0, s.rejected + 1)
    anchor = jnp.where(accepted, x, s.anchor)
    value = jnp.where(accepted, value, s.value)
    gradient = jnp.where(accepted, gradient, s.gradient)
    matrix = jnp.where(accepted, matrix, s.matrix)

    diagonal = jnp.abs(jnp.diagonal(matrix))
    # Where the curvature vanishes g^2 / W, a lower bound of the outer product of scores, has the right units.
    bound = jnp.where(gradient == 0, 1.0, gradient**2 / jnp.maximum(total, eps))
    scale = jnp.where(diagonal > 0, diagonal, bound)
    # A logarithm or a logit takes no steps beyond REACH, where the curvature is another.
    slope = jnp.where(unitless, jnp.abs(gradient), 0.0)
    scale = jnp.maximum(scale, slope)
    excess = jnp.where(slope > 1e-6 * total, jnp.maximum(slope / REACH - diagonal, 0.0), 0.0)
    noise = 16 * eps * (jnp.abs(value) + total)
    d = descend(matrix + jnp.diag(excess), gradient, scale, damping, noise, unitless)
    exact = (damping == 0) & jnp.all(excess == 0)
    decrement = jnp.where(exact, d.decrement, jnp.inf)

    # Towards infinity curvature, slope and decrement fall in step; towards a maximum the curvature settles, the
    # decrement falls faster, or the slope turns.
    slower = slope_is**2 >= 0.25 * (fell * slope_was) ** 2
    tailing = accepted & (slope_is < 0) & (fell > 0) & (fell < 0.75) & slower
    tailing &= d.decrement < 0.05 * jnp.maximum(total, 1.0)
    turned = gradient @ s.tail_step > 0
    regular = d.definite & ~jnp.any(s.lasting)
    settled = accepted & ~tailing & (turned | regular | ((fell > 0) & ((fell < 1.33) & (fell >= 0.75) | ~slower)))
    tail_rate = jnp.where(tailing, s.tail_rate * fell, jnp.where(settled, 1.0, s.tail_rate))
    plain = jnp.where(unitless, jnp.clip(d.move, -REACH, REACH), d.move)
    # Where the curvature keeps falling along a direction, the coordinates whose steps keep their length take longer ones.
    lasting = (plain * s.plain > 0) & (jnp.abs(plain) > 0.75 * jnp.abs(s.plain))
    unsettled = (ratio < 0.75) | ~d.definite
    longer = accepted & (s.count > 1) & unsettled & (damping == 0) & jnp.any(lasting)
    stretch = jnp.where(longer, jnp.minimum(s.stretch * 2, 64.0), 1.0).astype(dtype)
    return CurvatureState(
        anchor=anchor,
        value=value,
        gradient=gradient,
        matrix=matrix,
        decrement=decrement.astype(dtype),
        definite=d.definite & exact,
        lowest=d.lowest,
        tailing=tailing,
        tail_step=jnp.where(tailing, run, jnp.where(settled, 0.0, s.tail_step)),
        tail_rate=tail_rate.astype(dtype),
        damping=damping.astype(dtype),
        stretch=stretch,
        accepted=accepted,
        rejected=rejected,
        lasting=lasting,
        plain=plain,
        move=jnp.where(lasting, stretch, 1.0).astype(dtype) * plain,
        count=s.count + 1,
    )
