"""Quotients as products with an inverse: a / b = a * (1 / b), and 1 / (b c) = (1 / b) (1 / c) where both are there.

A division costs a vector most. All that is divided by b, or by a product with b, is made of the one division 1 / b.
"""

from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, Node
from jaxmle._native.passes.finite import zero_over


def simplify_div(graph: Graph, a: Node, b: Node) -> Node | None:
    """Rewrite a / b with an inverse of b where b or a differs between rows; None where a / b is simplest."""
    if b.is_(1):
        return a
    if a.is_(0) and a.kind == FLOAT:
        return zero_over(graph, a, b)
    if b.is_(-1):
        return graph.make("neg", a)
    if a.op == "neg":
        return graph.make("neg", graph.make("div", a.args[0], b))
    if b.row and b.kind == FLOAT:
        inverse = inverse_of(graph, b)
        return inverse if a.is_(1) else graph.make("mul", a, inverse)
    if a.row and not b.row and b.kind == FLOAT:
        return graph.make("mul", a, graph.make("div", graph.const(1.0), b))
    if b.op == "select" and all(x.is_(1) or x.is_(2) for x in b.args[1:]):
        half = [graph.const(1 / x.value) for x in b.args[1:]]
        return graph.make("mul", a, graph.make("select", b.args[0], *half))
    return None


def inverse_of(graph: Graph, b: Node) -> Node:
    """Make 1 / b of the inverses that are there."""
    if not b.row:
        return graph.make("div", graph.const(1.0), b)
    if b.op == "mul" and (b.args[0] is b.args[1] or all(_has_inverse(graph, x) for x in b.args)):
        return graph.make("mul", *(inverse_of(graph, x) for x in b.args))
    if b.op == "neg":
        return graph.make("neg", inverse_of(graph, b.args[0]))
    if b.op == "div":  # of 1, as there are no others
        return b.args[1]
    if b.op == "select" and any(x.op == "const" for x in b.args[1:]):
        return graph.make("select", b.args[0], *(inverse_of(graph, x) for x in b.args[1:]))
    return graph.typed("div", graph.const(1.0), b)


def _has_inverse(graph: Graph, x: Node) -> bool:
    if x.op == "mul":
        return all(_has_inverse(graph, a) for a in x.args)
    return not x.row or graph.has("div", graph.const(1.0), x)
