"""From a jaxpr to a graph of scalar expressions: the axis of rows stays symbolic, all others are written out."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from jaxmle import special
from jaxmle.native._graph import BOOL, FLOAT, INT, Graph, Node

ROWS = 1009
"How many rows a function is traced with; whatever has this size is taken to be the axis of rows."

LIMIT = 60_000
"Nodes after which a function counts as too large to be written out."


class NotUnderstood(Exception):
    """What keeps a function from being written out; the lanes take it instead."""


class Array(NamedTuple):
    """An array of nodes.

    Attributes:
        nodes: object array; the axis of rows, where there is one, has size 1.
        axis: which one it is, or None.
    """

    nodes: np.ndarray
    axis: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(ROWS if i == self.axis else k for i, k in enumerate(self.nodes.shape))


def kind_of(dtype: Any) -> str:
    if dtype == np.float64:
        return FLOAT
    if jnp.issubdtype(dtype, jnp.bool_):
        return BOOL
    if jnp.issubdtype(dtype, jnp.integer):
        return INT
    raise NotUnderstood(f"numbers of type {dtype}")


def axis_of(shape: Sequence[int]) -> int | None:
    axes = [i for i, k in enumerate(shape) if k == ROWS]
    if len(axes) > 1:
        raise NotUnderstood(f"an array with two axes of rows, {tuple(shape)}")
    return axes[0] if axes else None


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if k == ROWS else k for k in shape)


def objects(nodes: Any, shape: Sequence[int]) -> np.ndarray:
    """An object array of nodes, whatever its shape."""
    out = np.empty(math.prod(shape), object)
    out[:] = list(nodes)
    return out.reshape(shape)


_DIRECT = {
    "add": "add", "add_any": "add", "sub": "sub", "mul": "mul", "div": "div", "max": "max", "min": "min", "neg": "neg",
    "abs": "abs", "exp": "exp", "log": "log", "log1p": "log1p", "expm1": "expm1", "sqrt": "sqrt", "rsqrt": "rsqrt",
    "tanh": "tanh", "logistic": "logistic", "sin": "sin", "cos": "cos", "tan": "tan", "atan2": "atan2",
    "floor": "floor", "ceil": "ceil", "sign": "sign", "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt",
    "ge": "ge", "is_finite": "is_finite", "and": "and", "or": "or", "xor": "xor", "not": "not", "rem": "rem",
    "erf": "erf", "erfc": "erfc", "exp2": "exp2", "cbrt": "cbrt",
}  # fmt: skip
"Primitives that are one operation on each element."

_INLINED = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
_SAME = ("stop_gradient", "copy", "copy_p", "reduce_precision", "optimization_barrier")


class Tracer:
    """Evaluates jaxprs on arrays of nodes.

    Attributes:
        partial: whether something is NaN here where JAX has a value, so that what fails deserves a second look.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.partial = graph, False

    def constant(self, x: Any) -> Array:
        x = np.asarray(x)
        kind = kind_of(x.dtype)
        axis = axis_of(x.shape)
        if axis is not None:
            if not (x == np.take(x, [0], axis)).all():
                raise NotUnderstood("an array of constants along the rows")
            x = np.take(x, [0], axis)
        return Array(objects((self.graph.const(v, kind) for v in x.ravel().tolist()), x.shape), axis)

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Array]) -> list[Array]:
        made: dict[Any, Array] = dict(zip(jaxpr.invars, args, strict=True))
        made |= {v: c if isinstance(c, Array) else self.constant(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def read(x: Any) -> Array:
            return self.constant(x.val) if isinstance(x, Literal) else made[x]

        for eqn in jaxpr.eqns:
            name = eqn.primitive.name
            args = [read(x) for x in eqn.invars]
            if name in _INLINED:
                inner = next(eqn.params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in eqn.params)
                results = self.run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", []), args)
            elif name in _SAME:
                results = args
            else:
                rule: Callable[..., Any] | None = getattr(self, f"_{name}", None)
                if name in _DIRECT:
                    results = [self.each(_DIRECT[name], *args)]
                elif rule is not None:
                    results = rule(eqn, *args)
                    results = results if isinstance(results, list) else [results]
                else:
                    raise NotUnderstood(f"the primitive {name}")
            if len(self.graph.nodes) > LIMIT:
                raise NotUnderstood(f"more than {LIMIT} operations")
            for x, result in zip(eqn.outvars, results, strict=True):
                if result.shape != tuple(x.aval.shape):
                    raise NotUnderstood(f"{name} with shape {x.aval.shape}")
                made[x] = result
        return [read(x) for x in jaxpr.outvars]

    # --- elements ----------------------------------------------------------------------------------------

    def each(self, op: str, *args: Array) -> Array:
        make = self.graph.make
        shape = np.broadcast_shapes(*(a.nodes.shape for a in args))  # axes of size 1 go with every element
        axis = next((a.axis for a in args if a.axis is not None), None)
        columns = [np.broadcast_to(a.nodes, shape).ravel() for a in args]
        return Array(objects((make(op, *x) for x in zip(*columns, strict=True)), shape), axis)

    def map(self, f: Callable[[Node], Node], a: Array) -> Array:
        return Array(objects((f(x) for x in a.nodes.ravel()), a.nodes.shape), a.axis)

    def _integer_pow(self, eqn: Any, a: Array) -> Array:
        return self.map(lambda x: self.graph.power(x, eqn.params["y"]), a)

    def _pow(self, eqn: Any, a: Array, b: Array) -> Array:
        if all(x.op == "const" and x.value == int(x.value) and abs(x.value) < 8 for x in b.nodes.ravel()):
            exponents = np.broadcast_to(b.nodes, a.nodes.shape).ravel()
            powers = (self.graph.power(x, int(n.value)) for x, n in zip(a.nodes.ravel(), exponents, strict=True))
            return Array(objects(powers, a.nodes.shape), a.axis)
        return self.each("pow", a, self.map(lambda x: self.graph.make("convert", x, attr=FLOAT), b))

    def _special(self, f: Callable[[Any], Any], a: Array) -> Array:
        """A function of jaxmle.special in place of JAX's; it is NaN where the argument is not positive."""
        self.partial = True
        closed = jax.make_jaxpr(f)(jax.ShapeDtypeStruct(a.shape, np.float64))
        return self.run(closed.jaxpr, closed.consts, [a])[0]

    def _lgamma(self, eqn: Any, a: Array) -> Array:
        return self._special(special.gammaln, a)

    def _digamma(self, eqn: Any, a: Array) -> Array:
        return self._special(special.digamma, a)

    def _polygamma(self, eqn: Any, order: Array, a: Array) -> Array:
        n = {x.value if x.op == "const" else None for x in order.nodes.ravel()}
        if len(n) != 1 or next(iter(n)) not in (1, 2, 3):
            raise NotUnderstood("a polygamma function of this order")
        return self._special(functools.partial(special.polygamma, int(next(iter(n)))), a)

    def _square(self, eqn: Any, a: Array) -> Array:
        return self.each("mul", a, a)

    def _select_n(self, eqn: Any, which: Array, *cases: Array) -> Array:
        if len(cases) == 1:
            return cases[0]
        if len(cases) != 2 or which.nodes.ravel()[0].kind != BOOL:
            raise NotUnderstood("a choice between more than two")
        if which.nodes.ndim == 0:
            which = Array(np.broadcast_to(which.nodes, cases[0].nodes.shape), cases[0].axis)
        return self.each("select", which, cases[1], cases[0])

    def _clamp(self, eqn: Any, low: Array, x: Array, high: Array) -> Array:
        low, high = (Array(np.broadcast_to(b.nodes, x.nodes.shape), x.axis) for b in (low, high))
        return self.each("min", self.each("max", x, low), high)

    def _convert_element_type(self, eqn: Any, a: Array) -> Array:
        kind = kind_of(eqn.params["new_dtype"])
        return self.map(lambda x: self.graph.make("convert", x, attr=kind), a)

    def _iota(self, eqn: Any) -> Array:
        shape, axis = eqn.params["shape"], eqn.params["dimension"]
        if shape[axis] == ROWS:
            raise NotUnderstood("the numbers of the rows")
        return self._spread(self.constant(np.arange(shape[axis])), shape, (axis,), kind_of(eqn.params["dtype"]))

    def _spread(self, a: Array, shape: Sequence[int], dims: Sequence[int], kind: str | None = None) -> Array:
        if kind is not None:
            a = self.map(lambda x: self.graph.make("convert", x, attr=kind), a)
        full = [1] * len(shape)
        for k, d in zip(a.nodes.shape, dims, strict=True):
            full[d] = k
        return Array(np.broadcast_to(a.nodes.reshape(full), squeezed(shape)), axis_of(shape))

    # --- shapes ------------------------------------------------------------------------------------------

    def _broadcast_in_dim(self, eqn: Any, a: Array, *_: Array) -> Array:
        return self._spread(a, eqn.params["shape"], eqn.params["broadcast_dimensions"])

    def _reshape(self, eqn: Any, a: Array) -> Array:
        shape = eqn.params["new_sizes"]
        axis = axis_of(shape)
        if (axis is None) != (a.axis is None):
            raise NotUnderstood("a reshape of the rows")
        if axis is not None and math.prod(shape[:axis]) != math.prod(a.nodes.shape[: a.axis]):
            raise NotUnderstood("a reshape of the rows")
        return Array(a.nodes.reshape(squeezed(shape)), axis)

    def _squeeze(self, eqn: Any, a: Array) -> Array:
        return Array(a.nodes.reshape(squeezed(eqn.outvars[0].aval.shape)), axis_of(eqn.outvars[0].aval.shape))

    _expand_dims = _squeeze

    def _transpose(self, eqn: Any, a: Array) -> Array:
        order = eqn.params["permutation"]
        return Array(a.nodes.transpose(order), None if a.axis is None else order.index(a.axis))

    def _rev(self, eqn: Any, a: Array) -> Array:
        if a.axis in eqn.params["dimensions"]:
            raise NotUnderstood("the rows in reverse")
        return Array(np.flip(a.nodes, eqn.params["dimensions"]), a.axis)

    def _concatenate(self, eqn: Any, *args: Array) -> Array:
        if eqn.params["dimension"] == args[0].axis or axis_of(eqn.outvars[0].aval.shape) != args[0].axis:
            raise NotUnderstood("rows after rows")
        return Array(np.concatenate([a.nodes for a in args], eqn.params["dimension"]), args[0].axis)

    def _stack(self, eqn: Any, *args: Array) -> Array:
        axis = eqn.params.get("axis", eqn.params.get("dimension", 0))
        out = np.stack([a.nodes for a in args], axis)
        return Array(out, axis_of(eqn.outvars[0].aval.shape))

    def _split(self, eqn: Any, a: Array) -> list[Array]:
        if eqn.params["axis"] == a.axis:
            raise NotUnderstood("a split of the rows")
        parts = np.split(a.nodes, np.cumsum(eqn.params["sizes"])[:-1], eqn.params["axis"])
        return [Array(x, a.axis) for x in parts]

    def _slice(self, eqn: Any, a: Array) -> Array:
        start, stop = eqn.params["start_indices"], eqn.params["limit_indices"]
        strides = eqn.params["strides"] or (1,) * len(start)
        cut = [slice(*x) for x in zip(start, stop, strides, strict=True)]
        if a.axis is None or (start[a.axis], stop[a.axis], strides[a.axis]) == (0, ROWS, 1):
            if a.axis is not None:
                cut[a.axis] = slice(None)
            return Array(a.nodes[tuple(cut)], a.axis)
        if (start[a.axis], stop[a.axis]) != (0, 1):
            raise NotUnderstood("some of the rows")
        cut[a.axis] = slice(None)
        return self.map(self._first_row, Array(a.nodes[tuple(cut)], None))

    def _first_row(self, x: Node) -> Node:
        if not x.row:
            return x
        if x.op != "load":
            raise NotUnderstood("the first row of what was computed")
        return self.graph.leaf("first", x.attr, x.kind, False, True)

    def _pad(self, eqn: Any, a: Array, value: Array) -> Array:
        config = eqn.params["padding_config"]
        if any(low < 0 or high < 0 or inner for low, high, inner in config):
            raise NotUnderstood("a pad that cuts")
        if a.axis is not None and config[a.axis] != (0, 0, 0):
            raise NotUnderstood("a pad of the rows")
        out = np.full([k + low + high for k, (low, high, _) in zip(a.nodes.shape, config, strict=True)], None, object)
        out[...] = value.nodes[()]
        out[tuple(slice(low, low + k) for k, (low, _, _) in zip(a.nodes.shape, config, strict=True))] = a.nodes
        return Array(out, a.axis)

    def _whole(self, a: Array) -> np.ndarray:
        """Whole numbers that are known now, such as indices."""
        if a.axis is not None or any(x.op != "const" for x in a.nodes.ravel()):
            raise NotUnderstood("an index that depends on numbers")
        return np.array([x.value for x in a.nodes.ravel()], int).reshape(a.nodes.shape)

    def _dynamic_slice(self, eqn: Any, a: Array, *starts: Array) -> Array:
        sizes = eqn.params["slice_sizes"]
        if a.axis is not None and sizes[a.axis] != ROWS:
            raise NotUnderstood("some of the rows")
        cut = []
        for i, (start, size) in enumerate(zip(starts, sizes, strict=True)):
            at = 0 if i == a.axis else int(np.clip(self._whole(start), 0, a.nodes.shape[i] - size))
            cut.append(slice(at, at + (1 if i == a.axis else size)))
        return Array(a.nodes[tuple(cut)], a.axis)

    def _dynamic_update_slice(self, eqn: Any, a: Array, new: Array, *starts: Array) -> Array:
        if a.axis is not None:
            raise NotUnderstood("rows that are replaced")
        out = a.nodes.copy()
        at = [int(np.clip(self._whole(s), 0, k - m)) for s, k, m in zip(starts, out.shape, new.nodes.shape, strict=True)]
        out[tuple(slice(i, i + m) for i, m in zip(at, new.nodes.shape, strict=True))] = new.nodes
        return Array(out, None)

    # --- sums and products -------------------------------------------------------------------------------

    def _reduce(self, over_rows: str, op: str, eqn: Any, a: Array) -> Array:
        axes = eqn.params["axes"]
        nodes = np.moveaxis(a.nodes, axes, range(len(axes))).reshape(-1, *np.delete(a.nodes.shape, axes))
        shape, axis = nodes.shape[1:], axis_of(eqn.outvars[0].aval.shape)
        parts = [Array(objects(part.ravel(), shape), axis) for part in nodes.reshape(len(nodes), -1)]
        out = functools.reduce(functools.partial(self.each, op), parts)
        return self.map(lambda x: self.graph.make(over_rows, x), out) if a.axis in axes else out

    def _reduce_sum(self, eqn: Any, a: Array) -> Array:
        return self._reduce("rsum", "add", eqn, a)

    def _reduce_max(self, eqn: Any, a: Array) -> Array:
        return self._reduce("rmax", "max", eqn, a)

    def _reduce_min(self, eqn: Any, a: Array) -> Array:
        return self._reduce("rmin", "min", eqn, a)

    def _reduce_and(self, eqn: Any, a: Array) -> Array:
        return self._reduce("rand", "and", eqn, a)

    def _reduce_or(self, eqn: Any, a: Array) -> Array:
        return self._reduce("ror", "or", eqn, a)

    def _reduce_prod(self, eqn: Any, a: Array) -> Array:
        if a.axis in eqn.params["axes"]:
            raise NotUnderstood("a product over the rows")
        return self._reduce("", "mul", eqn, a)

    def _cumsum(self, eqn: Any, a: Array) -> Array:
        axis = eqn.params["axis"]
        if axis == a.axis:
            raise NotUnderstood("a running sum over the rows")
        parts = list(np.moveaxis(a.nodes, axis, 0))
        parts = parts[::-1] if eqn.params["reverse"] else parts
        for i in range(1, len(parts)):
            parts[i] = self.each("add", Array(parts[i - 1], None), Array(parts[i], None)).nodes
        return Array(np.stack(parts[::-1] if eqn.params["reverse"] else parts, axis), a.axis)

    def _dot_general(self, eqn: Any, a: Array, b: Array) -> Array:
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
        make, out = self.graph.make, []
        for x, y in zip(left, right, strict=True):
            for i in x:
                for j in y:
                    total = self.graph.const(0.0)
                    for k in range(many):
                        total = make("add", total, make("mul", i[k], j[k]))
                    out.append(make("rsum", total) if rows else total)
        return Array(objects(out, out_shape), axis_of(eqn.outvars[0].aval.shape))

    # --- choices -----------------------------------------------------------------------------------------

    def _platform_index(self, eqn: Any) -> Array:
        platforms = eqn.params["platforms"]
        at = [i for i, names in enumerate(platforms) if names is None or "cpu" in names]
        return self.constant(np.int32(at[0] if at else len(platforms)))

    def _cond(self, eqn: Any, which: Array, *args: Array) -> list[Array]:
        branches = eqn.params["branches"]
        index = which.nodes[()]
        if index.op == "const":
            chosen = branches[int(np.clip(index.value, 0, len(branches) - 1))]
            return self.run(chosen.jaxpr, chosen.consts, args)
        if len(branches) != 2:
            raise NotUnderstood("a choice between more than two")
        no, yes = (self.run(b.jaxpr, b.consts, args) for b in branches)
        yes_if = self.graph.make("convert", index, attr=BOOL)
        return [
            self.each("select", Array(np.broadcast_to(objects([yes_if], ()), a.nodes.shape), a.axis), a, b)
            for a, b in zip(yes, no, strict=True)
        ]

    def _scan(self, eqn: Any, *args: Array) -> list[Array]:
        """A short loop, written out."""
        p = eqn.params
        consts, state = args[: p["num_consts"]], list(args[p["num_consts"] : p["num_consts"] + p["num_carry"]])
        series = args[p["num_consts"] + p["num_carry"] :]
        if p["length"] > 32 or any(x.axis == 0 for x in series):
            raise NotUnderstood("a loop over the rows")
        rows = []
        for i in range(p["length"]):
            at = p["length"] - 1 - i if p["reverse"] else i
            now = [Array(x.nodes[at], None if x.axis is None else x.axis - 1) for x in series]
            now = [x if isinstance(x.nodes, np.ndarray) else Array(objects([x.nodes], ()), None) for x in now]
            out = self.run(p["jaxpr"].jaxpr, p["jaxpr"].consts, [*consts, *state, *now])
            state = out[: p["num_carry"]]
            rows.append(out[p["num_carry"] :])
        rows = rows[::-1] if p["reverse"] else rows
        stacked = [
            Array(np.stack([x.nodes for x in each]), None if each[0].axis is None else each[0].axis + 1)
            for each in zip(*rows, strict=True)
        ]
        return [*state, *stacked]

    def _gather(self, eqn: Any, a: Array, indices: Array) -> Array:
        """Where the indices are known now: whatever jax would take of an array of numbers."""
        if a.axis is not None:
            raise NotUnderstood("rows by their number")
        return self._by_position(eqn, [a], [self._whole(indices)])

    def _scatter(self, eqn: Any, a: Array, indices: Array, new: Array) -> Array:
        if a.axis is not None or new.axis is not None:
            raise NotUnderstood("rows that are replaced")
        count = a.nodes.size
        both = self._positions(eqn, [a.nodes.shape, self._whole(indices), new.nodes.shape], [0, None, count])
        return Array(objects(np.concatenate([a.nodes.ravel(), new.nodes.ravel()])[both.ravel()], both.shape), None)

    def _by_position(self, eqn: Any, arrays: list[Array], rest: list[Any]) -> Array:
        positions = self._positions(eqn, [arrays[0].nodes.shape, *rest], [0])
        return Array(objects(arrays[0].nodes.ravel()[positions.ravel()], positions.shape), None)

    def _positions(self, eqn: Any, operands: list[Any], offsets: list[int | None]) -> np.ndarray:
        """Runs a primitive that only moves elements on their positions."""
        values = []
        for x, offset in zip(operands, offsets + [None] * (len(operands) - len(offsets)), strict=True):
            values.append(
                jnp.asarray(x) if offset is None else jnp.arange(offset, offset + math.prod(x)).reshape(x).astype(int)
            )
        with jax.ensure_compile_time_eval():
            return np.asarray(eqn.primitive.bind(*values, **eqn.params)).astype(int)
