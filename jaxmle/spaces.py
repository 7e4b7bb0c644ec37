"""Spaces: the legal values of a parameter, and their smooth map to unconstrained coordinates.

The maximum does not depend on how parameters are written (Casella & Berger, *Statistical Inference*, 2nd ed.,
theorem 7.2.10), so a space needs `forward` and `inverse` and no log-determinant.

| space | values | unconstrained coordinates |
|---|---|---|
| `real` | any number | itself |
| `positive` | x > 0 | log x |
| `interval(a, b)` | a < x < b | logit; log where one end is infinite |
| `simplex(k)` | k shares that sum to 1 | log ratios to the last, k - 1 |
| `ordered(k)` | increasing | the first, then logs of the steps |
| `covariance(d)` | positive definite | d log scales, d(d-1)/2 regression weights |
| `correlation(d)` | positive definite, unit diagonal | d(d-1)/2 regression weights |
| `unit_vector(d)` | vectors of length 1 | stereographic, d - 1 |

Every space takes `shape=`: that many independent copies.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, ArrayLike, Bool, Float
from jaxmle._util.records import is_traced, numbers, record

__all__ = [
    "Kind",
    "Space",
    "correlation",
    "covariance",
    "interval",
    "ordered",
    "positive",
    "real",
    "simplex",
    "unit_vector",
]


def __dir__() -> list[str]:
    """List the public names alone."""
    return sorted(__all__)


Spaces = Any
"A pytree of `Space` with the structure of params."

Shape = int | tuple[int, ...]
"How many independent copies of a space: a number, or a shape."


@record
class Kind:
    """The pure functions of a family of spaces, each called with the `bounds` of the space behind its argument.

    Attributes:
        name: shown in messages and tables.
        forward: `(u, *bounds) -> x`, unconstrained coordinates to legal values.
        inverse: `(x, *bounds) -> u`.
        inside: `(x, *bounds) -> bool`, whether values are strictly inside.
        ends: what an elementwise coordinate tends to at minus and plus infinity; None where coordinates mix.
        unitless: whether every coordinate is a logarithm or a logit of one value.
    """

    name: str
    forward: Callable[..., Array]
    inverse: Callable[..., Array]
    inside: Callable[..., Bool[Array, "..."] | bool]
    ends: tuple[str, str] | None = None
    unitless: bool = False


@record
class Space:
    """A set of legal values with a smooth one-to-one map to unconstrained coordinates.

    Attributes:
        kind: the family and its functions.
        value_shape: shape of one legal value, `shape` included.
        coordinate_shape: shape of its unconstrained coordinates.
        bounds: the numbers of the family (an interval's ends, a pinned value); they vary without recompiling.
        source: for a tied parameter, the name of the parameter it copies.
    """

    kind: Kind
    value_shape: tuple[int, ...] = ()
    coordinate_shape: tuple[int, ...] = ()
    bounds: tuple[ArrayLike, ...] = numbers(default=())
    source: str = ""

    def __call__(self, *, shape: Shape = ()) -> "Space":
        """Repeat the space `shape` times, independently: `real(shape=(3,))`."""
        shape = _shape(shape)
        return Space(self.kind, shape + self.value_shape, shape + self.coordinate_shape, self.bounds, self.source)

    def forward(self, u: ArrayLike) -> Array:
        """Map unconstrained coordinates [*coordinate_shape] to a legal value [*value_shape]."""
        return self.kind.forward(u, *self.bounds)

    def inverse(self, x: ArrayLike) -> Array:
        """Map a legal value [*value_shape] to unconstrained coordinates [*coordinate_shape]."""
        return self.kind.inverse(x, *self.bounds)

    def contains(self, x: ArrayLike) -> Bool[Array, ""]:
        """Tell whether every element of x is strictly inside; a scalar boolean."""
        x = jnp.asarray(x)
        return jnp.all(jnp.isfinite(x)) & jnp.all(self.kind.inside(x, *self.bounds))

    def __repr__(self) -> str:
        bounds = ", ".join(
            f"{float(np.asarray(b)):g}" if np.ndim(b) == 0 and _concrete(b) else "..." for b in self.bounds
        )
        inside = self.source or bounds
        shape = f", shape={self.value_shape}" if self.value_shape else ""
        return f"{self.kind.name}({inside}{shape if inside else shape[2:]})"


def _concrete(x: ArrayLike) -> bool:
    return not is_traced(x)


def _shape(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _identity(x: Array) -> Array:
    return x


def _everywhere(x: ArrayLike) -> Bool[Array, "..."]:
    return jnp.ones(jnp.shape(x), bool)


# --- elementwise -----------------------------------------------------------------------------------------


def _interval_forward(u: Array, a: Array, b: Array) -> Array:
    # Measured from the nearer end: close to an end the distance keeps all its digits.
    s = jax.nn.sigmoid(-jnp.abs(u))
    return jnp.where(u < 0, a + (b - a) * s, b - (b - a) * s)


real = Space(Kind("real", _identity, _identity, _everywhere, ("-infinity", "infinity")))
"Any finite number."

positive = Space(Kind("positive", jnp.exp, jnp.log, lambda x: x > 0, ("0", "infinity"), unitless=True))
"Numbers above 0, through the logarithm."

_INTERVAL = Kind(
    "interval",
    _interval_forward,
    lambda x, a, b: jnp.log(x - a) - jnp.log(b - x),
    lambda x, a, b: (x > a) & (x < b),
    ends=("its lower end", "its upper end"),
    unitless=True,
)
_ABOVE = Kind(
    "above", lambda u, a: a + jnp.exp(u), lambda x, a: jnp.log(x - a), lambda x, a: x > a, ("its lower end", "infinity"), True
)  # fmt: skip
_BELOW = Kind(
    "below", lambda u, b: b - jnp.exp(u), lambda x, b: jnp.log(b - x), lambda x, b: x < b, ("its upper end", "-infinity"), True
)  # fmt: skip


def interval(lower: ArrayLike, upper: ArrayLike, *, shape: Shape = ()) -> Space:
    """Make the space of numbers strictly between `lower` and `upper`; either end may be infinite.

    >>> from jaxmle import spaces
    >>> float(spaces.interval(0.0, 10.0).forward(0.0))
    5.0
    """
    shape = _shape(shape)
    if _concrete(lower) and _concrete(upper) and not np.all(np.asarray(lower) < np.asarray(upper)):
        raise ValueError(f"interval: lower {lower} must be less than upper {upper}; did you swap them?")
    open_below, open_above = _is_infinite(lower), _is_infinite(upper)
    if open_below and open_above:
        return real(shape=shape)
    if open_above:
        return Space(_ABOVE, shape, shape, (lower,))
    if open_below:
        return Space(_BELOW, shape, shape, (upper,))
    return Space(_INTERVAL, shape, shape, (lower, upper))


def _is_infinite(x: ArrayLike) -> bool:
    return _concrete(x) and bool(np.all(np.isinf(x)))


# --- values of several coordinates ------------------------------------------------------------------------


def _simplex_forward(u: Array) -> Array:
    logits = jnp.concatenate([u, jnp.zeros((*u.shape[:-1], 1), u.dtype)], axis=-1)
    return jnp.exp(jax.nn.log_softmax(logits, axis=-1))


def _simplex_inverse(x: Array) -> Array:
    logs = jnp.log(x)
    return logs[..., :-1] - logs[..., -1:]


_SIMPLEX = Kind(
    "simplex",
    _simplex_forward,
    _simplex_inverse,
    lambda x: (x > 0) & (jnp.abs(x.sum(-1, keepdims=True) - 1) < 1e-6),
)


def simplex(k: int, *, shape: Shape = ()) -> Space:
    """Make the space of `k` positive shares that sum to 1; k - 1 free coordinates (Aitchison 1986, additive log ratios)."""
    shape = _shape(shape)
    if k < 1:
        raise ValueError(f"simplex: needs at least 1 share, got k = {k}")
    return Space(_SIMPLEX, (*shape, k), (*shape, k - 1))


def _ordered_forward(u: Array) -> Array:
    return jnp.cumsum(jnp.concatenate([u[..., :1], jnp.exp(u[..., 1:])], axis=-1), axis=-1)


def _ordered_inverse(x: Array) -> Array:
    return jnp.concatenate([x[..., :1], jnp.log(jnp.diff(x, axis=-1))], axis=-1)


_ORDERED = Kind("ordered", _ordered_forward, _ordered_inverse, lambda x: jnp.diff(x, axis=-1) > 0)


def ordered(k: int, *, shape: Shape = ()) -> Space:
    """Make the space of `k` strictly increasing numbers, such as the cut points of an ordinal model."""
    shape = _shape(shape)
    if k < 1:
        raise ValueError(f"ordered: needs at least 1 number, got k = {k}")
    return Space(_ORDERED, (*shape, k), (*shape, k))


def _unit_lower(c: Float[Array, "... k"], d: int) -> Float[Array, "... d d"]:
    """Put regression weights [..., d(d-1)/2] below the diagonal of a unit lower triangle [..., d, d]."""
    rows, columns = np.tril_indices(d, -1)
    eye = jnp.broadcast_to(jnp.eye(d, dtype=c.dtype), (*c.shape[:-1], d, d))
    return eye.at[..., rows, columns].set(c)


def _weights_of(x: Float[Array, "... d d"]) -> tuple[Float[Array, "... d"], Float[Array, "... k"]]:
    """Split a covariance matrix into the log scales of its Cholesky factor and the factor's rows over their diagonal.

    The matrix is scaled to unit diagonal first, so that nothing overflows.
    """
    scale = jnp.sqrt(jnp.diagonal(x, axis1=-2, axis2=-1))
    low = jnp.linalg.cholesky(x / scale[..., :, None] / scale[..., None, :])
    diagonal = jnp.diagonal(low, axis1=-2, axis2=-1)
    rows, columns = np.tril_indices(x.shape[-1], -1)
    return jnp.log(diagonal) + jnp.log(scale), (low / diagonal[..., :, None])[..., rows, columns]


def _covariance_forward(u: Float[Array, "... k"]) -> Float[Array, "... d d"]:
    d = int((np.sqrt(8 * u.shape[-1] + 1) - 1) / 2 + 0.5)
    low = jnp.exp(u[..., :d])[..., :, None] * _unit_lower(u[..., d:], d)
    return low @ jnp.swapaxes(low, -1, -2)


def _covariance_inverse(x: Float[Array, "... d d"]) -> Float[Array, "... k"]:
    return jnp.concatenate(_weights_of(x), axis=-1)


def _correlation_forward(u: Float[Array, "... k"]) -> Float[Array, "... d d"]:
    d = int((np.sqrt(8 * u.shape[-1] + 1) + 1) / 2 + 0.5)
    low = _unit_lower(u, d)
    low = low / jnp.linalg.norm(low, axis=-1, keepdims=True)
    return (low @ jnp.swapaxes(low, -1, -2)).at[..., np.arange(d), np.arange(d)].set(1.0)


def _positive_definite(x: Float[Array, "... d d"]) -> Bool[Array, "..."]:
    scale = jnp.sqrt(jnp.diagonal(x, axis1=-2, axis2=-1))
    scaled = x / scale[..., :, None] / scale[..., None, :]
    symmetric = jnp.all(jnp.abs(scaled - jnp.swapaxes(scaled, -1, -2)) < 1e-6, axis=(-1, -2))
    return symmetric & jnp.all(jnp.isfinite(jnp.linalg.cholesky(scaled)), axis=(-1, -2))


_COVARIANCE = Kind("covariance", _covariance_forward, _covariance_inverse, _positive_definite)
_CORRELATION = Kind(
    "correlation",
    _correlation_forward,
    lambda x: _weights_of(x)[1],
    lambda x: _positive_definite(x) & jnp.all(jnp.abs(jnp.diagonal(x, axis1=-2, axis2=-1) - 1) < 1e-6, axis=-1),
)


def covariance(d: int, *, shape: Shape = ()) -> Space:
    """Make the space of positive definite d x d matrices, L L' with the rows of L scaled by exponentials of coordinates.

    A change of units only shifts these coordinates. The others, below the diagonal, are regression weights: Pourahmadi
    1999, *Biometrika* 86, 677-690, eq. 2-3.
    """
    shape = _shape(shape)
    if d < 1:
        raise ValueError(f"covariance: the dimension must be at least 1, got d = {d}")
    return Space(_COVARIANCE, (*shape, d, d), (*shape, d * (d + 1) // 2))


def correlation(d: int, *, shape: Shape = ()) -> Space:
    """Make the space of positive definite d x d matrices with unit diagonal."""
    shape = _shape(shape)
    if d < 2:
        raise ValueError(f"correlation: the dimension must be at least 2, got d = {d}")
    return Space(_CORRELATION, (*shape, d, d), (*shape, d * (d - 1) // 2))


def _reflector(d: int) -> Float[np.ndarray, " d"]:
    """Choose v of the reflection I - 2 v v' / v'v, which maps the last axis to the point that has no coordinates.

    That point is none of the directions that occur in practice, such as the axes.
    """
    axis = np.sqrt(2.0 + np.arange(d)) * (-1.0) ** np.arange(d)
    return np.eye(d)[-1] - axis / np.linalg.norm(axis)


def _reflected(x: Float[Array, "... d"]) -> Float[Array, "... d"]:
    v = jnp.asarray(_reflector(x.shape[-1]), x.dtype)
    return x - (2 / (v @ v)) * (x @ v)[..., None] * v


def _unit_forward(u: Array) -> Array:
    square = jnp.sum(u * u, -1, keepdims=True)
    return _reflected(jnp.concatenate([2 * u, square - 1], -1) / (square + 1))


def _unit_inverse(x: Array) -> Array:
    y = _reflected(x)
    return y[..., :-1] / (1 - y[..., -1:])


_UNIT = Kind(
    "unit_vector", _unit_forward, _unit_inverse, lambda x: jnp.abs(jnp.sum(x * x, -1, keepdims=True) - 1) < 1e-6
)


def unit_vector(d: int, *, shape: Shape = ()) -> Space:
    """Make the space of vectors of length 1 in d dimensions, by the stereographic projection from a point off every axis.

    Mardia & Jupp 2000, *Directional Statistics*, section 9.1; only that one point has no coordinates.
    """
    shape = _shape(shape)
    if d < 2:
        raise ValueError(f"unit_vector: the dimension must be at least 2, got d = {d}")
    return Space(_UNIT, (*shape, d), (*shape, d - 1))


# --- fixed and tied parameters --------------------------------------------------------------------------------------------

PINNED = Kind("pinned", lambda u, value: value, lambda x, value: jnp.zeros((0,)), lambda x, value: True)
TIED = Kind("tied", _identity, lambda x: jnp.zeros((0,)), lambda x: True)


def pinned_at(space: Space, value: ArrayLike) -> Space:
    """Fix `space` at `value`: no free coordinates; the value is an argument of compiled code."""
    return Space(PINNED, space.value_shape, (0,), (value,))


@record
class _Held:
    """A function of an elementwise space in which the coordinate of one element is held: `part` names which."""

    kind: Kind
    shape: tuple[int, ...]
    index: int
    part: Literal["forward", "inverse", "inside"]

    def __call__(self, x: Array, coordinate: ArrayLike, *bounds: ArrayLike) -> Array:
        if self.part == "inside":
            return jnp.asarray(self.kind.inside(x, *bounds))
        if self.part == "inverse":
            return jnp.delete(self.kind.inverse(x, *bounds).reshape(-1), self.index, assume_unique_indices=True)
        coordinate = jnp.asarray(coordinate, x.dtype)[None]
        whole = jnp.concatenate([x[: self.index], coordinate, x[self.index :]])
        return self.kind.forward(whole.reshape(self.shape), *bounds)


def held_at(space: Space, index: int, coordinate: ArrayLike) -> Space:
    """Hold the unconstrained coordinate of one element of an elementwise space; it is an argument of compiled code."""
    kind, shape = space.kind, space.value_shape
    forward, inverse = _Held(kind, shape, index, "forward"), _Held(kind, shape, index, "inverse")
    inside = _Held(kind, shape, index, "inside")
    size = int(np.prod(space.value_shape)) - 1
    return Space(
        Kind(HELD, forward, inverse, inside, kind.ends, kind.unitless), shape, (size,), (coordinate, *space.bounds)
    )


HELD = "held"


def tied_to(space: Space, source: str) -> Space:
    """Make a parameter of `space` a copy of the parameter named `source`."""
    return Space(TIED, space.value_shape, (0,), (), source)
