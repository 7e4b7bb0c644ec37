"""From a jaxpr to a graph of scalar expressions: the axis of rows stays symbolic, all others are written out."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer as Traced
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var
from jax.typing import ArrayLike, DTypeLike

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import ROWS, Unsupported, one_row, row_axis
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node
from jaxmle._native.passes.finite import keep_nan
from jaxmle._util.marks import CONTRIBUTIONS

LIMIT = 60_000
"Nodes after which a function counts as too large to be written out."


_serial = itertools.count()


class Application:
    """An equation that has been evaluated, kept to evaluate it again.

    Attributes:
        name, eqn, args: its primitive, itself, its operands.
        number: in order of evaluation.
        inexact: whether the graph used what holds of finite numbers only.
    """

    def __init__(self, name: str, eqn: JaxprEqn, args: Sequence["Array"], inexact: bool) -> None:
        self.name, self.eqn, self.args, self.inexact = name, eqn, args, inexact
        self.number = next(_serial)


class Array(NamedTuple):
    """An array of nodes.

    Attributes:
        nodes: object array; an axis of k times all rows has size k here.
        axis: which one has the rows, or None.
        outer: whether its rows are outermost, each with its k elements.
        cut: how many rows at the end are left out.
        origin: the equation whose result it is, and which of its results.
    """

    nodes: np.ndarray
    axis: int | None
    outer: bool = False
    cut: int = 0
    origin: tuple[Application, int] | None = None

    @property
    def only(self) -> Node:
        """The node of an array without axes."""
        return self.nodes.reshape(-1)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(ROWS * k - self.cut if i == self.axis else k for i, k in enumerate(self.nodes.shape))


def shape_of(x: Var | Literal) -> tuple[int, ...]:
    """Read the shape of a variable of a jaxpr."""
    return tuple(getattr(x.aval, "shape", ()))


def dtype_of(x: Var | Literal) -> np.dtype:
    """Read the dtype of a variable of a jaxpr."""
    return np.dtype(getattr(x.aval, "dtype", None))


def kind_of(dtype: DTypeLike) -> str:
    """Map a dtype to the kind of its nodes."""
    if dtype == np.float64:
        return FLOAT
    if jnp.issubdtype(dtype, jnp.bool_):
        return BOOL
    if jnp.issubdtype(dtype, jnp.integer):
        return INT
    raise Unsupported(f"numbers of type {dtype}")


def objects(nodes: Iterable[Any], shape: Sequence[int]) -> np.ndarray:
    """Make an object array of nodes, of any shape."""
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

_INLINED = (
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint",
    "custom_vmap_call",
)  # fmt: skip
_SAME = ("stop_gradient", "copy", "copy_p", "reduce_precision", "optimization_barrier", "reshard", "name")
_TRANSPARENT = {*_INLINED, *_SAME}
"Primitives whose results are those of other equations."


Rule = Callable[..., Array | list[Array]]
"Lowers one primitive: (tracer, equation, *operands) -> results."


class Tracer:
    """Evaluates jaxprs on arrays of nodes.

    Attributes:
        rules: for each primitive that is more than one operation on each element: (tracer, equation, *operands) -> results.
        partial: whether something is NaN here where JAX has a value, so that what fails deserves a second look.
    """

    def __init__(self, graph: Graph, rules: Mapping[str, Rule]) -> None:
        self.graph, self.rules, self.partial = graph, rules, False

    def constant(self, x: ArrayLike) -> Array:
        """Make an array of constants."""
        if isinstance(x, Traced):
            raise Unsupported("a value of a function that is being traced around it")
        numbers = np.asarray(x)
        kind = kind_of(numbers.dtype)
        axis = row_axis(numbers.shape)
        if axis is not None:
            apart = numbers.reshape(*numbers.shape[:axis], -1, ROWS, *numbers.shape[axis + 1 :])
            numbers = apart.take(0, axis + 1)
            if not (apart == np.expand_dims(numbers, axis + 1)).all():
                raise Unsupported("an array of constants along the rows")
        return Array(objects((self.number(v, kind) for v in numbers.ravel().tolist()), numbers.shape), axis)

    def number(self, value: float, kind: str) -> Node:
        """Make a constant; a number that equals the number of rows, or one less, becomes that (see `independent_of_length`)."""
        if kind != BOOL and value in (ROWS, ROWS - 1):
            rows = self.graph.leaf("length", None, INT, False, True)
            return self.graph.make(
                "convert", self.graph.make("add", rows, self.graph.const(int(value) - ROWS)), attr=kind
            )
        return self.graph.const(value, kind)

    def run(self, jaxpr: Jaxpr, consts: Sequence[ArrayLike | Array], args: Sequence[Array]) -> list[Array]:
        """Evaluate a jaxpr on arrays of nodes."""
        made: dict[Var, Array] = dict(zip(jaxpr.invars, args, strict=True))
        made |= {
            v: c if isinstance(c, Array) else self.constant(c) for v, c in zip(jaxpr.constvars, consts, strict=True)
        }

        def read(x: Var | Literal) -> Array:
            return self.constant(x.val) if isinstance(x, Literal) else made[x]

        for eqn in jaxpr.eqns:
            name, inexact = eqn.primitive.name, self.graph.inexact
            try:
                operands = [read(x) for x in eqn.invars]
                results = self.apply(name, eqn, operands)
            except Unsupported:
                raise
            except Exception as error:  # another version of JAX may say it in other words
                raise Unsupported(f"the primitive {name} in this form ({error!r})") from error
            if len(self.graph.nodes) > LIMIT:
                raise Unsupported(f"more than {LIMIT} operations")
            if name not in _TRANSPARENT:
                made_by = Application(name, eqn, operands, self.graph.inexact > inexact)
                results = [x._replace(origin=(made_by, i)) for i, x in enumerate(results)]
            for x, result in zip(eqn.outvars, results, strict=True):
                if result.shape != shape_of(x):
                    raise Unsupported(f"{name} with shape {shape_of(x)}")
                made[x] = result
        return [read(x) for x in jaxpr.outvars]

    def apply(self, name: str, eqn: JaxprEqn, args: list[Array]) -> list[Array]:
        """Evaluate one equation, by its primitive's name."""
        if name in _INLINED:
            inner = next(eqn.params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr", "call") if k in eqn.params)
            return self.run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", []), args)
        if name == "name" and eqn.params["name"] == CONTRIBUTIONS:
            return [self.exact(x) for x in args]
        if name in _SAME:
            return args
        outer = any(a.outer for a in args)
        if outer and not all(a.outer or a.axis is None for a in args):
            raise Unsupported("rows in two orders")
        if any(a.cut for a in args) and name != "concatenate":
            raise Unsupported("some of the rows")
        if name in _DIRECT:
            return [self.each(_DIRECT[name], *args)._replace(outer=outer)]
        if name not in self.rules:
            raise Unsupported(f"the primitive {name}")
        if outer and name not in ("reshape", "triangular_solve"):
            raise Unsupported(f"the primitive {name} on rows with columns")
        results = self.rules[name](self, eqn, *args)
        results = results if isinstance(results, list) else [results]
        return [x._replace(outer=outer) for x in results] if outer and name != "reshape" else results

    def exact(self, a: Array) -> Array:
        """Put back the NaN that rules for finite numbers have left out of an array, by evaluating it again without them."""
        found: dict[Application, None] = {}
        todo = [a]
        while todo:
            x = todo.pop()
            if x.origin is not None and x.origin[0] not in found:
                found[x.origin[0]] = None
                todo.extend(x.origin[0].args)
        if not any(x.inexact for x in found):
            return a
        tracer = Tracer(self.graph.exactly(), self.rules)
        made: dict[Application, list[Array]] = {}

        def again(x: Array) -> Array:
            return made[x.origin[0]][x.origin[1]] if x.origin is not None and x.origin[0] in made else x

        for x in sorted(found, key=lambda x: x.number):
            args = [again(arg) for arg in x.args]
            if x.inexact or any(new is not old for new, old in zip(args, x.args, strict=True)):
                made[x] = tracer.apply(x.name, x.eqn, args)
        self.partial |= tracer.partial
        pairs = zip(again(a).nodes.ravel(), a.nodes.ravel(), strict=True)
        nodes = (keep_nan(self.graph, exact, inexact) for exact, inexact in pairs)
        return a._replace(nodes=objects(nodes, a.nodes.shape), origin=None)

    # --- elements ----------------------------------------------------------------------------------------

    def each(self, op: str, *args: Array) -> Array:
        """Make an operation on each element of arrays that broadcast."""
        make = self.graph.make
        shape = np.broadcast_shapes(*(a.nodes.shape for a in args))  # axes of size 1 go with every element
        axis = next((a.axis for a in args if a.axis is not None), None)
        columns = [np.broadcast_to(a.nodes, shape).ravel() for a in args]
        return Array(objects((make(op, *x) for x in zip(*columns, strict=True)), shape), axis)

    def map(self, f: Callable[[Node], Node], a: Array) -> Array:
        """Map each node of an array."""
        return Array(objects((f(x) for x in a.nodes.ravel()), a.nodes.shape), a.axis)

    def spread(self, a: Array, shape: Sequence[int], dims: Sequence[int], kind: str | None = None) -> Array:
        """Broadcast an array to a shape whose axes `dims` are its own, converted to a kind."""
        if kind is not None:
            a = self.map(lambda x: self.graph.make("convert", x, attr=kind), a)
        full = [1] * len(shape)
        for k, d in zip(a.nodes.shape, dims, strict=True):
            full[d] = k
        return Array(np.broadcast_to(a.nodes.reshape(full), one_row(shape)), row_axis(shape))
