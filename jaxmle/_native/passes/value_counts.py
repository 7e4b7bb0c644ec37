"""Sums over the rows that depend on one column of counts alone, as sums over its values: sum_i f(y_i) = sum_v count(v) f(v).

Of a hundred counts around five a dozen differ. What a likelihood does with its counts alone, such as the rising factorial
of a negative binomial with its derivatives, is done a dozen times a step then. Values are counted once for each data set
(see `codegen.histogram`).
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, Node, cost, reachable, rows_under
from jaxmle._native.passes.sum_factoring import terms

WORTH = 50
"What a row costs from which on a pass over the values is worth it."


def count_columns(assumed: Mapping[Node, bool]) -> set[int]:
    """Find the columns that hold whole numbers among conditions on rows: x == floor(x) holds of every row."""
    found = set()
    for x, holds in assumed.items():
        if holds and x.op == "eq":
            for a, b in (x.args, x.args[::-1]):
                column = a.args[0] if a.op == "convert" else a
                if column.op == "load" and b.op == "floor" and b.args[0] is a:
                    found.add(column.attr)
    return found


def sum_by_value(graph: Graph, outputs: list[Node], columns: set[int]) -> list[Node]:
    """Split each sum over the rows into what depends on one of these columns alone, summed over its values, and the rest.

    A sum over values has its column as `attr`; its rows are values, loads of ("value", column), and how many rows have
    each, ("times", column).
    """
    if not columns:
        return outputs
    one, replaced, made = graph.const(1.0), {}, []
    for x in reachable(outputs):
        if x.op != "rsum" or x.kind != FLOAT:
            continue
        parts: dict[int | None, list[Node]] = defaultdict(list)
        (summed,) = graph.rebuild([x.args[0]], replaced)  # what is summed may take other sums
        for factor, row in terms(graph, one, summed):
            parts[None if row is None else _only_column(row, columns)].append(graph.make("mul", factor, row or one))
        if not parts.keys() - {None}:
            continue
        total = graph.const(0.0)
        for column, found in parts.items():
            row = functools.reduce(lambda a, b: graph.make("add", a, b), found)
            if column is None:
                part = graph.make("rsum", row)
            else:
                made.append(_on_values(graph, row, column))
                part = graph.typed("rsum", made[-1], attr=column)
            total = graph.make("add", total, part)
        replaced[x] = total
    rows, _ = rows_under(made, {})
    return graph.rebuild(outputs, replaced) if sum(map(cost, rows)) >= WORTH else outputs


def _only_column(row: Node, columns: set[int]) -> int | None:
    """Find the one of these columns that a row depends on alone, beside the state."""
    body, _ = rows_under([row], {})
    found = {x.attr if x.op == "load" else None for x in body if not any(a.row for a in x.args)}
    return next(iter(found)) if len(found) == 1 and found <= columns else None


def _on_values(graph: Graph, row: Node, column: int) -> Node:
    """Make the row of a value, times how many rows have it."""
    loads = [x for x in rows_under([row], {})[0] if x.op == "load"]
    replaced = {x: graph.leaf("load", ("value", column), x.kind, True, True) for x in loads}
    (copy,) = graph.rebuild([row], replaced, lambda x: x.row)
    return graph.raw("mul", graph.leaf("load", ("times", column), FLOAT, True, True), copy)


def depends_on_values(x: Node) -> bool:
    """Tell whether a row is one of the values of a column, not of the rows."""
    return any(y.op == "load" and isinstance(y.attr, tuple) for y in reachable([x], lambda y: y.row))


def columns_summed(outputs: Iterable[Node]) -> list[int]:
    """List the columns over whose values sums go."""
    return sorted({x.attr for x in reachable(outputs) if x.op == "rsum" and x.attr is not None})
