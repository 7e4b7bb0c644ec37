"""Rules of the tracer, one for each primitive of JAX: elements and shapes."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle import special
from jaxmle._native.ir.layout import ROWS, Unsupported, one_row, row_axis
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT
from jaxmle._native.lowering.sort import row_by_number
from jaxmle._native.lowering.tracer import Array, Tracer, kind_of, objects
from jaxmle._native.passes.products import power

# --- elements ----------------------------------------------------------------------------------------


def integer_pow(t: Tracer, eqn: Any, a: Array) -> Array:
    return t.map(lambda x: power(t.graph, x, eqn.params["y"]), a)


def pow(t: Tracer, eqn: Any, a: Array, b: Array) -> Array:
    if all(x.op == "const" and x.value == int(x.value) and abs(x.value) < 8 for x in b.nodes.ravel()):
        exponents = np.broadcast_to(b.nodes, a.nodes.shape).ravel()
        powers = (power(t.graph, x, int(n.value)) for x, n in zip(a.nodes.ravel(), exponents, strict=True))
        return Array(objects(powers, a.nodes.shape), a.axis)
    return t.each("pow", a, t.map(lambda x: t.graph.make("convert", x, attr=FLOAT), b))


def _special(t: Tracer, f: Callable[[Any], Any], a: Array) -> Array:
    """A function of jaxmle.special in place of JAX's; it is NaN where the argument is not positive."""
    t.partial = True
    return _made_of(f, t, None, a)


def _made_of(f: Callable[[Any], Any], t: Tracer, eqn: Any, a: Array) -> Array:
    closed = jax.make_jaxpr(f)(jax.ShapeDtypeStruct(a.shape, np.float64))
    return t.run(closed.jaxpr, closed.consts, [a])[0]


def _sinh(x: Any) -> Any:
    small = jnp.expm1(x)
    return jnp.where(jnp.abs(x) < 1, 0.5 * (small + small / (small + 1)), 0.5 * jnp.exp(x) - 0.5 * jnp.exp(-x))


def _asinh(x: Any) -> Any:
    size = jnp.abs(x)
    big = size > 1e150
    s = jnp.where(big, 1.0, size)
    return jnp.sign(x) * jnp.where(big, jnp.log(size) + np.log(2), jnp.log1p(s + s * s / (1 + jnp.sqrt(s * s + 1))))


def lgamma(t: Tracer, eqn: Any, a: Array) -> Array:
    return _special(t, special.gammaln, a)


def digamma(t: Tracer, eqn: Any, a: Array) -> Array:
    return _special(t, special.digamma, a)


def polygamma(t: Tracer, eqn: Any, order: Array, a: Array) -> Array:
    n = set(whole(order).ravel().tolist())
    if len(n) != 1 or not n <= {1, 2, 3}:
        raise Unsupported("a polygamma function of this order")
    return _special(t, functools.partial(special.polygamma, n.pop()), a)


def square(t: Tracer, eqn: Any, a: Array) -> Array:
    return t.each("mul", a, a)


def select_n(t: Tracer, eqn: Any, which: Array, *cases: Array) -> Array:
    if len(cases) == 1:
        return cases[0]
    if len(cases) != 2 or which.nodes.ravel()[0].kind != BOOL:
        raise Unsupported("a choice between more than two")
    if which.nodes.ndim == 0:
        which = Array(np.broadcast_to(which.nodes, cases[0].nodes.shape), cases[0].axis)
    return t.each("select", which, cases[1], cases[0])


def clamp(t: Tracer, eqn: Any, low: Array, x: Array, high: Array) -> Array:
    low, high = (Array(np.broadcast_to(b.nodes, x.nodes.shape), x.axis) for b in (low, high))
    return t.each("min", t.each("max", x, low), high)


def convert_element_type(t: Tracer, eqn: Any, a: Array) -> Array:
    kind = kind_of(eqn.params["new_dtype"])
    return t.map(lambda x: t.graph.make("convert", x, attr=kind), a)


def iota(t: Tracer, eqn: Any) -> Array:
    shape, axis = eqn.params["shape"], eqn.params["dimension"]
    if axis == row_axis(shape):
        if shape[axis] != ROWS:
            raise Unsupported("the numbers of the rows, with columns")
        rows = Array(objects([t.graph.leaf("row", None, INT, True, True)], [1]), 0)
        return t.spread(rows, shape, (axis,), kind_of(eqn.params["dtype"]))
    return t.spread(t.constant(np.arange(shape[axis])), shape, (axis,), kind_of(eqn.params["dtype"]))


def empty2(t: Tracer, eqn: Any) -> Array:
    """Room for what is written later."""
    out = eqn.outvars[0].aval
    zero = t.constant(np.zeros((), out.dtype))
    return t.spread(zero, out.shape, ())


# --- shapes ---


def broadcast_in_dim(t: Tracer, eqn: Any, a: Array, *_: Array) -> Array:
    return t.spread(a, eqn.params["shape"], eqn.params["broadcast_dimensions"])


def reshape(t: Tracer, eqn: Any, a: Array) -> Array:
    shape = eqn.params["new_sizes"]
    axis = row_axis(shape)
    if axis is None or a.axis is None:
        if axis is not a.axis:
            raise Unsupported("a reshape of the rows")
        return Array(a.nodes.reshape(shape), None)
    before = math.prod(a.nodes.shape[: a.axis + (not a.outer)])
    ahead = math.prod(shape[:axis])
    if before not in (ahead, ahead * (shape[axis] // ROWS)):
        raise Unsupported("a reshape of the rows")
    return Array(a.nodes.reshape(one_row(shape)), axis, before == ahead and shape[axis] > ROWS)


def squeeze(t: Tracer, eqn: Any, a: Array) -> Array:
    return Array(a.nodes.reshape(one_row(eqn.outvars[0].aval.shape)), row_axis(eqn.outvars[0].aval.shape))


def transpose(t: Tracer, eqn: Any, a: Array) -> Array:
    order = eqn.params["permutation"]
    return Array(a.nodes.transpose(order), None if a.axis is None else order.index(a.axis))


def rev(t: Tracer, eqn: Any, a: Array) -> Array:
    if a.axis in eqn.params["dimensions"]:
        raise Unsupported("the rows in reverse")
    return Array(np.flip(a.nodes, eqn.params["dimensions"]), a.axis)


def concatenate(t: Tracer, eqn: Any, *args: Array) -> Array:
    axis = eqn.params["dimension"]
    if axis == row_axis(eqn.outvars[0].aval.shape):
        *firsts, last = args
        if any(a.axis is not None for a in firsts) or sum(a.nodes.shape[axis] for a in firsts) != last.cut:
            raise Unsupported("rows after rows")
        for a in reversed(firsts):
            for first in np.split(a.nodes, a.nodes.shape[axis], axis)[::-1]:
                pairs = zip(first.ravel(), last.nodes.ravel(), strict=True)
                lagged = (t.graph.make("linear", before, x, attr=False) for before, x in pairs)
                last = Array(objects(lagged, last.nodes.shape), axis)
        return last
    if any(a.cut for a in args) or row_axis(eqn.outvars[0].aval.shape) != args[0].axis:
        raise Unsupported("rows after rows")
    return Array(np.concatenate([a.nodes for a in args], axis), args[0].axis)


def stack(t: Tracer, eqn: Any, *args: Array) -> Array:
    axis = eqn.params.get("axis", eqn.params.get("dimension", 0))
    out = np.stack([a.nodes for a in args], axis)
    return Array(out, row_axis(eqn.outvars[0].aval.shape))


def split(t: Tracer, eqn: Any, a: Array) -> list[Array]:
    if eqn.params["axis"] == a.axis:
        raise Unsupported("a split of the rows")
    parts = np.split(a.nodes, np.cumsum(eqn.params["sizes"])[:-1], eqn.params["axis"])
    return [Array(x, a.axis) for x in parts]


def unstack(t: Tracer, eqn: Any, a: Array) -> list[Array]:
    axis = eqn.params["axis"]
    if axis == a.axis:
        raise Unsupported("one of the rows")
    rest = None if a.axis is None else a.axis - (axis < a.axis)
    parts = np.moveaxis(a.nodes, axis, 0)
    return [Array(objects(parts[i : i + 1].ravel(), parts.shape[1:]), rest) for i in range(len(parts))]


def slice_(t: Tracer, eqn: Any, a: Array) -> Array:
    start, stop = eqn.params["start_indices"], eqn.params["limit_indices"]
    strides = eqn.params["strides"] or (1,) * len(start)
    cut = [slice(*x) for x in zip(start, stop, strides, strict=True)]
    if a.axis is None or (start[a.axis], stop[a.axis], strides[a.axis]) == (0, a.shape[a.axis], 1):
        if a.axis is not None:
            cut[a.axis] = slice(None)
        return Array(a.nodes[tuple(cut)], a.axis)
    gone = a.shape[a.axis] - stop[a.axis]
    if (start[a.axis], strides[a.axis]) == (0, 1) and 0 < gone <= 8 and a.nodes.shape[a.axis] == 1:
        cut[a.axis] = slice(None)
        return Array(a.nodes[tuple(cut)], a.axis, cut=gone)
    if stop[a.axis] - start[a.axis] != 1 or start[a.axis] not in (0, ROWS - 1) or a.nodes.shape[a.axis] != 1:
        raise Unsupported("some of the rows")
    cut[a.axis] = slice(None)
    if start[a.axis] or any(x.row and x.op != "load" for x in a.nodes[tuple(cut)].ravel()):
        row = row_by_number(t, Array(a.nodes[tuple(cut)], a.axis), t.number(start[a.axis], INT))
        return Array(np.expand_dims(row, a.axis), None)
    return t.map(
        lambda x: t.graph.leaf("first", x.attr, x.kind, False, True) if x.row else x, Array(a.nodes[tuple(cut)], None)
    )


def pad(t: Tracer, eqn: Any, a: Array, value: Array) -> Array:
    config = eqn.params["padding_config"]
    if any(low < 0 or high < 0 or inner for low, high, inner in config):
        raise Unsupported("a pad that cuts")
    if a.axis is not None and config[a.axis] != (0, 0, 0):
        raise Unsupported("a pad of the rows")
    out = np.full([k + low + high for k, (low, high, _) in zip(a.nodes.shape, config, strict=True)], None, object)
    out[...] = value.only
    out[tuple(slice(low, low + k) for k, (low, _, _) in zip(a.nodes.shape, config, strict=True))] = a.nodes
    return Array(out, a.axis)


def whole(a: Array) -> np.ndarray:
    """Whole numbers that are known now, such as indices."""
    if a.axis is not None or any(x.op != "const" for x in a.nodes.ravel()):
        raise Unsupported("an index that depends on numbers")
    return np.array([x.value for x in a.nodes.ravel()], int).reshape(a.nodes.shape)


def dynamic_slice(t: Tracer, eqn: Any, a: Array, *starts: Array) -> Array:
    sizes = eqn.params["slice_sizes"]
    if a.axis is not None and sizes[a.axis] == 1:
        row = np.expand_dims(row_by_number(t, a, starts[a.axis].only), a.axis)
        a, starts = Array(row, None), (*starts[: a.axis], t.constant(0), *starts[a.axis + 1 :])
    if a.axis is not None and sizes[a.axis] != a.shape[a.axis]:
        raise Unsupported("some of the rows")
    cut = []
    for i, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        at = 0 if i == a.axis else int(np.clip(whole(start), 0, a.nodes.shape[i] - size))
        cut.append(slice(None) if i == a.axis else slice(at, at + size))
    return Array(a.nodes[tuple(cut)], a.axis)


def dynamic_update_slice(t: Tracer, eqn: Any, a: Array, new: Array, *starts: Array) -> Array:
    if a.axis is not None:
        raise Unsupported("rows that are replaced")
    out = a.nodes.copy()
    at = [int(np.clip(whole(s), 0, k - m)) for s, k, m in zip(starts, out.shape, new.nodes.shape, strict=True)]
    out[tuple(slice(i, i + m) for i, m in zip(at, new.nodes.shape, strict=True))] = new.nodes
    return Array(out, None)


RULES = {
    "acosh": functools.partial(_made_of, lambda x: jnp.log1p(x - 1 + jnp.sqrt(x - 1) * jnp.sqrt(x + 1))),
    "asinh": functools.partial(_made_of, _asinh),
    "atanh": functools.partial(_made_of, lambda x: 0.5 * jnp.log1p(2 * x / (1 - x))),
    "cosh": functools.partial(_made_of, lambda x: 0.5 * jnp.exp(x) + 0.5 * jnp.exp(-x)),
    "sinh": functools.partial(_made_of, _sinh),
    "broadcast_in_dim": broadcast_in_dim,
    "clamp": clamp,
    "concatenate": concatenate,
    "convert_element_type": convert_element_type,
    "digamma": digamma,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "empty2": empty2,
    "integer_pow": integer_pow,
    "iota": iota,
    "lgamma": lgamma,
    "log2": functools.partial(_made_of, lambda x: jnp.log(x) * (1 / math.log(2))),
    "one_minus_square": functools.partial(_made_of, lambda x: (1 + x) * (1 - x)),
    "pad": pad,
    "polygamma": polygamma,
    "pow": pow,
    "reshape": reshape,
    "rev": rev,
    "select_n": select_n,
    "slice": slice_,
    "split": split,
    "square": square,
    "squeeze": squeeze,
    "stack": stack,
    "transpose": transpose,
    "unstack": unstack,
    "empty": empty2,
    "expand_dims": squeeze,
}
