"""Rules of the tracer for JAX's primitives on single elements."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from jaxmle import special
from jaxmle._native.ir.layout import Unsupported
from jaxmle._native.ir.nodes import BOOL, FLOAT
from jaxmle._native.lowering.shapes import constant_integers
from jaxmle._native.lowering.tracer import Array, Tracer, kind_of, objects
from jaxmle._native.passes.products import power


def integer_pow(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return t.map(lambda x: power(t.graph, x, eqn.params["y"]), a)


def pow(t: Tracer, eqn: JaxprEqn, a: Array, b: Array) -> Array:
    if all(x.op == "const" and x.value == int(x.value) and abs(x.value) < 8 for x in b.nodes.ravel()):
        exponents = np.broadcast_to(b.nodes, a.nodes.shape).ravel()
        powers = (power(t.graph, x, int(n.value)) for x, n in zip(a.nodes.ravel(), exponents, strict=True))
        return Array(objects(powers, a.nodes.shape), a.axis)
    return t.each("pow", a, t.map(lambda x: t.graph.make("convert", x, attr=FLOAT), b))


def _special(t: Tracer, f: Callable[[jax.Array], jax.Array], a: Array) -> Array:
    """Trace a function of jaxmle.special in place of JAX's; it is NaN where the argument is not positive."""
    t.partial = True
    return _made_of(f, t, None, a)


def _made_of(f: Callable[[jax.Array], jax.Array], t: Tracer, eqn: JaxprEqn | None, a: Array) -> Array:
    """Trace a function of JAX on an array of nodes."""
    closed = jax.make_jaxpr(f)(jax.ShapeDtypeStruct(a.shape, np.float64))
    return t.run(closed.jaxpr, closed.consts, [a])[0]


def _sinh(x: jax.Array) -> jax.Array:
    small = jnp.expm1(x)
    return jnp.where(jnp.abs(x) < 1, 0.5 * (small + small / (small + 1)), 0.5 * jnp.exp(x) - 0.5 * jnp.exp(-x))


def _asinh(x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    big = size > 1e150
    s = jnp.where(big, 1.0, size)
    return jnp.sign(x) * jnp.where(big, jnp.log(size) + np.log(2), jnp.log1p(s + s * s / (1 + jnp.sqrt(s * s + 1))))


def lgamma(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _special(t, special.gammaln, a)


def digamma(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _special(t, special.digamma, a)


def polygamma(t: Tracer, eqn: JaxprEqn, order: Array, a: Array) -> Array:
    n = set(constant_integers(order).ravel().tolist())
    if len(n) != 1 or not n <= {1, 2, 3}:
        raise Unsupported("a polygamma function of this order")
    return _special(t, functools.partial(special.polygamma, n.pop()), a)


def square(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return t.each("mul", a, a)


def select_n(t: Tracer, eqn: JaxprEqn, which: Array, *cases: Array) -> Array:
    if len(cases) == 1:
        return cases[0]
    if len(cases) != 2 or which.nodes.ravel()[0].kind != BOOL:
        raise Unsupported("a choice between more than two")
    if which.nodes.ndim == 0:
        which = Array(np.broadcast_to(which.nodes, cases[0].nodes.shape), cases[0].axis)
    return t.each("select", which, cases[1], cases[0])


def clamp(t: Tracer, eqn: JaxprEqn, low: Array, x: Array, high: Array) -> Array:
    low, high = (Array(np.broadcast_to(b.nodes, x.nodes.shape), x.axis) for b in (low, high))
    return t.each("min", t.each("max", x, low), high)


def convert_element_type(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    kind = kind_of(eqn.params["new_dtype"])
    return t.map(lambda x: t.graph.make("convert", x, attr=kind), a)


RULES = {
    "acosh": functools.partial(_made_of, lambda x: jnp.log1p(x - 1 + jnp.sqrt(x - 1) * jnp.sqrt(x + 1))),
    "asinh": functools.partial(_made_of, _asinh),
    "atanh": functools.partial(_made_of, lambda x: 0.5 * jnp.log1p(2 * x / (1 - x))),
    "clamp": clamp,
    "convert_element_type": convert_element_type,
    "cosh": functools.partial(_made_of, lambda x: 0.5 * jnp.exp(x) + 0.5 * jnp.exp(-x)),
    "digamma": digamma,
    "integer_pow": integer_pow,
    "lgamma": lgamma,
    "log2": functools.partial(_made_of, lambda x: jnp.log(x) * (1 / math.log(2))),
    "one_minus_square": functools.partial(_made_of, lambda x: (1 + x) * (1 - x)),
    "polygamma": polygamma,
    "pow": pow,
    "select_n": select_n,
    "sinh": functools.partial(_made_of, _sinh),
    "square": square,
}
