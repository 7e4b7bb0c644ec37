"""Nodes of scalar expressions; see `Graph`."""

from collections.abc import Callable, Iterable
from typing import Any

FLOAT, INT, BOOL = "fib"
"Kinds: float64, int64, bool."

COMMUTATIVE = {"add", "mul", "and", "or", "xor", "eq", "ne", "max", "min"}
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite"}
SUMS = {"rsum", "rmax", "rmin", "rand", "ror"}
"Reductions over the rows."
RUNNING = {"series", "linear"}
"Rows that need the row before."
ROUNDED = {"mul", "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow", *RUNNING}
"Operations whose result carries a rounding error of its own size, so that it may be summed apart from its neighbor."
DEAR = {
    "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow", "sin", "cos", "tan", "atan2",
    "erf", "erfc", "exp2", "cbrt", "rem", "at_rank", *RUNNING,
}  # fmt: skip
"Operations that cost more than reading their result from memory."


class Node:
    """One expression; compared by identity.

    Attributes:
        op, args, attr: the operation, its operands and what else it needs.
        kind: FLOAT, INT or BOOL.
        row: whether it differs between rows.
        known: whether it depends on the data set alone, not on the state.
        id: in order of creation, after its operands.
    """

    __slots__ = ("args", "attr", "id", "kind", "known", "op", "row")

    def __init__(
        self, op: str, args: tuple["Node", ...], attr: Any, kind: str, row: bool, known: bool, id: int
    ) -> None:
        self.op, self.args, self.attr, self.kind = op, args, attr, kind
        self.row, self.known, self.id = row, known, id

    @property
    def value(self) -> Any:
        """Of a constant."""
        return self.attr

    def is_(self, number: float) -> bool:
        return self.op == "const" and self.kind != BOOL and self.attr == number


def age(x: Node) -> int:
    return x.id


def reachable(outputs: Iterable[Node], beyond: Callable[[Node], bool] = lambda _: True) -> list[Node]:
    """What `outputs` depend on, operands first; the operands of a node count where `beyond` says so."""
    seen: set[Node] = set()
    todo = list(outputs)
    while todo:
        x = todo.pop()
        if x not in seen:
            seen.add(x)
            if beyond(x):
                todo.extend(x.args)
    return sorted(seen, key=age)


def rows_under(roots: Iterable[Node], stored: dict[Node, int]) -> tuple[list[Node], list[Node]]:
    """The rows that `roots` are made of, operands first, as far as they are not stored; and their uniform operands."""
    nodes = reachable(roots, lambda x: x.row and x not in stored)
    return [x for x in nodes if x.row], [x for x in nodes if not x.row]


def cost(x: Node) -> int:
    """About how many simple operations it is."""
    return 10 if x.op in DEAR else 1


def dear(rows: Iterable[Node], stored: Iterable[Node] = ()) -> list[Node]:
    """Those rows that cost more than a few operations to make from what is in memory."""
    total: dict[Node, int] = {}
    rows, stored = list(dict.fromkeys(rows)), set(stored)
    for x in reachable(rows, lambda x: x not in stored):
        mine = 0 if x.op == "load" or x in stored else cost(x)
        total[x] = (mine + sum(total.get(a, 0) for a in x.args)) * x.row
    return sorted((x for x in rows if total[x] > 3 and x not in stored), key=age)


_CYCLES = {
    "div": 24, "sqrt": 30, "exp": 75, "expm1": 80, "log": 110, "log1p": 130, "tanh": 120, "logistic": 105, "linear": 40,
}  # fmt: skip
"About how long a vector waits for what is not a single instruction of 4 cycles."


def longest(outputs: Iterable[Node]) -> float:
    """Cycles from the first to the last operation of a row, along the longest chain of those that depend on the state."""
    cycles: dict[Node, float] = {}
    for x in reachable(outputs):
        if x.row and not x.known:
            mine = _CYCLES.get(x.op, 100 if x.op in DEAR else 4)
            cycles[x] = mine + max((cycles.get(a, 0) for a in x.args), default=0)
    return max(cycles.values(), default=0)
