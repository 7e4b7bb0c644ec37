"""Conditions on rows, such as to lie in the support, as checks made once: select(c, a, -inf) = a where c holds of every row.

A sum with an infinite term is no log-likelihood to ascend: a data set with such a row is left to the lanes, and the step
computes each row as if all conditions held.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, Node, by_id, reachable


def find_guards(graph: Graph, outputs: Iterable[Node]) -> dict[Node, bool]:
    """Find the invariant conditions that each row must meet, or fail, for every sum under `outputs` to be finite."""
    found = dict(graph.guards)
    todo = [x.args[0] for x in reachable(outputs) if x.op == "rsum" and x.kind == FLOAT]
    while todo:
        x = todo.pop()
        if x.op in ("add", "sub", "mul", "neg"):
            todo.extend(a for a in x.args if a.row)
        elif x.op == "select" and x.args[0].row and x.args[0].invariant:
            for holds, kept, other in ((True, *x.args[1:]), (False, *x.args[:0:-1])):
                if other.op == "const" and not np.isfinite(other.value):
                    found[x.args[0]] = holds
                    todo.append(kept)
    return found


def check_guards(graph: Graph, guards: Mapping[Node, bool]) -> list[Node]:
    """Make the conditions of a data set under which every row meets the guards."""
    return [graph.make("rand", x if holds else graph.make("not", x)) for x, holds in guards.items()]


def implied_by(graph: Graph, guards: Mapping[Node, bool], also: Mapping[Node, bool]) -> dict[Node, bool]:
    """Collect `also` and what follows from the guards: parts of conjunctions; what lies between bounds is finite."""
    assumed = dict(also)
    for x, holds in guards.items():
        assumed |= _conjuncts(x) if holds else {x: False}
    return assumed | _finite(graph, assumed)


def assume(graph: Graph, outputs: Sequence[Node], assumed: Mapping[Node, bool]) -> list[Node]:
    """Rebuild nodes with conditions replaced by the truth that is assumed of them."""
    return graph.rebuild(outputs, {x: graph.const(holds) for x, holds in assumed.items()})


def _conjuncts(x: Node) -> dict[Node, bool]:
    """Collect what holds where x holds."""
    if x.op == "and":
        return {x: True} | _conjuncts(x.args[0]) | _conjuncts(x.args[1])
    return {x: True, x.args[0]: False} if x.op == "not" else {x: True}


def _finite(graph: Graph, assumed: Mapping[Node, bool]) -> dict[Node, bool]:
    least, greatest = set(), set()
    for x in (x for x, holds in assumed.items() if holds and x.op in _TURNED):
        for op, (a, b) in ((x.op, x.args), (_TURNED[x.op], x.args[::-1])):
            if b.op == "const" and (op in ("gt", "lt") or np.isfinite(b.value)):
                (least if op in ("gt", "ge") else greatest).add(a)
    return {graph.make("is_finite", x): True for x in sorted(least & greatest, key=by_id)}


_TURNED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}
