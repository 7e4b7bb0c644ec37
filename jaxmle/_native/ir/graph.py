"""A graph of scalar expressions of a data set's rows and of uniform values, shared where they are equal.

A node is a number that is the same for all rows of a data set (uniform), or one for each row. Nodes are made by
`Graph.make`, which folds constants, applies the rules that the graph was given (see `passes.simplify`) and shares equal
nodes.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxmle._native.ir.nodes import BOOL, COMMUTATIVE, COMPARISONS, FLOAT, INT, SUMS, Node, by_id, reachable

NUMPY: dict[str, Callable[..., np.generic]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "neg": np.negative,
    "abs": np.abs, "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos, "floor": np.floor, "ceil": np.ceil, "sign": np.sign, "pow": np.power,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "is_finite": np.isfinite, "times_zero": lambda x: 0 * x, "rsqrt": lambda x: 1 / np.sqrt(x),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
}  # fmt: skip
"Operations on elements that fold where all operands are constants."

Rule = Callable[..., Node | None]
"Simplifies one operation: (graph, *operands), and the node's `attr` where it has one, to a node, or None where nothing is simpler."


class Graph:
    """The nodes of one function.

    Args:
        rules: for an operation what simplifies it as it is made; none for a plain graph.
        exact: whether they may use only what holds of infinite numbers and NaN too (see `passes.finite`).

    Attributes:
        guards: conditions on each row, and whether they hold, wherever no sum over the rows is infinite.
        signs: whether a node cannot be negative, for the nodes that have been asked about.
        inexact: how many times a rule used what holds of finite numbers only.
    """

    def __init__(self, rules: Mapping[str, Rule], exact: bool = False) -> None:
        self.rules, self.exact = rules, exact
        self.nodes: dict[Hashable, Node] = {}
        self.guards: dict[Node, bool] = {}
        self.signs: dict[Node, bool] = {}
        self.inexact = 0

    def exactly(self) -> "Graph":
        """Make a graph of the same nodes that is exact in new ones."""
        other = Graph(self.rules, exact=True)
        other.nodes, other.guards, other.signs = self.nodes, self.guards, self.signs
        return other

    # --- making nodes ------------------------------------------------------------------------------------

    def leaf(self, op: str, attr: Any, kind: str, row: bool, invariant: bool) -> Node:
        """Make the node of an input."""
        return self.node(op, (), attr, kind, row, invariant)

    def carried(self, name: Hashable, kind: str, invariant: bool) -> Node:
        """Make the node that stands in a loop for one of its numbers as it is before a row."""
        return self.leaf("before", (name, kind, invariant), kind, True, invariant)

    def count(self) -> Node:
        """Make the node of the number of rows of a data set."""
        return self.leaf("count", None, INT, False, True)

    def const(self, value: float | np.generic, kind: str | None = None) -> Node:
        """Make the node of a constant."""
        if kind is None:
            kind = (
                BOOL if isinstance(value, (bool, np.bool_)) else INT if isinstance(value, (int, np.integer)) else FLOAT
            )
        value = {FLOAT: float, INT: int, BOOL: bool}[kind](value)
        key = (np.float64(value).tobytes(),) if kind == FLOAT else value  # -0.0 is not 0.0
        found = self.nodes.get(("const", kind, key))
        if found is None:
            found = Node("const", (), value, kind, False, True, len(self.nodes))
            self.nodes["const", kind, key] = found
        return found

    def make(self, op: str, *args: Node, attr: Any = None) -> Node:
        """Make the node op(args), simplified by the graph's rules."""
        if all(a.op == "const" for a in args) and (folded := self._fold(op, args, attr)) is not None:
            return folded
        rule = self.rules.get(op)
        if rule is not None:
            simple = rule(self, *args) if attr is None else rule(self, *args, attr)
            if simple is not None:
                return simple
        if op in COMMUTATIVE and args[0].id > args[1].id:
            args = args[1], args[0]
        return self.typed(op, *args, attr=attr)

    def typed(self, op: str, *args: Node, attr: Any = None) -> Node:
        """Make the node op(args) as it is, with the type that follows from its operands."""
        return self.node(op, args, attr, *type_of(op, args, attr))

    def raw(self, op: str, *args: Node) -> Node:
        """Make the node of a commutative operation, not simplified."""
        return self.typed(op, *sorted(args, key=by_id))

    def node(self, op: str, args: tuple[Node, ...], attr: Any, kind: str, row: bool, invariant: bool) -> Node:
        """Make the node with these fields; one for equal fields."""
        key = op, tuple(a.id for a in args), attr
        found = self.nodes.get(key)
        if found is None:
            found = self.nodes[key] = Node(op, args, attr, kind, row, invariant, len(self.nodes))
        return found

    def has(self, op: str, *args: Node) -> bool:
        """Tell whether this node has been made."""
        return (op, tuple(a.id for a in args), None) in self.nodes

    def _fold(self, op: str, args: tuple[Node, ...], attr: Any) -> Node | None:
        kind = args[0].kind
        values = [{FLOAT: np.float64, INT: np.int64, BOOL: np.bool_}[a.kind](a.value) for a in args]
        with np.errstate(all="ignore"):
            if op == "convert":
                return self.const(values[0].astype({FLOAT: float, INT: int, BOOL: bool}[attr]), attr)
            if op == "select":
                return args[1] if values[0] else args[2]
            if op == "div" and kind == FLOAT:
                return self.const(values[0] / values[1], FLOAT)
            if op in NUMPY:
                return self.const(NUMPY[op](*values), BOOL if op in COMPARISONS else kind)
        return None

    # --- the whole ---------------------------------------------------------------------------------------

    def rebuild(
        self, outputs: Sequence[Node], replaced: Mapping[Node, Node], beyond: Callable[[Node], bool] = lambda _: True
    ) -> list[Node]:
        """Remake nodes with others in place of some of them, simplifying as it goes; `beyond` as in `reachable`."""
        made = dict(replaced)
        for node in reachable(outputs, lambda x: x not in replaced and beyond(x)):
            if node not in made:
                args = tuple(made.get(a, a) for a in node.args)
                if all(x is y for x, y in zip(args, node.args, strict=True)):
                    made[node] = node
                else:
                    made[node] = self.make(node.op, *args, attr=node.attr)
        return [made[x] for x in outputs]


def type_of(op: str, args: Sequence[Node], attr: Any) -> tuple[str, bool, bool]:
    """Infer kind, row and invariant of op(args).

    Of operations that are not on elements:
        loop: k numbers that each row changes; args are k values before the first row and k after a row, made of
            `Graph.carried`. `series` is number i before each row, `final` after the last one.
        linear: the number before each row where a row makes a x + b of x; args are the first number, a and b, or b alone
            where a is 0.
        sort: rows in the order of the first; `at_rank` is row i of it.
    """
    invariant = all(a.invariant for a in args)
    if op == "loop":
        return "".join(x.kind for x in args[: len(args) // 2]), False, invariant
    if op == "sort":
        return "".join(x.kind for x in args), False, True
    if op in ("series", "at_rank"):
        return args[0].kind[attr], True, invariant
    if op == "final":
        return args[0].kind[attr], False, invariant
    if op == "linear":
        return args[0].kind, True, invariant
    kind = BOOL if op in COMPARISONS else attr if op == "convert" else args[-1].kind
    return kind, op not in SUMS and any(a.row for a in args), invariant
