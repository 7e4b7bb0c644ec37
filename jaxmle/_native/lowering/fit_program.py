"""From a policy of the lanes, pure functions of JAX on one data set, to a program of nodes."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import ROWS, Column, Layout, Leaf, Unsupported, one_row, row_axis
from jaxmle._native.ir.nodes import Node
from jaxmle._native.ir.program import Draft, FitProgram
from jaxmle._native.lowering import elementwise, loops, reductions, shapes, sort
from jaxmle._native.lowering.tracer import Array, Tracer, kind_of, objects
from jaxmle._native.passes.guards import assume, check_guards, find_guards, implied_by
from jaxmle._native.passes.product_sharing import share_products
from jaxmle._native.passes.simplify import RULES
from jaxmle._native.passes.sum_factoring import factor_sums
from jaxmle._native.passes.value_counts import count_columns, sum_by_value
from jaxmle._util.arrays import Bool

PRIMITIVES = {**elementwise.RULES, **shapes.RULES, **reductions.RULES, **loops.RULES, **sort.RULES}
"The rules of the tracer for JAX's primitives."


Pytree = Any
"A pytree of arrays, or of what stands for them in a trace."
Structure = Any
"A `jax.tree_util.PyTreeDef`, whose class JAX hides from type checkers."
Policy = tuple[
    Callable[[Pytree], Pytree],
    Callable[[Pytree, Pytree], Pytree],
    Callable[[Pytree], Bool[jax.Array, ""]],
    Callable[[Pytree, Pytree], Pytree],
]
"An ascent as functions of JAX: item -> state, (state, item) -> state, whether a state is the last, (state, item) -> result."
DraftPolicy = tuple[Callable[[Pytree, Pytree], Bool[jax.Array, ""]], Callable[[Pytree, Pytree], Pytree]]
"Of (state, item): whether an ascent whose rows are in float32 ends, and the state in which the ascent in float64 begins."


class Lowered(NamedTuple):
    """A fit that has been lowered.

    Attributes:
        program: its nodes.
        layout: the columns that it reads.
        shapes: of its results, a pytree.
        partial: whether something is NaN in it where JAX has a value, so that what fails deserves a second look.
        uses_length: whether the number of rows is a number in it, such as in a mean: rows of weight 0 at the end count.
    """

    program: FitProgram
    layout: Layout
    shapes: Pytree
    partial: bool
    uses_length: bool


def lower_fit(
    leaves: Sequence[Leaf],
    tree: Structure,
    policy: Policy,
    draft: DraftPolicy | None = None,
    by_value: bool = False,
) -> Lowered:
    """Lower a policy on items of these leaves to a program.

    Args:
        leaves, tree: of an item, a pytree.
        policy: begin, step, done and end of an ascent, as in `lanes.Policy`.
        draft: where the same steps are to go first, their rows in float32, `ended` and `restart`: until `ended(state, item)`;
            then the policy's steps go on from `restart(state, item)`.
        by_value: whether sums over counts may be sums over the values they take.

    Raises:
        Unsupported: where something cannot be compiled.
    """
    begin, step, done, end = policy
    drafted_until, drafted_state = draft or (None, None)
    graph = Graph(RULES)
    tracer = Tracer(graph, PRIMITIVES)
    layout = Layout([], [])
    item = [_input(graph, leaf, layout) for leaf in leaves]
    abstract = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves])

    def run(f: Callable[..., Pytree], args: tuple[Pytree, ...], values: list[Array]) -> tuple[list[Array], Pytree]:
        try:
            closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
        except Exception as error:  # such as data that the user closed over, of another length
            raise Unsupported(f"a function that cannot be traced with {ROWS} rows ({error})") from error
        return tracer.run(closed.jaxpr, closed.consts, values), out

    first, state = run(begin, (abstract,), item)
    old = _state(graph, jax.tree.leaves(state))
    size = sum(x.nodes.size for x in old)
    (finished,), _ = run(done, (state,), first)
    (running,), _ = run(done, (state,), old)
    new, _ = run(step, (state, abstract), old + item)
    results, out = run(end, (state, abstract), old + item)
    restart, _ = run(drafted_state, (state, abstract), old + item) if drafted_state else ([], None)

    nodes = [finished.only, *_flat(first), *_flat(new), *_flat(results), *_flat(restart)]
    guards = find_guards(graph, nodes)
    valid = check_guards(graph, guards)
    assumed = implied_by(graph, guards, {running.only: False})
    nodes = assume(graph, nodes, assumed)
    counts = count_columns(assumed) if by_value and any(leaf.ones for leaf in leaves) else set()
    begun, later = nodes[: 1 + size], nodes[1 + size :]
    later = share_products(graph, sum_by_value(graph, factor_sums(graph, later), counts))
    following, ends = later[:size], later[size : len(later) - size * bool(draft)]

    new = _like(following, old)
    (again,), _ = run(done, (state,), new)
    drafted = None
    if drafted_until:
        begun_again = later[len(later) - size :]
        (ended,), _ = run(drafted_until, (state, abstract), new + item)
        (stays,), _ = run(done, (state,), _like(begun_again, old))
        drafted = Draft(ended.only, begun_again, stays.only)
    program = FitProgram(valid, begun[1:], begun[0], following, again.only, ends, drafted)
    return Lowered(program, layout, out, tracer.partial, any(x.op == "length" for x in program.nodes))


def _input(graph: Graph, leaf: Leaf, layout: Layout) -> Array:
    """Make the nodes of a leaf, and note its columns in the layout."""
    axis = row_axis(leaf.shape)
    shape, kind = one_row(leaf.shape), kind_of(leaf.dtype)
    count = leaf.columns
    if leaf.ones:
        return Array(objects([graph.const(1.0)] * count, shape), axis)
    columns, op = (layout.numbers, "number") if axis is None else (layout.rows, "load")
    start = len(columns)
    columns.extend([Column(leaf.own, count)] * count)
    return Array(objects((graph.leaf(op, start + i, kind, axis is not None, True) for i in range(count)), shape), axis)


def _state(graph: Graph, leaves: Sequence[jax.ShapeDtypeStruct]) -> list[Array]:
    """Make the nodes of a state, numbered through all of its leaves."""
    kinds = [kind_of(x.dtype) for x in leaves]
    start, made = 0, []
    for kind, x in zip(kinds, leaves, strict=True):
        if row_axis(x.shape) is not None:
            raise Unsupported("a state with rows")
        count = int(np.prod(x.shape))
        nodes = [graph.leaf("state", start + i, kind, False, False) for i in range(count)]
        made.append(Array(objects(nodes, x.shape), None))
        start += count
    return made


def _flat(arrays: Sequence[Array]) -> list[Node]:
    return [x for a in arrays for x in a.nodes.ravel()]


def _like(nodes: Sequence[Node], arrays: Sequence[Array]) -> list[Array]:
    """Give nodes the shapes of these arrays."""
    out, start = [], 0
    for a in arrays:
        out.append(Array(objects(nodes[start : start + a.nodes.size], a.nodes.shape), None))
        start += a.nodes.size
    return out


def independent_of_length(f: Callable[..., Pytree], shapes: Callable[[int], tuple[Pytree, ...]]) -> bool:
    """Tell whether f(*shapes(n)) computes the same whatever the number of rows n, so that one kernel serves all."""
    texts = set()
    for n in (ROWS, 8191):
        try:
            text = str(jax.make_jaxpr(f)(*shapes(n)))
        except Exception:
            return False
        text = re.sub(rf"\b{n}(\.0)?\b", "rows", text)
        for k in range(1, 9):
            text = re.sub(rf"\b{n - k}\b", f"rows less {k}", text)
        texts.add(text.replace("rows less 1.0", "rows less 1"))
    return len(texts) == 1
