"""Rules of the tracer for JAX's primitives that combine elements: sums, products, small matrices, choices, indices."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

from jaxmle._native.ir.layout import Unsupported, row_axis
from jaxmle._native.ir.nodes import BOOL
from jaxmle._native.lowering.shapes import constant_integers
from jaxmle._native.lowering.sort import row_by_number
from jaxmle._native.lowering.tracer import Array, Tracer, objects, shape_of

# --- sums and products -------------------------------------------------------------------------------


def _reduce(t: Tracer, over_rows: str, op: str, eqn: JaxprEqn, a: Array) -> Array:
    axes = eqn.params["axes"]
    nodes = np.moveaxis(a.nodes, axes, range(len(axes))).reshape(-1, *np.delete(a.nodes.shape, axes))
    shape, axis = nodes.shape[1:], row_axis(shape_of(eqn.outvars[0]))
    parts = [Array(objects(part.ravel(), shape), axis) for part in nodes.reshape(len(nodes), -1)]
    out = functools.reduce(functools.partial(t.each, op), parts)
    return t.map(lambda x: t.graph.make(over_rows, x), out) if a.axis in axes else out


def reduce_sum(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _reduce(t, "rsum", "add", eqn, a)


def reduce_max(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _reduce(t, "rmax", "max", eqn, a)


def reduce_min(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _reduce(t, "rmin", "min", eqn, a)


def reduce_and(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _reduce(t, "rand", "and", eqn, a)


def reduce_or(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    return _reduce(t, "ror", "or", eqn, a)


def reduce_prod(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    if a.axis in eqn.params["axes"]:
        raise Unsupported("a product over the rows")
    return _reduce(t, "", "mul", eqn, a)


def dot_general(t: Tracer, eqn: JaxprEqn, a: Array, b: Array) -> Array:
    (over_a, over_b), (with_a, with_b) = eqn.params["dimension_numbers"]
    rows = any(i == a.axis and j == b.axis for i, j in zip(over_a, over_b, strict=True) if i == a.axis)
    free_a = [i for i in range(a.nodes.ndim) if i not in over_a and i not in with_a]
    free_b = [i for i in range(b.nodes.ndim) if i not in over_b and i not in with_b]
    left = a.nodes.transpose([*with_a, *free_a, *over_a])
    right = b.nodes.transpose([*with_b, *free_b, *over_b])
    same = left.shape[: len(with_a)]
    out_shape = same + tuple(a.nodes.shape[i] for i in free_a) + tuple(b.nodes.shape[i] for i in free_b)
    many = math.prod(a.nodes.shape[i] for i in over_a)
    left = left.reshape(math.prod(same), -1, many)
    right = right.reshape(math.prod(same), -1, many)
    make, out = t.graph.make, []
    for x, y in zip(left, right, strict=True):
        for i in x:
            for j in y:
                total = t.graph.const(0.0)
                for k in range(many):
                    total = make("add", total, make("mul", i[k], j[k]))
                out.append(make("rsum", total) if rows else total)
    return Array(objects(out, out_shape), row_axis(shape_of(eqn.outvars[0])))


# --- small matrices ----------------------------------------------------------------------------------


def cholesky(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    make, zero = t.graph.make, t.graph.const(0.0)
    out = np.full(a.nodes.shape, zero, object)
    for at in np.ndindex(a.nodes.shape[:-2]):
        x, low = a.nodes[at], out[at]
        for j in range(len(x)):
            for i in range(j, len(x)):
                left = x[i, j]
                for k in range(j):
                    left = make("sub", left, make("mul", low[i, k], low[j, k]))
                low[i, j] = make("sqrt", left) if i == j else make("div", left, low[j, j])
    return Array(out, a.axis)


def triangular_solve(t: Tracer, eqn: JaxprEqn, a: Array, b: Array) -> Array:
    p, make = eqn.params, t.graph.make
    if p["conjugate_a"]:
        raise Unsupported("complex numbers")
    # x op(a) = b is op(a)' x' = b', and an upper triangle is a lower one in reverse.
    flip = bool(p["transpose_a"]) == bool(p["left_side"])
    matrix = np.swapaxes(a.nodes, -1, -2) if flip else a.nodes
    right = b.nodes if p["left_side"] else np.swapaxes(b.nodes, -1, -2)
    order = range(right.shape[-2]) if bool(p["lower"]) != flip else range(right.shape[-2] - 1, -1, -1)
    out = np.empty(right.shape, object)
    for at in np.ndindex(*right.shape[:-2], right.shape[-1]):
        m, y = matrix[at[:-1]], right[(*at[:-1], slice(None), at[-1])]
        for step, i in enumerate(order):
            left = y[i]
            for k in list(order)[:step]:
                left = make("sub", left, make("mul", m[i, k], out[(*at[:-1], k, at[-1])]))
            out[(*at[:-1], i, at[-1])] = left if p["unit_diagonal"] else make("div", left, m[i, i])
    return Array(out if p["left_side"] else np.swapaxes(out, -1, -2), row_axis(shape_of(eqn.outvars[0])))


# --- choices -----------------------------------------------------------------------------------------


def platform_index(t: Tracer, eqn: JaxprEqn) -> Array:
    platforms = eqn.params["platforms"]
    at = [i for i, names in enumerate(platforms) if names is None or "cpu" in names]
    return t.constant(np.int32(at[0] if at else len(platforms)))


def cond(t: Tracer, eqn: JaxprEqn, which: Array, *args: Array) -> list[Array]:
    branches = eqn.params["branches"]
    index = which.only
    if index.op == "const":
        chosen = branches[int(np.clip(index.value, 0, len(branches) - 1))]
        return t.run(chosen.jaxpr, chosen.consts, args)
    if len(branches) != 2:
        raise Unsupported("a choice between more than two")
    no, yes = (t.run(b.jaxpr, b.consts, args) for b in branches)
    yes_if = t.graph.make("convert", index, attr=BOOL)
    return [
        t.each("select", Array(np.broadcast_to(objects([yes_if], ()), a.nodes.shape), a.axis), a, b)
        for a, b in zip(yes, no, strict=True)
    ]


def gather(t: Tracer, eqn: JaxprEqn, a: Array, indices: Array) -> Array:
    """Gather elements by constant indices: JAX gathers their numbers."""
    if a.axis is not None:
        return _rows_gathered(t, eqn, a, indices)
    with jax.ensure_compile_time_eval():
        numbers = eqn.primitive.bind(_numbered(a), jnp.asarray(constant_integers(indices)), **eqn.params)
    return Array(objects(a.nodes.ravel()[np.asarray(numbers).ravel()], numbers.shape), None)


def _rows_gathered(t: Tracer, eqn: JaxprEqn, a: Array, indices: Array) -> Array:
    """Gather rows by uniform numbers, such as those beside a median."""
    dims, others = eqn.params["dimension_numbers"], tuple(k for i, k in enumerate(a.nodes.shape) if i != a.axis)
    sizes = tuple(k for i, k in enumerate(eqn.params["slice_sizes"]) if i != a.axis)
    batch = indices.nodes.shape[:-1]
    plain = dims.start_index_map == dims.collapsed_slice_dims == (a.axis,) and not dims.operand_batching_dims
    inside = eqn.params["mode"] in (lax.GatherScatterMode.PROMISE_IN_BOUNDS, lax.GatherScatterMode.CLIP)
    if not (
        plain and inside and sizes == others and dims.offset_dims == tuple(range(len(batch), len(batch) + len(sizes)))
    ):
        raise Unsupported("rows by their numbers in this form")
    rows = [row_by_number(t, a, x) for x in indices.nodes.ravel()]
    return Array(np.stack(rows).reshape((*batch, *others)), None)


def scatter(t: Tracer, eqn: JaxprEqn, a: Array, indices: Array, new: Array) -> Array:
    numbers = _scattered(lax.scatter, eqn, _numbered(a), indices, _numbered(new) + a.nodes.size)
    both = np.concatenate([a.nodes.ravel(), new.nodes.ravel()])
    return Array(objects(both[numbers.ravel()], numbers.shape), a.axis)


def scatter_add(t: Tracer, eqn: JaxprEqn, a: Array, indices: Array, new: Array) -> Array:
    out = a
    for i, x in enumerate(new.nodes.ravel()):
        here = np.zeros(new.nodes.size, int)
        here[i] = 1
        hit = _scattered(lax.scatter_add, eqn, 0 * _numbered(a), indices, here.reshape(new.nodes.shape))
        zero = t.graph.const(0, x.kind)
        out = t.each("add", out, Array(objects((x if k else zero for k in hit.ravel()), hit.shape), a.axis))
    return out


def _scattered(
    f: Callable[..., jax.Array], eqn: JaxprEqn, a: np.ndarray, indices: Array, new: np.ndarray
) -> np.ndarray:
    """Scatter whole numbers that stand for elements, by JAX."""
    if row_axis(shape_of(eqn.invars[0])) is not None or row_axis(shape_of(eqn.invars[2])) is not None:
        raise Unsupported("rows that are replaced")
    options = {k: eqn.params[k] for k in ("indices_are_sorted", "unique_indices", "mode")}
    with jax.ensure_compile_time_eval():
        at = jnp.asarray(constant_integers(indices))
        return np.asarray(f(jnp.asarray(a), at, jnp.asarray(new), eqn.params["dimension_numbers"], **options))


def _numbered(a: Array) -> np.ndarray:
    """Number the elements of an array of nodes."""
    return np.arange(a.nodes.size).reshape(a.nodes.shape)


RULES = {
    "cholesky": cholesky,
    "cond": cond,
    "dot_general": dot_general,
    "gather": gather,
    "platform_index": platform_index,
    "reduce_and": reduce_and,
    "reduce_max": reduce_max,
    "reduce_min": reduce_min,
    "reduce_or": reduce_or,
    "reduce_prod": reduce_prod,
    "reduce_sum": reduce_sum,
    "scatter": scatter,
    "scatter-add": scatter_add,
    "triangular_solve": triangular_solve,
}
