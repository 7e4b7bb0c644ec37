"""Scalar expressions of a data set's rows and of uniform values, shared where they are equal.

A node is a number that is the same for all rows of a data set (uniform), or one for each row. Nodes are made by
`Graph.make`, which folds constants, shares equal nodes and takes uniform factors out of sums over rows: what is left of
a sum that depends on the data alone is computed once for each data set. So a likelihood of exponential family costs O(1)
in n a step, whoever wrote it, and what can be hoisted is.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxmle._native.ir.nodes import (
    BOOL,
    COMMUTATIVE,
    COMPARISONS,
    DEAR,
    FLOAT,
    INT,
    RUNNING,
    SUMS,
    Node,
    age,
    reachable,
)
from jaxmle._native.passes.sqrt_powers import base_of, has_root, merged
from jaxmle._native.passes.sum_factoring import terms

_NUMPY: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "neg": np.negative,
    "abs": np.abs, "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos, "floor": np.floor, "ceil": np.ceil, "sign": np.sign, "pow": np.power,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "is_finite": np.isfinite, "rsqrt": lambda x: 1 / np.sqrt(x), "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
}  # fmt: skip


class Graph:
    """The nodes of one function."""

    def __init__(self) -> None:
        self.nodes: dict[Any, Node] = {}
        self.guards: dict[Node, bool] = {}  # what holds of each row where no sum over the rows is infinite
        self.signs: dict[Node, bool] = {}  # what is known not to be negative

    # --- making nodes ------------------------------------------------------------------------------------

    def leaf(self, op: str, attr: Any, kind: str, row: bool, known: bool) -> Node:
        return self.node(op, (), attr, kind, row, known)

    def const(self, value: Any, kind: str | None = None) -> Node:
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
        """The node op(args), simplified."""
        if all(a.op == "const" for a in args) and (folded := self._fold(op, args, attr)) is not None:
            return folded
        if op in DEAR and not args[1:] and args[0].op == "select" and any(a.op == "const" for a in args[0].args[1:]):
            # What is computed where it means nothing costs nothing in a vector, and is perhaps there already.
            which, *ways = args[0].args
            return self.make("select", which, *(self.make(op, x, attr=attr) for x in ways))
        rule = getattr(self, f"_{op}", None)
        if rule is not None and (simple := rule(*args) if attr is None else rule(*args, attr)) is not None:
            return simple
        if op in COMMUTATIVE and args[0].id > args[1].id:
            args = args[1], args[0]
        kind: Any = BOOL if op in COMPARISONS else attr if op == "convert" else args[-1].kind
        row = op not in SUMS and any(a.row for a in args)
        return self.node(op, args, attr, kind, row, all(a.known for a in args))

    def node(self, op: str, args: tuple[Node, ...], attr: Any, kind: str, row: bool, known: bool) -> Node:
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
        return self._alike("add", a, b) or self._shared("add", (a, b))

    def _sub(self, a: Node, b: Node) -> Node | None:
        if b.is_(0):
            return a
        if a.is_(0):
            return self.make("neg", b)
        return (
            self.make("add", a, b.args[0]) if b.op == "neg" else self._alike("sub", a, b) or self._shared("sub", (a, b))
        )

    def _alike(self, op: str, a: Node, b: Node) -> Node | None:
        """op(u r, v r) as op(u, v) r for a row r."""
        if not (a.row and b.row) or a.kind != FLOAT:
            return None
        (u, *mine), (v, *other) = (self._split(x) for x in (a, b))
        if any(sorted(x, key=age) != sorted(y, key=age) for x, y in zip(mine, other, strict=True)):
            return None
        return self.make("mul", self.make(op, self._times(u), self._times(v)), self._ordered([], *mine))

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
        if (a.row or b.row) and a.kind == FLOAT and any(x.row and (x.op == "mul" or base_of(x)[1] % 2) for x in (a, b)):
            return self._ordered(*self._split(a), *self._split(b))
        return None

    def _split(self, x: Node) -> tuple[list[Node], list[Node], list[Node]]:
        """A product's factors: uniform ones, known rows, others."""
        if x.op == "mul" and x.row:
            halves = [self._split(a) for a in x.args]
            return tuple(p + q for p, q in zip(*halves, strict=True))  # pyright: ignore[reportReturnType]
        if x.op == "neg" and x.row:
            uniform, known, moving = self._split(x.args[0])
            return [self.const(-1.0), *uniform], known, moving
        return ([], [], [x]) if x.row and not x.known else ([], [x], []) if x.row else ([x], [], [])

    def _ordered(self, *parts: list[Node]) -> Node:
        """Products of like factors are like nodes: first those that depend on the state, then known rows, then the rest."""
        uniform, known, moving = ([x for part in parts[i::3] for x in part] for i in range(3))
        if (fewer := merged(self, moving)) is not None:
            return self._ordered(uniform, known, [], *(part for x in fewer for part in self._split(x)))
        if not (known or moving):
            return self._times(sorted(uniform, key=age))
        factors = [*sorted(moving, key=age), *sorted(known, key=age)]
        row = functools.reduce(lambda x, y: self.raw("mul", x, y), factors)
        factor = self._times(sorted(uniform, key=age))
        if factor.is_(1):
            return row
        return self.make("neg", row) if factor.is_(-1) else self.raw("mul", factor, row)

    def _times(self, factors: Sequence[Node]) -> Node:
        return functools.reduce(lambda x, y: self.make("mul", x, y), factors, self.const(1.0))

    def product(self, rows: Sequence[Node]) -> Node | None:
        """Of rows; None for none."""
        return self._ordered(*(part for x in rows for part in self._split(x))) if rows else None

    def raw(self, op: str, *args: Node) -> Node:
        """A node without further simplification."""
        args = tuple(sorted(args, key=age))
        return self.node(op, args, None, args[0].kind, any(a.row for a in args), all(a.known for a in args))

    def _shared(self, op: str, args: tuple[Node, Node], *before: Node) -> Node | None:
        """op(a f, b f) as op(a, b) f: of a tangent's direction only one multiplication is left.

        For known rows f, for running numbers, whose sums are not taken apart later, and for powers of roots, which meet
        others so. Products of other rows are left to `fewer_sums`, which weighs them all together.
        """
        splits = [self._split(x) for x in args]
        zeros = [x.is_(0) for x in args]
        if all(x.known for x in (*args, *before)) or any(x.kind != FLOAT for x in args):
            return None
        shared = [
            [*rows, *(f for f in moving if f.op in RUNNING or has_root(self, f))]
            for (_, rows, moving), zero in zip(splits, zeros, strict=True)
            if not zero
        ]
        both = [f for f in dict.fromkeys(shared[0] if shared else ()) if all(f in fs for fs in shared)]
        if not both:
            return None
        rests = []
        for x, (uniform, rows, moving), zero in zip(args, splits, zeros, strict=True):
            if zero:
                rests.append(x)
                continue
            rows, moving = list(rows), list(moving)
            for f in both:
                (rows if f.known else moving).remove(f)
            rests.append(self._ordered(uniform, rows, moving))
        return self._times([self.make(op, *before, *rests), *both])

    def _div(self, a: Node, b: Node) -> Node | None:
        if b.is_(1) or (a.is_(0) and a.kind == FLOAT):
            return a
        if b.is_(-1):
            return self.make("neg", a)
        if a.op == "neg":
            return self.make("neg", self.make("div", a.args[0], b))
        if b.row and b.kind == FLOAT:
            inverse = self.inverse(b)
            return inverse if a.is_(1) else self.make("mul", a, inverse)
        if a.row and not b.row and b.kind == FLOAT:
            return self.make("mul", a, self.make("div", self.const(1.0), b))
        if b.op == "select" and all(x.is_(1) or x.is_(2) for x in b.args[1:]):
            half = [self.const(1 / x.value) for x in b.args[1:]]
            return self.make("mul", a, self.make("select", b.args[0], *half))
        return None

    def inverse(self, b: Node) -> Node:
        """1 / b, of which all that is divided by b or by a product with it is made: a division costs a vector most."""
        if not b.row:
            return self.make("div", self.const(1.0), b)
        if b.op == "mul" and (b.args[0] is b.args[1] or all(self._has_inverse(x) for x in b.args)):
            return self.make("mul", *map(self.inverse, b.args))
        if b.op == "neg":
            return self.make("neg", self.inverse(b.args[0]))
        if b.op == "div":  # of 1, as there are no others
            return b.args[1]
        if b.op == "select" and any(x.op == "const" for x in b.args[1:]):
            return self.make("select", b.args[0], *map(self.inverse, b.args[1:]))
        return self.node("div", (self.const(1.0), b), None, FLOAT, True, b.known)

    def _has_inverse(self, x: Node) -> bool:
        if x.op == "mul":
            return all(map(self._has_inverse, x.args))
        return not x.row or ("div", (self.const(1.0).id, x.id), None) in self.nodes

    def _log(self, a: Node) -> Node | None:
        return a.args[0] if a.op == "exp" else None  # as XLA has it

    def _neg(self, a: Node) -> Node | None:
        if a.op == "neg":
            return a.args[0]
        return self.make("sub", *a.args[::-1]) if a.op == "sub" else None

    def _not(self, a: Node) -> Node | None:
        return a.args[0] if a.op == "not" else None

    def _and(self, a: Node, b: Node, decides: bool = False) -> Node | None:
        if a.kind != BOOL:
            return None
        for x, y in ((a, b), (b, a)):
            if x.op == "const":
                return x if x.value == decides else y
        return a if a is b else None

    def _or(self, a: Node, b: Node) -> Node | None:
        return self._and(a, b, decides=True)

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
        if not p.known:
            return self._shared("select", (yes, no), p)
        return None

    def _convert(self, a: Node, kind: str) -> Node | None:
        return a if a.kind == kind else None

    def _max(self, a: Node, b: Node) -> Node | None:
        return a if a is b else None

    _min = _max

    def _eq(self, a: Node, b: Node) -> Node | None:
        for x, y in ((a, b), (b, a)):
            if y.op in ("max", "min") and x in y.args:  # as jax differentiates them
                return self.make("ge" if y.op == "max" else "le", x, y.args[y.args[0] is x])
        return None

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

    def _rsum(self, a: Node, column: int | None = None) -> Node | None:
        """Uniform factors out of the sum; terms that are known become sums of their own.

        With a column it is a sum over the values there, and stays as it is (see `_values`).
        """
        if column is not None:
            return self.node("rsum", (a,), column, FLOAT, False, a.known)
        if not a.row:
            return self.make("mul", a, self.make("convert", self.leaf("count", None, INT, False, True), attr=a.kind))
        if a.kind != FLOAT:
            return None
        sums = list(terms(self, self.const(1.0), a))
        total = self.const(0.0)
        for factor, row in sums:
            if row is None or row.known:
                total = self.make("add", total, self.make("mul", factor, self.sum_of(row)))
        moving = [(c, r) for c, r in sums if r is not None and not r.known]
        if len(moving) == 1:
            factor, row = moving[0]
            return self.make("add", total, self.make("mul", factor, self.sum_of(row)))
        if moving:
            rest = functools.reduce(lambda x, y: self.make("add", x, y), (self.make("mul", *t) for t in moving))
            total = self.make("add", total, self.sum_of(rest))
        return total

    def sum_of(self, row: Node | None) -> Node:
        if row is None:
            return self.make("convert", self.leaf("count", None, INT, False, True), attr=FLOAT)
        return self.node("rsum", (row,), None, FLOAT, False, row.known)

    # --- the whole ---------------------------------------------------------------------------------------

    def again(
        self, outputs: list[Node], put: dict[Node, Node], beyond: Callable[[Node], bool] = lambda _: True
    ) -> list[Node]:
        """Rebuilds nodes with others in place of some of them, simplifying as it goes; `beyond` as in `reachable`."""
        made = dict(put)
        for node in reachable(outputs, lambda x: x not in put and beyond(x)):
            if node not in made:
                args = tuple(made.get(a, a) for a in node.args)
                if all(x is y for x, y in zip(args, node.args, strict=True)):
                    made[node] = node
                else:
                    made[node] = self.make(node.op, *args, attr=node.attr)
        return [made[x] for x in outputs]

    # --- loops over the rows, one after the other --------------------------------------------------------

    def before(self, name: Any, kind: str, known: bool) -> Node:
        """What stands in a loop for one of its numbers as it is before a row."""
        return self.leaf("before", (name, kind, known), kind, True, known)

    def _loop(self, *args: Node) -> Node:
        """k numbers that each row changes: args are k values before the first row and k after a row, made of "prev"."""
        kinds = "".join(x.kind for x in args[: len(args) // 2])
        return self.node("loop", args[:-1], args[-1], kinds, False, all(x.known for x in args[:-1]))

    def _series(self, loop: Node, i: int) -> Node:
        """Number i of a loop as it is before each row."""
        return self.node("series", (loop,), i, loop.kind[i], True, loop.known)

    def _sort(self, *args: Node) -> Node:
        """Rows in the order of the first."""
        return self.node("sort", args, None, "".join(x.kind for x in args), False, True)

    def _at_rank(self, sort: Node, i: int) -> Node:
        """Row i of a sort."""
        key, x = sort.args[0], sort.args[i]
        return x if not (key.row and x.row) else self.node("at_rank", (sort,), i, sort.kind[i], True, True)

    def _linear(self, first: Node, *args: Any) -> Node:
        """The number before each row where a row makes a x + b of x; args are a and b, or b alone where a is 0."""
        *parts, reverse = args
        if len(parts) == 2 and parts[0].is_(0):
            return self.make("linear", first, parts[1], attr=reverse)
        return self.node("linear", (first, *parts), reverse, first.kind, True, all(x.known for x in (first, *parts)))

    def lag(self, first: Node, x: Node) -> Node:
        """The row before; `first` before the first row."""
        return self.make("linear", first, x, attr=False)

    def _final(self, loop: Node, i: int) -> Node:
        """Number i of a loop after the last row; a number that only gathers terms is a sum."""
        if loop.op == "linear" and len(loop.args) == 3 and loop.args[1].is_(1):
            return self.make("add", loop.args[0], self.make("rsum", loop.args[2]))
        return self.node("final", (loop,), i, loop.kind[i], False, loop.known)
