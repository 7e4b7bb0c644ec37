"""Powers of a number v >= 0 and of its root as one power: sqrt(v) sqrt(v) = v, v / sqrt(v) = sqrt(v).

With a scale that is the root of a variance nearly all terms are powers of the variance.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import BOOL, Node
from jaxmle._native.passes.quotients import inverse_of

_ALWAYS = {"exp", "exp2", "sqrt", "abs", "logistic", "count", "length"}
_IF_ALL = {"add", "div", "min", "linear", "rsum", "rmin", "rmax", "convert"}


def nonnegative(graph: Graph, x: Node) -> bool:
    """Tell whether a node cannot be below 0, whatever data and parameters are; False where that does not follow."""
    found = graph.signs.get(x)
    if found is None:
        graph.signs[x] = found = _nonnegative(graph, x)
    return found


def _nonnegative(graph: Graph, x: Node) -> bool:
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
    """List the factors of a product."""
    return [f for a in x.args for f in factors_of(a)] if x.op == "mul" else [x]


def root_power(x: Node) -> tuple[Node, int]:
    """Split x into b and k with x = b^(k/2): k is 1 for a root of b, and negative for what divides."""
    if x.op == "div":
        base, power = root_power(x.args[1])
        return base, -power
    return (x.args[0], 1) if x.op == "sqrt" else (x, 2)


def has_root(graph: Graph, x: Node) -> bool:
    """Tell whether x is a power of something whose root is in the graph too."""
    return graph.has("sqrt", root_power(x)[0])


def merge_root_powers(graph: Graph, factors: Sequence[Node]) -> list[Node] | None:
    """Replace powers of one number among a row's factors by one power, where its root is among them; None if there are none.

    Only where the number is certain not to be negative: otherwise NaN, which says that it is below 0, would disappear.
    """
    alike: dict[Node, list[Node]] = defaultdict(list)
    for x in factors:
        alike[root_power(x)[0]].append(x)
    found, changed = [], False
    for base, powers in alike.items():
        if len(powers) > 1 and any(root_power(x)[1] % 2 for x in powers) and nonnegative(graph, base):
            power = sum(root_power(x)[1] for x in powers)
            root = graph.make("sqrt", base)
            whole, half = (inverse_of(graph, base), inverse_of(graph, root)) if power < 0 else (base, root)
            new = [whole] * (abs(power) // 2) + [half] * (abs(power) % 2)
            changed |= Counter(new) != Counter(powers)
            powers = new
        found += powers
    return found if changed else None
