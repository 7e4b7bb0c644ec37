"""Rules by which a graph simplifies nodes as they are made, one for each operation; see `Graph.make`.

Each is an identity such as x + 0 = x or exp(select(p, a, 1)) = select(p, exp(a), e). `RULES` goes to a `Graph`;
`simplify` applies it to a finished graph.
"""

from collections.abc import Sequence

from jaxmle._native.ir.graph import Graph, Rule
from jaxmle._native.ir.nodes import BOOL, COSTLY, Node, reachable
from jaxmle._native.passes.finite import simplify_times_zero
from jaxmle._native.passes.products import combine_alike, share_factors, simplify_mul
from jaxmle._native.passes.quotients import simplify_div
from jaxmle._native.passes.sum_factoring import simplify_rsum


def simplify(graph: Graph, outputs: Sequence[Node]) -> list[Node]:
    """Remake the nodes of any graph in `graph`, by its rules."""
    made: dict[Node, Node] = {}
    for x in reachable(outputs):
        if x.args:
            made[x] = graph.make(x.op, *(made[a] for a in x.args), attr=x.attr)
        elif x.op == "const":
            made[x] = graph.const(x.value, x.kind)
        else:
            made[x] = graph.leaf(x.op, x.attr, x.kind, x.row, x.invariant)
    return [made[x] for x in outputs]


def simplify_add(graph: Graph, a: Node, b: Node) -> Node | None:
    """Simplify by a + 0 = a; a + (-b) = a - b; u r + v r = (u + v) r."""
    if a.is_(0):
        return b
    if b.is_(0):
        return a
    if b.op == "neg":
        return graph.make("sub", a, b.args[0])
    if a.op == "neg":
        return graph.make("sub", b, a.args[0])
    return combine_alike(graph, "add", a, b) or share_factors(graph, "add", (a, b))


def simplify_sub(graph: Graph, a: Node, b: Node) -> Node | None:
    """Simplify by a - 0 = a; 0 - b = -b; a - (-b) = a + b; u r - v r = (u - v) r."""
    if b.is_(0):
        return a
    if a.is_(0):
        return graph.make("neg", b)
    if b.op == "neg":
        return graph.make("add", a, b.args[0])
    return combine_alike(graph, "sub", a, b) or share_factors(graph, "sub", (a, b))


def simplify_neg(graph: Graph, a: Node) -> Node | None:
    """Simplify by -(-a) = a; -(a - b) = b - a."""
    if a.op == "neg":
        return a.args[0]
    return graph.make("sub", *a.args[::-1]) if a.op == "sub" else None


def simplify_log(graph: Graph, a: Node) -> Node | None:
    """Simplify by log(exp(a)) = a, as in XLA."""
    return a.args[0] if a.op == "exp" else None


def simplify_not(graph: Graph, a: Node) -> Node | None:
    """Simplify by not not a = a."""
    return a.args[0] if a.op == "not" else None


def simplify_and(graph: Graph, a: Node, b: Node, decisive: bool = False) -> Node | None:
    """Simplify by a and False = False; a and True = a; a and a = a. For `or` True is decisive."""
    if a.kind != BOOL:
        return None
    for x, y in ((a, b), (b, a)):
        if x.op == "const":
            return x if x.value == decisive else y
    return a if a is b else None


def simplify_or(graph: Graph, a: Node, b: Node) -> Node | None:
    """Simplify by a or True = True; a or False = a; a or a = a."""
    return simplify_and(graph, a, b, decisive=True)


def simplify_select(graph: Graph, p: Node, yes: Node, no: Node) -> Node | None:
    """Simplify by select(True, a, b) = a; select(p, a, a) = a; of truths and, or; select(p, a f, b f) = select(p, a, b) f."""
    if p.op == "const":
        return yes if p.value else no
    if yes is no:
        return yes
    if p.op == "not":
        return graph.make("select", p.args[0], no, yes)
    if yes.kind == BOOL:
        if yes.op == "const":
            return graph.make("or", p, no) if yes.value else graph.make("and", graph.make("not", p), no)
        if no.op == "const":
            return graph.make("or", graph.make("not", p), yes) if no.value else graph.make("and", p, yes)
    if yes.op == "select" and yes.args[0] is p:
        return graph.make("select", p, yes.args[1], no)
    if no.op == "select" and no.args[0] is p:
        return graph.make("select", p, yes, no.args[2])
    return None if p.invariant else share_factors(graph, "select", (yes, no), p)


def simplify_convert(graph: Graph, a: Node, kind: str) -> Node | None:
    """Drop a conversion to the kind that a node has."""
    return a if a.kind == kind else None


def simplify_extreme(graph: Graph, a: Node, b: Node) -> Node | None:
    """Simplify by max(a, a) = min(a, a) = a."""
    return a if a is b else None


def simplify_eq(graph: Graph, a: Node, b: Node) -> Node | None:
    """Simplify by x == max(x, y) is x >= y, x == min(x, y) is x <= y, as JAX differentiates them."""
    for x, y in ((a, b), (b, a)):
        if y.op in ("max", "min") and x in y.args:
            return graph.make("ge" if y.op == "max" else "le", x, y.args[y.args[0] is x])
    return None


def simplify_costly(graph: Graph, op: str, a: Node) -> Node | None:
    """Simplify by f(select(p, a, constant)) = select(p, f(a), f(constant)).

    What is computed where it means nothing costs nothing in a vector, and is perhaps there already.
    """
    if a.op == "select" and any(x.op == "const" for x in a.args[1:]):
        which, *branches = a.args
        return graph.make("select", which, *(graph.make(op, x) for x in branches))
    return simplify_log(graph, a) if op == "log" else None


# --- reductions over rows, loops over the rows, sorts --------------------------------------------------


def simplify_reduction(graph: Graph, a: Node) -> Node | None:
    """Simplify reductions: the all, any, largest or smallest of equal numbers is that number."""
    return None if a.row else a


def simplify_at_rank(graph: Graph, sort: Node, i: int) -> Node | None:
    """Sorted uniform numbers, or numbers in the order of a uniform key, stay where they are."""
    key, x = sort.args[0], sort.args[i]
    return None if key.row and x.row else x


def simplify_linear(graph: Graph, first: Node, *args: Node | bool) -> Node | None:
    """Drop the coefficient of x -> 0 x + b."""
    a, reverse = args[0], args[-1]
    if len(args) == 3 and isinstance(a, Node) and a.is_(0) and isinstance(args[1], Node):
        return graph.make("linear", first, args[1], attr=reverse)
    return None


def simplify_final(graph: Graph, loop: Node, i: int) -> Node | None:
    """Simplify a loop's last number: one that only gathers terms, x -> x + b, is after the last row a sum: first + sum_i b_i."""
    if loop.op == "linear" and len(loop.args) == 3 and loop.args[1].is_(1):
        return graph.make("add", loop.args[0], graph.make("rsum", loop.args[2]))
    return None


def _costly(op: str) -> Rule:
    def rule(graph: Graph, *args: Node) -> Node | None:
        return None if args[1:] else simplify_costly(graph, op, args[0])

    return rule


RULES: dict[str, Rule] = {
    **{op: _costly(op) for op in sorted(COSTLY - {"div", "linear", "series", "at_rank"})},
    "add": simplify_add,
    "and": simplify_and,
    "at_rank": simplify_at_rank,
    "convert": simplify_convert,
    "div": simplify_div,
    "eq": simplify_eq,
    "final": simplify_final,
    "linear": simplify_linear,
    "max": simplify_extreme,
    "min": simplify_extreme,
    "mul": simplify_mul,
    "neg": simplify_neg,
    "not": simplify_not,
    "or": simplify_or,
    "rand": simplify_reduction,
    "rmax": simplify_reduction,
    "rmin": simplify_reduction,
    "ror": simplify_reduction,
    "rsum": simplify_rsum,
    "select": simplify_select,
    "sub": simplify_sub,
    "times_zero": simplify_times_zero,
}
