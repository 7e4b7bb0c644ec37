"""What a kernel is made of: a fit as nodes, and where its numbers lie."""

from typing import NamedTuple

from jaxmle._native.ir.nodes import Node, reachable


class Draft(NamedTuple):
    """What follows a climb whose rows are taken in float32.

    Attributes:
        ended: whether it ends with the next state.
        led: the state in which another climb begins where it led.
        finished: whether that is the last.
    """

    ended: Node
    led: list[Node]
    finished: Node


class Parts(NamedTuple):
    """One fit as nodes.

    Attributes:
        valid: what must hold of a data set, known.
        begin: the first state, known.
        finished, again: whether that state, and the next one, is the last.
        following: the next state.
        end: the results, of the last state.
        draft: where a climb whose rows are taken in float32 comes first.
    """

    valid: list[Node]
    begin: list[Node]
    finished: Node
    following: list[Node]
    again: Node
    end: list[Node]
    draft: Draft | None = None

    @property
    def later(self) -> list[Node]:
        """What depends on a state."""
        draft = [] if self.draft is None else [self.draft.ended, *self.draft.led, self.draft.finished]
        return [self.finished, *self.following, self.again, *self.end, *draft]

    @property
    def sorts(self) -> bool:
        """Whether it sorts rows."""
        return any(x.op == "sort" for x in reachable([*self.valid, *self.begin, *self.later]))


class Column(NamedTuple):
    """Where the numbers of a leaf's element lie.

    Attributes:
        own: whether there is one, or one a row, for each data set.
        stride: from one to the next on a GPU, which reads leaves as they are; on a CPU columns are dense.
    """

    own: bool
    stride: int
