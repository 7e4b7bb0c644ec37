"""Products with 0 where the other factor may be NaN or infinite: 0 * x = 0 holds of a finite x only.

Derivatives are full of directions that are 0, and a graph leaves out what they multiply, whatever it is. An exact graph
keeps NaN: there 0 * x becomes `times_zero(x)`, which no other rule takes apart. The rows of a log-likelihood are made
by both kinds of graph (see `Tracer.exact`), as NaN in them says that a point is none.
"""

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import BOOL, FLOAT, INT, Node, reachable

_BOUNDED = {"neg", "abs", "max", "min", "floor", "ceil", "sign", "tanh", "logistic", "sin", "cos", "convert"}
"Finite where all operands are; sums and products may overflow."


def finite(x: Node) -> bool:
    """Tell whether a node is certain to be finite, whatever data and parameters are; False where that does not follow."""
    if x.kind in (INT, BOOL):
        return True
    if x.op == "const":
        return abs(x.value) < float("inf")
    args = x.args[1:] if x.op == "select" else x.args if x.op in _BOUNDED else ()
    return bool(args) and all(finite(a) for a in args)


def zero_times(graph: Graph, zero: Node, x: Node) -> Node:
    """Simplify 0 * x: to 0 where x is finite or the graph need not be exact, to times_zero(x) elsewhere."""
    if x.kind != FLOAT or finite(x):
        return zero
    if graph.exact:
        return graph.make("times_zero", x)
    graph.inexact += 1
    return zero


def zero_over(graph: Graph, zero: Node, x: Node) -> Node:
    """Simplify 0 / x: to 0 where the graph need not be exact, to times_zero(1 / x) otherwise, as 0 / 0 is NaN."""
    if graph.exact:
        return graph.make("times_zero", graph.make("div", graph.const(1.0), x))
    graph.inexact += 1
    return zero


def simplify_times_zero(graph: Graph, x: Node) -> Node | None:
    """Simplify by 0 * (-x) = 0 * x and 0 * (0 * x) = 0 * x, up to the sign of 0."""
    if x.op == "neg":
        return graph.make("times_zero", x.args[0])
    return x if x.op == "times_zero" else None


_ARITHMETIC = {
    "add", "sub", "mul", "div", "neg", "abs", "max", "min", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh",
    "logistic", "sin", "cos", "erf", "erfc", "times_zero", "rsum", "rmax", "rmin",
}  # fmt: skip
"NaN where any operand is."

_OF_ZERO = {
    "add", "sub", "neg", "abs", "max", "min", "log1p", "expm1", "sqrt", "tanh", "sin", "erf", "rsum", "rmax", "rmin",
}  # fmt: skip
"0 where all operands are."


def keep_nan(graph: Graph, exact: Node, inexact: Node) -> Node:
    """Make a node that is NaN where `exact` is and `inexact` elsewhere, given one expression made by both kinds of graph.

    a (b + 0 x) c = a b c + 0 x, where that is NaN or not: what derivatives share with the inexact node they still share.
    """
    if exact is inexact:
        return inexact
    old = set(reachable([inexact]))
    zero: dict[Node, bool] = {}  # of nodes made of a new times_zero, whether they are 0 or NaN themselves
    used: set[Node] = set()  # zeros that are a part of other zeros
    for x in reachable([exact], lambda x: x not in old):
        parts = [a for a in x.args if a in zero]
        if x in old or (x.op != "times_zero" and not parts):
            continue
        if x.op not in _ARITHMETIC:
            return exact
        zeros = [a for a in parts if zero[a]]
        zero[x] = _is_zero(x, zeros)
        if zero[x]:
            used.update(zeros)
        elif not all(a in zero or a in old or finite(a) for a in x.args):  # left out of the inexact node
            return exact
    for x in zero:
        if zero[x] and x not in used:
            inexact = graph.make("add", inexact, x)
    return inexact


def _is_zero(x: Node, zeros: list[Node]) -> bool:
    """Tell whether an operation is 0 or NaN, given which of its operands are."""
    if x.op in ("mul", "div"):
        return bool(zeros) and (x.op == "mul" or x.args[0] in zeros)
    return x.op == "times_zero" or (x.op in _OF_ZERO and len(zeros) == len(x.args))
