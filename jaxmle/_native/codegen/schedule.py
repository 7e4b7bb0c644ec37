"""The order of a block's work: which passes over the rows it takes, and what each of them computes.

Passes have numbers; odd ones go through the rows forwards, even ones backwards.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from jaxmle._native.codegen.recurrence import Recurrence
from jaxmle._native.ir.nodes import COSTLY, RECURRENT, SUMS, Node, by_id, costly, rows_under


class Stage(NamedTuple):
    """Work on rows between two runs of straight code.

    Attributes:
        firsts: numbers of the first row.
        ends: sums, and last numbers of running ones.
        keep: rows that are stored.
        recurrences: loops that follow.
        sorts: sorts that follow, with those of their rows that are used.
    """

    firsts: list[Node]
    ends: list[Node]
    keep: list[Node]
    recurrences: list[Recurrence]
    sorts: list[tuple[Node, list[Node]]]

    @property
    def roots(self) -> list[Node]:
        """The rows that its pass makes."""
        return [*(x.args[0] for x in self.ends), *self.keep]

    @property
    def results(self) -> list[Node]:
        """The uniform nodes that come of it."""
        return [*self.firsts, *self.ends, *(x for r in self.recurrences for x in r.final.values())]


def number_passes(nodes: Sequence[Node]) -> dict[Node, int]:
    """Find for each node the earliest pass after which it can be had; 0 before all passes."""
    number: dict[Node, int] = {}
    for x in nodes:
        least = 1 if x.row else 0
        for a in x.args:
            least = max(least, number.get(a, a.row) + (x.row and not a.row))
        number[x] = least + (x.op == "linear" and (least % 2 == 0) != x.attr)
    return number


def schedule(
    nodes: Sequence[Node], number: Mapping[Node, int], keep: Collection[Node], stored: Mapping[Node, int]
) -> list[Stage]:
    """Distribute nodes over the passes.

    Args:
        nodes: that are to be computed, operands first.
        number: of the pass of each.
        keep: rows that are to be stored.
        stored: rows that are in buffers already.
    """
    stages = [Stage([], [], [], [], []) for _ in range(max(number.values(), default=0) + 1)]
    for x in nodes:
        stage = stages[number[x]]
        if x.op == "loop":
            recurrence = Recurrence(x, nodes)
            stage.recurrences.append(recurrence)
            stage.keep.extend(costly(recurrence.inputs, stored))
        elif x.op == "sort":
            stage.sorts.append((x, [y for y in nodes if y.op == "at_rank" and y.args[0] is x]))
            stage.keep.extend(a for a in x.args if a.row)
        elif x.op == "first":
            stage.firsts.append(x)
        elif (x.op in SUMS and x.attr is None) or (x.op == "final" and x.args[0].row):
            stage.ends.append(x)
    for x in keep:
        if x.op not in ("series", "at_rank") and x not in stored:
            stages[number[x]].keep.append(x)
    _keep_shared(stages, number, stored)
    return [s._replace(keep=sorted(set(s.keep), key=by_id)) for s in stages]


def _keep_shared(stages: Sequence[Stage], number: Mapping[Node, int], stored: Mapping[Node, int]) -> None:
    """Keep rows that later passes need again: running numbers, and what is costly."""
    bodies: list[set[Node]] = []
    for i, stage in reversed(list(enumerate(stages))):
        bodies.insert(0, set(rows_under(stage.roots, stored)[0]) - stored.keys())
        for x in bodies[0]:  # what runs through the rows does so once
            if x.op == "linear" and number[x] < i:
                stages[number[x]].keep.append(x)
    seen: dict[Node, int] = {}
    for i, body in enumerate(bodies):
        for x in body:
            if x.op in COSTLY and x.op not in (*RECURRENT, "at_rank") and seen.setdefault(x, i) < i:
                stages[seen[x]].keep.append(x)
