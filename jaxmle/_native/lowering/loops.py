"""Rules of the tracer for loops: short ones are written out, those over the rows become nodes.

A loop over the rows carries numbers. Those that no row changes are replaced by what they are; the others are taken apart
into the smallest groups that depend on one another, and equal groups are one node, whichever trace they come from: the
variance of a GARCH is the same in its value, its score and its curvature. Only such groups are computed row after row;
all that is made of them is an expression of rows as any other. A number that only gathers terms is a sum.
"""

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from jax.extend.core import JaxprEqn

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.layout import Unsupported, row_axis
from jaxmle._native.ir.nodes import BOOL, FLOAT, RECURRENT, Node, reachable
from jaxmle._native.lowering.tracer import Array, Tracer, objects

_serial = itertools.count()


def scan(t: Tracer, eqn: JaxprEqn, *args: Array) -> list[Array]:
    """Lower a loop: a short one is written out, one over the rows becomes nodes."""
    p = eqn.params
    if "num_consts" in p:
        consts, carry = p["num_consts"], p["num_carry"]
    else:  # from JAX 0.11 on
        consts, carry = (len(list(part)) for part in list(p["ft_in"].unpack())[:2])
    fixed, state, series = args[:consts], list(args[consts : consts + carry]), args[consts + carry :]
    body = functools.partial(t.run, p["jaxpr"].jaxpr, p["jaxpr"].consts)
    if row_axis((p["length"],)) is not None:
        return _over_rows(t, body, fixed, state, series, p["reverse"])
    if p["length"] > 32 or any(x.axis == 0 for x in series):
        raise Unsupported("a long loop")
    order = range(p["length"])[:: -1 if p["reverse"] else 1]
    rows: list[list[Array]] = [[] for _ in order]
    for i in order:
        now = [
            Array(objects(np.ravel(x.nodes[i]), x.nodes.shape[1:]), None if x.axis is None else x.axis - 1)
            for x in series
        ]
        out = body([*fixed, *state, *now])
        state, rows[i] = out[:carry], out[carry:]
    stacked = [
        Array(np.stack([x.nodes for x in each]), None if each[0].axis is None else each[0].axis + 1)
        for each in zip(*rows, strict=True)
    ]
    return [*state, *stacked]


def cumsum(t: Tracer, eqn: JaxprEqn, a: Array) -> Array:
    axis, reverse = eqn.params["axis"], eqn.params["reverse"]
    if axis == a.axis:
        if a.nodes.shape[axis] != 1:
            raise Unsupported("a running sum over rows with columns")
        return t.map(lambda x: _running_sum(t.graph, x, reverse), a)
    parts = [Array(a.nodes.take([i], axis), a.axis) for i in range(a.nodes.shape[axis])]
    parts = parts[::-1] if reverse else parts
    sums = list(itertools.accumulate(parts, functools.partial(t.each, "add")))
    return Array(np.concatenate([x.nodes for x in (sums[::-1] if reverse else sums)], axis), a.axis)


def _running_sum(graph: Graph, x: Node, reverse: bool) -> Node:
    zero, one = (graph.const(k, x.kind) for k in (0, 1))
    return graph.make("add", graph.make("linear", zero, one, x, attr=reverse), x)


# --- over the rows -----------------------------------------------------------------------------------


def _over_rows(
    t: Tracer, body: Callable[[list[Array]], list[Array]], fixed: Sequence[Array], state: list[Array],
    series: Sequence[Array], reverse: bool,
) -> list[Array]:  # fmt: skip
    if any(x.axis is not None for x in [*fixed, *state]) or any(x.axis or x.nodes.shape[0] != 1 for x in series):
        raise Unsupported("a loop over the rows that carries rows")
    graph, name = t.graph, next(_serial)
    first = [x for a in state for x in a.nodes.ravel()]
    before = [graph.carried((name, i), x.kind, False) for i, x in enumerate(first)]
    carried = _like(before, state)
    out = body([*fixed, *carried, *(Array(x.nodes.reshape(x.nodes.shape[1:]), None) for x in series)])
    after = [x for a in out[: len(state)] for x in a.nodes.ravel()]
    rows = [x for a in out[len(state) :] for x in a.nodes.ravel()]
    final, rows = _Loop(graph, first, before, reverse).solve(after, rows)
    made = _like(rows, out[len(state) :])
    return [*_like(final, state), *(Array(x.nodes[None], 0) for x in made)]


def _like(nodes: Sequence[Node], arrays: Sequence[Array]) -> list[Array]:
    found = iter(nodes)
    return [Array(objects(itertools.islice(found, a.nodes.size), a.nodes.shape), None) for a in arrays]


class _Loop:
    """A loop over the rows that is lowered to nodes: placeholders of its numbers before a row are replaced by nodes."""

    def __init__(self, graph: Graph, first: list[Node], before: list[Node], reverse: bool) -> None:
        self.graph, self.first, self.before, self.reverse = graph, first, before, reverse
        self.bits: dict[Node, int] = {x: 1 << i for i, x in enumerate(before)}

    def uses(self, x: Node) -> int:
        """Find on which of the numbers before a row x depends, as bits."""
        todo = [x]
        while todo:
            y = todo[-1]
            if y in self.bits or y.id < self.before[0].id:
                self.bits.setdefault(y, 0)
            elif left := [a for a in y.args if a not in self.bits]:
                todo.extend(left)
                continue
            else:
                self.bits[y] = functools.reduce(lambda p, q: p | q, (self.bits[a] for a in y.args), 0)
            todo.pop()
        return self.bits[x]

    def put(self, nodes: list[Node], values: dict[Node, Node]) -> list[Node]:
        """Rebuild nodes with values in place of numbers before a row."""
        return self.graph.rebuild(nodes, values, lambda x: self.uses(x) != 0)

    def solve(self, after: list[Node], rows: list[Node]) -> tuple[list[Node], list[Node]]:
        """Make the numbers after the last row, and the rows that depend on those before each row."""
        if not self.before:
            return [], rows
        values = self._unchanged(after)
        after = self.put(after, values)
        final = {x: values[x] for x in values}
        for group in self._groups([i for i, x in enumerate(self.before) if x not in values], after):
            self._add_group(group, after, values, final)
        return [final[x] for x in self.before], self.put(rows, values)

    def _unchanged(self, after: list[Node]) -> dict[Node, Node]:
        """Find the numbers that no row changes, the largest set whose members depend on one another alone, such as tangents that stay 0."""
        same = dict(zip(self.before, self.first, strict=True))
        while True:
            at = [i for i, x in enumerate(self.before) if x in same]
            new = self.put([after[i] for i in at], same)
            kept = {self.before[i]: self.first[i] for i, x in zip(at, new, strict=True) if x is self.first[i]}
            if len(kept) == len(same):
                return same
            same = kept

    def _groups(self, left: list[int], after: list[Node]) -> list[list[int]]:
        """Group numbers that depend on one another, each group after those that it depends on."""
        reach = {i: self.uses(after[i]) | 1 << i for i in left}
        for k, i in itertools.product(left, left):
            if reach[i] >> k & 1:
                reach[i] |= reach[k]
        ordered = sorted(left, key=lambda i: (reach[i].bit_count(), reach[i], i))
        return [list(group) for _, group in itertools.groupby(ordered, key=lambda i: reach[i])]

    def _add_group(
        self, group: list[int], after: list[Node], values: dict[Node, Node], final: dict[Node, Node]
    ) -> None:
        """Make the nodes of a group, a running number or a loop of its own, and note them in `values` and `final`."""
        graph, before = self.graph, [self.before[i] for i in group]
        first = [self.first[i] for i in group]
        for invariant in (True, False):
            now = [graph.carried(j, x.kind, invariant) for j, x in enumerate(first)]
            new = self.put([after[i] for i in group], values | dict(zip(before, now, strict=True)))
            if all(x.invariant for x in [*first, *new]):
                break
        if len(group) == 1 and (line := _line(graph, new[0], now[0])) is not None:
            values[before[0]] = graph.make("linear", first[0], *line, attr=self.reverse)
            final[before[0]] = graph.make("final", values[before[0]], attr=0)
            return
        loop = graph.make("loop", *first, *new, attr=self.reverse)
        for j, x in enumerate(before):
            values[x] = graph.make("series", loop, attr=j)
            final[x] = graph.make("final", loop, attr=j)


def _line(graph: Graph, x: Node, before: Node) -> list[Node] | None:
    """Find a and b with x = a `before` + b; b alone where x does not depend on `before`, None where it is no line."""
    inner = reachable([x], lambda y: y.row and y.op not in RECURRENT)
    if before not in inner:
        return [x]
    if before.kind == BOOL:
        return None
    make, zero, one = graph.make, graph.const(0, before.kind), graph.const(1, before.kind)
    lines: dict[Node, tuple[Node, ...]] = {before: (one, zero)}  # other nodes do not depend on it
    for y in inner:
        linear = [a for a in y.args if a in lines]
        if not linear:
            continue
        parts = [lines.get(a, (zero, a)) for a in y.args]
        if y.op in ("add", "sub"):
            lines[y] = tuple(make(y.op, *pair) for pair in zip(*parts, strict=True))
        elif y.op == "neg":
            lines[y] = tuple(make("neg", a) for a in parts[0])
        elif y.op == "mul" and len(linear) == 1:
            lines[y] = tuple(_scaled(graph, "mul", a, y.args[y.args[0] is linear[0]]) for a in lines[linear[0]])
        elif y.op == "div" and y.args[0] in lines and len(linear) == 1 and y.kind == FLOAT:
            lines[y] = tuple(_scaled(graph, "div", a, y.args[1]) for a in parts[0])
        elif y.op == "select" and y.args[0] not in lines:
            lines[y] = tuple(make("select", y.args[0], *pair) for pair in zip(*parts[1:], strict=True))
        else:
            return None
    return list(lines[x])


def _scaled(graph: Graph, op: str, coefficient: Node, by: Node) -> Node:
    """Make a coefficient times or over a number; one that is absent stays so, whatever it is scaled by."""
    return coefficient if coefficient.is_(0) else graph.make(op, coefficient, by)


RULES = {"cumsum": cumsum, "scan": scan}
