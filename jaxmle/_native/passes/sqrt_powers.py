"""Powers of a number and of its root: with a scale that is the root of a variance, nearly all terms are powers of the variance."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxmle._native.ir.nodes import BOOL, Node

if TYPE_CHECKING:
    from jaxmle._native.ir.graph import Graph

_ALWAYS = {"exp", "exp2", "sqrt", "abs", "logistic", "count", "length"}
_IF_ALL = {"add", "div", "min", "linear", "rsum", "rmin", "rmax", "convert"}


def nonnegative(graph: "Graph", x: Node) -> bool:
    """Whether it cannot be below 0, whatever data and parameters are; False where that is not seen."""
    found = graph.signs.get(x)
    if found is None:
        graph.signs[x] = found = _nonnegative(graph, x)
    return found


def _nonnegative(graph: "Graph", x: Node) -> bool:
    if x.op == "const":
        return x.kind != BOOL and x.value >= 0
    if x.op == "mul":
        times = Counter(f for a in x.args for f in factors_of(a))
        return all(n % 2 == 0 or nonnegative(graph, f) for f, n in times.items())
    if x.op == "max":
        return any(nonnegative(graph, a) for a in x.args)
    if x.op == "select":
        return all(nonnegative(graph, a) for a in x.args[1:])
    return x.op in _ALWAYS or (x.op in _IF_ALL and all(a.kind == BOOL or nonnegative(graph, a) for a in x.args))


def factors_of(x: Node) -> list[Node]:
    """Of a product."""
    return [f for a in x.args for f in factors_of(a)] if x.op == "mul" else [x]


def base_of(x: Node) -> tuple[Node, int]:
    """b and k where x is b^(k/2): k is 1 for a root of b, and negative for what divides."""
    if x.op == "div":
        base, power = base_of(x.args[1])
        return base, -power
    return (x.args[0], 1) if x.op == "sqrt" else (x, 2)


def has_root(graph: "Graph", x: Node) -> bool:
    """Whether x is a power of something whose root there is too."""
    return ("sqrt", (base_of(x)[0].id,), None) in graph.nodes


def merged(graph: "Graph", factors: Sequence[Node]) -> list[Node] | None:
    """Factors of a row with the powers of one number together, where a root of it is among them; None if there are none.

    sqrt(v) sqrt(v) is v and sqrt(v) / sqrt(v) is 1 for v >= 0, of which v must be certain: otherwise NaN, which says that
    v is below 0, would be lost.
    """
    alike: dict[Node, list[Node]] = defaultdict(list)
    for x in factors:
        alike[base_of(x)[0]].append(x)
    found, changed = [], False
    for base, mine in alike.items():
        if len(mine) > 1 and any(base_of(x)[1] % 2 for x in mine) and nonnegative(graph, base):
            power = sum(base_of(x)[1] for x in mine)
            root = graph.make("sqrt", base)
            whole, half = (graph.inverse(base), graph.inverse(root)) if power < 0 else (base, root)
            new = [whole] * (abs(power) // 2) + [half] * (abs(power) % 2)
            changed |= Counter(new) != Counter(mine)
            mine = new
        found += mine
    return found if changed else None
