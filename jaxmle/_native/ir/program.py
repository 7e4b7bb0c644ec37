"""A fit as a program of nodes: what a kernel computes before, in and after the steps of an ascent."""

from typing import NamedTuple

from jaxmle._native.ir.nodes import Node, reachable


class Draft(NamedTuple):
    """Nodes that follow an ascent whose rows are computed in float32.

    Attributes:
        ended: whether that ascent ends with the next state.
        restart: the state in which the ascent in float64 begins.
        finished: whether that state is the last.
    """

    ended: Node
    restart: list[Node]
    finished: Node


class FitProgram(NamedTuple):
    """One fit as nodes.

    Attributes:
        valid: loop-invariant conditions that a data set must meet.
        first_state: loop-invariant.
        first_done, next_done: whether the first state, and the next one, is the last.
        next_state: made of the state.
        results: made of the last state.
        draft: where an ascent whose rows are computed in float32 comes first.
    """

    valid: list[Node]
    first_state: list[Node]
    first_done: Node
    next_state: list[Node]
    next_done: Node
    results: list[Node]
    draft: Draft | None = None

    @property
    def from_state(self) -> list[Node]:
        """The nodes that are computed from a state."""
        draft = [] if self.draft is None else [self.draft.ended, *self.draft.restart, self.draft.finished]
        return [self.first_done, *self.next_state, self.next_done, *self.results, *draft]

    @property
    def nodes(self) -> list[Node]:
        """All nodes, operands first."""
        return reachable([*self.valid, *self.first_state, *self.from_state])

    @property
    def sorts(self) -> bool:
        """Whether it sorts rows."""
        return any(x.op == "sort" for x in self.nodes)
