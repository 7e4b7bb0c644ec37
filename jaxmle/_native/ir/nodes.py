"""Nodes of scalar expressions, their operations by kind, and walks over them; see `Graph`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

FLOAT, INT, BOOL = "fib"
"Kinds: float64, int64, bool."

COMMUTATIVE = {"add", "mul", "and", "or", "xor", "eq", "ne", "max", "min"}
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite"}
SUMS = {"rsum", "rmax", "rmin", "rand", "ror"}
"Reductions over the rows."
RECURRENT = {"series", "linear"}
"Rows that need the row before."
ROUNDED = {
    "mul", "times_zero", "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow", *RECURRENT,
}  # fmt: skip
"Operations whose result carries a rounding error of its own size, so that it may be summed apart from its neighbor."
COSTLY = {
    "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow", "sin", "cos", "tan", "atan2",
    "erf", "erfc", "exp2", "cbrt", "rem", "at_rank", *RECURRENT,
}  # fmt: skip
"Operations that cost more than reading their result from memory."


class Node:
    """One expression; compared by identity.

    Attributes:
        op, args, attr: the operation, its operands and its parameter, such as a column's number.
        kind: FLOAT, INT or BOOL; of a loop or a sort one letter for each of its numbers.
        row: whether it differs between rows.
        invariant: whether it depends on the data set alone, not on the state of the iteration.
        id: in order of creation, after its operands.
    """

    __slots__ = ("args", "attr", "id", "invariant", "kind", "op", "row")

    def __init__(
        self, op: str, args: tuple["Node", ...], attr: Any, kind: str, row: bool, invariant: bool, id: int
    ) -> None:
        self.op, self.args, self.attr, self.kind = op, args, attr, kind
        self.row, self.invariant, self.id = row, invariant, id

    @property
    def value(self) -> Any:
        """The number of a constant."""
        return self.attr

    def is_(self, number: float) -> bool:
        """Tell whether it is the constant of this value."""
        return self.op == "const" and self.kind != BOOL and self.attr == number


def by_id(x: Node) -> int:
    """Sort key of nodes: operands before what is made of them."""
    return x.id


def reachable(outputs: Iterable[Node], beyond: Callable[[Node], bool] = lambda _: True) -> list[Node]:
    """List the nodes that `outputs` depend on, operands first; the operands of a node count where `beyond` says so."""
    seen: set[Node] = set()
    todo = list(outputs)
    while todo:
        x = todo.pop()
        if x not in seen:
            seen.add(x)
            if beyond(x):
                todo.extend(x.args)
    return sorted(seen, key=by_id)


def rows_under(roots: Iterable[Node], stored: Mapping[Node, int]) -> tuple[list[Node], list[Node]]:
    """List the rows that `roots` are made of, operands first, as far as they are not stored; and their uniform operands."""
    nodes = reachable(roots, lambda x: x.row and x not in stored)
    return [x for x in nodes if x.row], [x for x in nodes if not x.row]


def cost(x: Node) -> int:
    """Estimate how many simple operations a node is."""
    return 10 if x.op in COSTLY else 1


def costly(rows: Iterable[Node], stored: Iterable[Node] = ()) -> list[Node]:
    """Select those rows that take more than a few operations to make from what is in memory."""
    total: dict[Node, int] = {}
    rows, stored = list(dict.fromkeys(rows)), set(stored)
    for x in reachable(rows, lambda x: x not in stored):
        own = 0 if x.op == "load" or x in stored else cost(x)
        total[x] = (own + sum(total.get(a, 0) for a in x.args)) * x.row
    return sorted((x for x in rows if total[x] > 3 and x not in stored), key=by_id)


_CYCLES = {
    "div": 24, "sqrt": 30, "exp": 75, "expm1": 80, "log": 110, "log1p": 130, "tanh": 120, "logistic": 105, "linear": 40,
}  # fmt: skip
"Approximate latencies of vectors in cycles, of operations that are more than one instruction of 4 cycles."


def critical_path(outputs: Iterable[Node]) -> float:
    """Estimate a row's cycles along the longest chain of operations that depend on the state."""
    cycles: dict[Node, float] = {}
    for x in reachable(outputs):
        if x.row and not x.invariant:
            own = _CYCLES.get(x.op, 100 if x.op in COSTLY else 4)
            cycles[x] = own + max((cycles.get(a, 0) for a in x.args), default=0)
    return max(cycles.values(), default=0)
