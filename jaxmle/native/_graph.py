"""Scalar expressions of a data set's rows and of uniform values, shared where they are equal.

A node is a number that is the same for all rows of a data set (uniform), or one for each row. Nodes are made by
`Graph.make`, which folds constants, shares equal nodes and takes uniform factors out of sums over rows: what is left of
a sum that depends on the data alone is computed once for each data set. So a likelihood of exponential family costs O(1)
in n a step, whoever wrote it, and what can be hoisted is.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

FLOAT, INT, BOOL = "fib"
"Kinds: float64, int64, bool."

COMMUTATIVE = {"add", "mul", "and", "or", "xor", "eq", "ne", "max", "min"}
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge", "is_finite"}
SUMS = {"rsum", "rmax", "rmin", "rand", "ror"}
"Reductions over the rows."
ROUNDED = {"mul", "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow"}
"Operations whose result carries a rounding error of its own size, so that it may be summed apart from its neighbor."
DEAR = {
    "div", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "logistic", "pow", "sin", "cos", "tan", "atan2",
    "erf", "erfc", "exp2", "cbrt", "rem",
}  # fmt: skip
"Operations that cost more than reading their result from memory."

_NUMPY: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "neg": np.negative,
    "abs": np.abs, "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos, "floor": np.floor, "ceil": np.ceil, "sign": np.sign, "pow": np.power,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "is_finite": np.isfinite, "rsqrt": lambda x: 1 / np.sqrt(x), "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
}  # fmt: skip


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

    def __init__(self, op: str, args: tuple["Node", ...], attr: Any, kind: str, row: bool, known: bool, id: int) -> None:
        self.op, self.args, self.attr, self.kind = op, args, attr, kind
        self.row, self.known, self.id = row, known, id

    @property
    def value(self) -> Any:
        """Of a constant."""
        return self.attr

    def is_(self, number: float) -> bool:
        return self.op == "const" and self.kind != BOOL and self.attr == number


class Graph:
    """The nodes of one function.

    Args:
        assumed: constants to put for nodes of another graph, by their key there; see `Graph.again`.
    """

    def __init__(self) -> None:
        self.nodes: dict[Any, Node] = {}

    # --- making nodes ------------------------------------------------------------------------------------

    def leaf(self, op: str, attr: Any, kind: str, row: bool, known: bool) -> Node:
        return self._new(op, (), attr, kind, row, known)

    def const(self, value: Any, kind: str | None = None) -> Node:
        if kind is None:
            kind = BOOL if isinstance(value, (bool, np.bool_)) else INT if isinstance(value, (int, np.integer)) else FLOAT
        value = {FLOAT: float, INT: int, BOOL: bool}[kind](value)
        key = (np.float64(value).tobytes(),) if kind == FLOAT else value  # -0.0 is not 0.0
        found = self.nodes.get(("const", kind, key))
        if found is None:
            found = Node("const", (), value, kind, False, True, len(self.nodes))
            self.nodes["const", kind, key] = found
        return found

    def make(self, op: str, *args: Node, attr: Any = None) -> Node:
        """The node op(args), simplified."""
        if all(a.op == "const" for a in args) and (folded := self._fold(op, args, attr)) is not None:
            return folded
        rule = getattr(self, f"_{op}", None)
        if rule is not None and (simple := rule(*args) if attr is None else rule(*args, attr)) is not None:
            return simple
        if op in COMMUTATIVE and args[0].id > args[1].id:
            args = args[1], args[0]
        kind = BOOL if op in COMPARISONS else attr if op == "convert" else args[-1].kind
        row = op not in SUMS and any(a.row for a in args)
        return self._new(op, args, attr, kind, row, all(a.known for a in args))

    def _new(self, op: str, args: tuple[Node, ...], attr: Any, kind: str, row: bool, known: bool) -> Node:
        key = op, tuple(a.id for a in args), attr
        found = self.nodes.get(key)
        if found is None:
            found = self.nodes[key] = Node(op, args, attr, kind, row, known, len(self.nodes))
        return found

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
            if op in _NUMPY:
                return self.const(_NUMPY[op](*values), BOOL if op in COMPARISONS else kind)
        return None

    # --- rules: None where nothing is simpler -------------------------------------------------------------

    def _add(self, a: Node, b: Node) -> Node | None:
        if a.is_(0):
            return b
        if b.is_(0):
            return a
        if b.op == "neg":
            return self.make("sub", a, b.args[0])
        if a.op == "neg":
            return self.make("sub", b, a.args[0])
        return None

    def _sub(self, a: Node, b: Node) -> Node | None:
        if b.is_(0):
            return a
        if a.is_(0):
            return self.make("neg", b)
        return self.make("add", a, b.args[0]) if b.op == "neg" else None

    def _mul(self, a: Node, b: Node) -> Node | None:
        for x, y in ((a, b), (b, a)):
            if x.is_(0):
                return x
            if x.is_(1):
                return y
            if x.is_(-1):
                return self.make("neg", y)
            if y.op == "neg" and x.op != "const":
                return self.make("neg", self.make("mul", x, y.args[0]))
        return None

    def _div(self, a: Node, b: Node) -> Node | None:
        if b.is_(1) or (a.is_(0) and a.kind == FLOAT):
            return a
        if b.is_(-1):
            return self.make("neg", a)
        if a.op == "neg":
            return self.make("neg", self.make("div", a.args[0], b))
        if a.row and not b.row and b.kind == FLOAT:
            return self.make("mul", a, self.make("div", self.const(1.0), b))
        return None

    def _neg(self, a: Node) -> Node | None:
        if a.op == "neg":
            return a.args[0]
        return self.make("sub", *a.args[::-1]) if a.op == "sub" else None

    def _not(self, a: Node) -> Node | None:
        return a.args[0] if a.op == "not" else None

    def _and(self, a: Node, b: Node) -> Node | None:
        if a.kind != BOOL:
            return None
        for x, y in ((a, b), (b, a)):
            if x.op == "const":
                return y if x.value else x
        return a if a is b else None

    def _or(self, a: Node, b: Node) -> Node | None:
        if a.kind != BOOL:
            return None
        for x, y in ((a, b), (b, a)):
            if x.op == "const":
                return x if x.value else y
        return a if a is b else None

    def _select(self, p: Node, yes: Node, no: Node) -> Node | None:
        if p.op == "const":
            return yes if p.value else no
        if yes is no:
            return yes
        if p.op == "not":
            return self.make("select", p.args[0], no, yes)
        if yes.kind == BOOL:
            if yes.op == "const":
                return self.make("or", p, no) if yes.value else self.make("and", self.make("not", p), no)
            if no.op == "const":
                return self.make("or", self.make("not", p), yes) if no.value else self.make("and", p, yes)
        if yes.op == "select" and yes.args[0] is p:
            return self.make("select", p, yes.args[1], no)
        if no.op == "select" and no.args[0] is p:
            return self.make("select", p, yes, no.args[2])
        return None

    def _convert(self, a: Node, kind: str) -> Node | None:
        return a if a.kind == kind else None

    def _max(self, a: Node, b: Node) -> Node | None:
        return a if a is b else None

    _min = _max

    def power(self, a: Node, n: int) -> Node:
        """a**n by repeated squares."""
        if n < 0:
            return self.make("div", self.const(1.0), self.power(a, -n))
        result, square = self.const(1.0 if a.kind == FLOAT else 1, a.kind), a
        while n:
            result = self.make("mul", result, square) if n & 1 else result
            n >>= 1
            square = self.make("mul", square, square) if n else square
        return result

    # --- reductions over rows ----------------------------------------------------------------------------

    def _rand(self, a: Node) -> Node | None:
        return None if a.row else a

    _ror = _rmax = _rmin = _rand

    def _rsum(self, a: Node) -> Node | None:
        """Uniform factors out of the sum; terms that are known become sums of their own."""
        if not a.row:
            return self.make("mul", a, self.make("convert", self.leaf("count", None, INT, False, True), attr=a.kind))
        if a.kind != FLOAT:
            return None
        terms = [(c, r) for c, r in self._terms(self.const(1.0), a)]
        if len(terms) == 1 and terms[0][1] is a:
            return None
        rest: Node | None = None
        total = self.const(0.0)
        for factor, row in terms:
            if row is None or row.known:
                part = self._sum_of(row)
                total = self.make("add", total, self.make("mul", factor, part))
            else:
                term = self.make("mul", factor, row)
                rest = term if rest is None else self.make("add", rest, term)
        if rest is not None:
            if len([1 for _, r in terms if r is not None and not r.known]) == 1:
                factor, row = next((c, r) for c, r in terms if r is not None and not r.known)
                return self.make("add", total, self.make("mul", factor, self._sum_of(row)))
            total = self.make("add", total, self._sum_of(rest))
        return total

    def _sum_of(self, row: Node | None) -> Node:
        if row is None:
            return self.make("convert", self.leaf("count", None, INT, False, True), attr=FLOAT)
        return self._new("rsum", (row,), None, FLOAT, False, row.known)

    def _terms(self, factor: Node, e: Node) -> Iterable[tuple[Node, Node | None]]:
        """e as a sum of uniform factors times rows (None for 1)."""
        if not e.row:
            yield self.make("mul", factor, e), None
        elif e.op == "neg":
            yield from self._terms(self.make("neg", factor), e.args[0])
        elif e.op in ("add", "sub") and all(_apart(x) for x in e.args):
            yield from self._terms(factor, e.args[0])
            yield from self._terms(factor if e.op == "add" else self.make("neg", factor), e.args[1])
        elif e.op == "mul":
            yield from self._product(factor, e)
        else:
            yield factor, e

    def _product(self, factor: Node, e: Node) -> Iterable[tuple[Node, Node | None]]:
        for x, y in (e.args, e.args[::-1]):
            if not x.row:
                yield from self._terms(self.make("mul", factor, x), y)
                return
        for x, y in (e.args, e.args[::-1]):
            # A known row times a sum: each term may become known, as weights times contributions do.
            if x.known and not y.known:
                terms = list(self._terms(self.const(1.0), y))
                if len(terms) > 1 or terms[0][1] is not y:
                    for c, r in terms:
                        row = x if r is None else self.make("mul", x, r)
                        yield self.make("mul", factor, c), row
                    return
        yield factor, e

    # --- the whole ---------------------------------------------------------------------------------------

    def again(self, outputs: list[Node], assumed: dict[Node, bool]) -> list[Node]:
        """Rebuilds nodes under assumptions about some of them, simplifying as it goes."""
        made: dict[Node, Node] = {node: self.const(value) for node, value in assumed.items()}
        for node in reachable(outputs):
            if node not in made:
                args = tuple(made[a] for a in node.args)
                if not args or all(x is y for x, y in zip(args, node.args, strict=True)):
                    made[node] = node
                else:
                    made[node] = self.make(node.op, *args, attr=node.attr)
        return [made[x] for x in outputs]


def _apart(x: Node) -> bool:
    """Whether x may be summed apart from its neighbor: raw data must not, as their differences are exact."""
    return not x.row or x.op in ROUNDED or (x.op in ("neg", "add", "sub") and all(_apart(a) for a in x.args))


def reachable(outputs: Iterable[Node]) -> list[Node]:
    """What `outputs` depend on, operands first."""
    seen: set[Node] = set()
    todo = list(outputs)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(node.args)
    return sorted(seen, key=lambda node: node.id)
