"""Rules of the tracer for JAX's primitives that make, move, cut and join arrays."""

import math

import numpy as np
from jax.extend.core import JaxprEqn

from jaxmle._native.ir.layout import ROWS, Unsupported, one_row, row_axis
from jaxmle._native.ir.nodes import INT
from jaxmle._native.lowering.sort import row_by_number
from jaxmle._native.lowering.tracer import Array, Tracer, dtype_of, kind_of, objects, shape_of


def iota(t: Tracer, eqn: JaxprEqn) -> Array:
    shape, axis = eqn.params["shape"], eqn.params["dimension"]
    if axis == row_axis(shape):
        if shape[axis] != ROWS:
            raise Unsupported("the numbers of the rows, with columns")
        rows = Array(objects([t.graph.leaf("row", None, INT, True, True)], [1]), 0)
        return t.spread(rows, shape, (axis,), kind_of(eqn.params["dtype"]))
    return t.spread(t.constant(np.arange(shape[axis])), shape, (axis,), kind_of(eqn.params["dtype"]))


def empty2(t: Tracer, eqn: JaxprEqn) -> Array:
    """Make an array of zeros, to be written to later."""
    zero = t.constant(np.zeros((), dtype_of(eqn.outvars[0])))
    return t.spread(zero, shape_of(eqn.outvars[0]), ())


def broadcast_in_dim(t: Tracer, eqn: JaxprEqn, a: Array, *_: Array) -> Array:
    return t.spread(a, eqn.params["shape"], eqn.params["broadcast_dimensions"])


def reshape(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
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


def squeeze(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return Array(a.nodes.reshape(one_row(shape_of(eqn.outvars[0]))), row_axis(shape_of(eqn.outvars[0])))


def transpose(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    order = eqn.params["permutation"]
    return Array(a.nodes.transpose(order), None if a.axis is None else order.index(a.axis))


def rev(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    if a.axis in eqn.params["dimensions"]:
        raise Unsupported("the rows in reverse")
    return Array(np.flip(a.nodes, eqn.params["dimensions"]), a.axis)


def concatenate(t: Tracer, eqn: JaxprEqn, *args: Array) -> Array:
    axis = eqn.params["dimension"]
    if axis == row_axis(shape_of(eqn.outvars[0])):
        *firsts, last = args
        if any(a.axis is not None for a in firsts) or sum(a.nodes.shape[axis] for a in firsts) != last.cut:
            raise Unsupported("rows after rows")
        for a in reversed(firsts):
            for first in np.split(a.nodes, a.nodes.shape[axis], axis)[::-1]:
                pairs = zip(first.ravel(), last.nodes.ravel(), strict=True)
                lagged = (t.graph.make("linear", before, x, attr=False) for before, x in pairs)
                last = Array(objects(lagged, last.nodes.shape), axis)
        return last
    if any(a.cut for a in args) or row_axis(shape_of(eqn.outvars[0])) != args[0].axis:
        raise Unsupported("rows after rows")
    return Array(np.concatenate([a.nodes for a in args], axis), args[0].axis)


def stack(t: Tracer, eqn: JaxprEqn, *args: Array) -> Array:
    axis = eqn.params.get("axis", eqn.params.get("dimension", 0))
    out = np.stack([a.nodes for a in args], axis)
    return Array(out, row_axis(shape_of(eqn.outvars[0])))


def split(t: Tracer, eqn: JaxprEqn, a: Array) -> list[Array]:
    if eqn.params["axis"] == a.axis:
        raise Unsupported("a split of the rows")
    parts = np.split(a.nodes, np.cumsum(eqn.params["sizes"])[:-1], eqn.params["axis"])
    return [Array(x, a.axis) for x in parts]


def unstack(t: Tracer, eqn: JaxprEqn, a: Array) -> list[Array]:
    axis = eqn.params["axis"]
    if axis == a.axis:
        raise Unsupported("one of the rows")
    rest = None if a.axis is None else a.axis - (axis < a.axis)
    parts = np.moveaxis(a.nodes, axis, 0)
    return [Array(objects(parts[i : i + 1].ravel(), parts.shape[1:]), rest) for i in range(len(parts))]


def slice_(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
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


def pad(t: Tracer, eqn: JaxprEqn, a: Array, value: Array) -> Array:
    config = eqn.params["padding_config"]
    if any(low < 0 or high < 0 or inner for low, high, inner in config):
        raise Unsupported("a pad that cuts")
    if a.axis is not None and config[a.axis] != (0, 0, 0):
        raise Unsupported("a pad of the rows")
    out = np.full([k + low + high for k, (low, high, _) in zip(a.nodes.shape, config, strict=True)], None, object)
    out[...] = value.only
    out[tuple(slice(low, low + k) for k, (low, _, _) in zip(a.nodes.shape, config, strict=True))] = a.nodes
    return Array(out, a.axis)


def constant_integers(a: Array) -> np.ndarray:
    """Read constant integers, such as indices, from nodes."""
    if a.axis is not None or any(x.op != "const" for x in a.nodes.ravel()):
        raise Unsupported("an index that depends on numbers")
    return np.array([x.value for x in a.nodes.ravel()], int).reshape(a.nodes.shape)


def dynamic_slice(t: Tracer, eqn: JaxprEqn, a: Array, *starts: Array) -> Array:
    sizes = eqn.params["slice_sizes"]
    if a.axis is not None and sizes[a.axis] == 1:
        row = np.expand_dims(row_by_number(t, a, starts[a.axis].only), a.axis)
        a, starts = Array(row, None), (*starts[: a.axis], t.constant(0), *starts[a.axis + 1 :])
    if a.axis is not None and sizes[a.axis] != a.shape[a.axis]:
        raise Unsupported("some of the rows")
    cut = []
    for i, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        at = 0 if i == a.axis else int(np.clip(constant_integers(start), 0, a.nodes.shape[i] - size))
        cut.append(slice(None) if i == a.axis else slice(at, at + size))
    return Array(a.nodes[tuple(cut)], a.axis)


def dynamic_update_slice(t: Tracer, eqn: JaxprEqn, a: Array, new: Array, *starts: Array) -> Array:
    if a.axis is not None:
        raise Unsupported("rows that are replaced")
    out = a.nodes.copy()
    at = [
        int(np.clip(constant_integers(s), 0, k - m)) for s, k, m in zip(starts, out.shape, new.nodes.shape, strict=True)
    ]
    out[tuple(slice(i, i + m) for i, m in zip(at, new.nodes.shape, strict=True))] = new.nodes
    return Array(out, None)


RULES = {
    "broadcast_in_dim": broadcast_in_dim,
    "concatenate": concatenate,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "empty": empty2,
    "empty2": empty2,
    "expand_dims": squeeze,
    "iota": iota,
    "pad": pad,
    "reshape": reshape,
    "rev": rev,
    "slice": slice_,
    "split": split,
    "squeeze": squeeze,
    "stack": stack,
    "transpose": transpose,
    "unstack": unstack,
}
