"""Compiled kernels: one function of a machine that fits data sets one after another."""

import ctypes
import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxmle._native.codegen import sorting
from jaxmle._native.codegen.interleaved_kernel import Across
from jaxmle._native.codegen.kernel import Emitter
from jaxmle._native.ir.graph import Graph
from jaxmle._native.ir.nodes import FLOAT, Node, longest, reachable
from jaxmle._native.ir.program import Column, Draft, Parts
from jaxmle._native.lowering import elementwise, loops, reductions
from jaxmle._native.lowering.tracer import ROWS, Array, NotUnderstood, Tracer, axis_of, kind_of, objects, squeezed
from jaxmle._native.passes.product_sharing import fewer_products
from jaxmle._native.passes.sum_factoring import fewer_sums
from jaxmle._native.passes.value_counts import by_value, columns_of_counts, columns_summed
from jaxmle._util import cache
from jaxmle._util.optional import optional

CALL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 6, ctypes.c_int64, ctypes.c_int64)


class Leaf(NamedTuple):
    """One leaf of a problem as the kernel sees it.

    Attributes:
        shape: without a data-set axis, its rows counted as `ROWS`.
        dtype: of its numbers.
        own: whether it has a data-set axis.
        weights: whether it holds the weights of the rows.
        ones: whether they are all 1.
    """

    shape: tuple[int, ...]
    dtype: Any
    own: bool
    weights: bool = False
    ones: bool = False

    @property
    def has_rows(self) -> bool:
        return axis_of(self.shape) is not None

    @property
    def columns(self) -> int:
        """Numbers of a row, or of the leaf where it has none."""
        return int(np.prod(squeezed(self.shape)))


class Kernel(NamedTuple):
    """A machine function, and how its arguments are laid out.

    Attributes:
        call: fit(begin, end, leaves, offset, count, out, left, scratch, room, columns' distance in out).
        states, results, buffers: numbers in a state, in a result, and buffers of rows.
        abreast: data sets that go together, each with a state and buffers.
        across: whether their rows do.
        engine: what keeps the code alive.
        name: of what it does, in any process: a hash of its text.
    """

    call: Any
    states: int
    results: int
    buffers: int
    abreast: int
    across: bool
    engine: Any
    name: str


def trace(
    leaves: Sequence[Leaf], tree: Any, policy: Any, draft: Any = None, values: bool = False
) -> tuple[Parts, list[Column], list[Column], Any, bool, bool]:
    """One fit as nodes, columns with and without rows, the results' shapes, and whether it is
    partial and counts rows (see `Compiled`).

    Args:
        policy: `lanes.Policy`, pure functions of JAX on one item.
        draft: where the same steps are to go first, their rows in float32, until `draft.ended(state, item)`; then the
            policy's steps go on from `draft.led(state, item)`.
        values: whether sums over counts may be sums over the values they take.

    Raises:
        NotUnderstood: where something cannot be written out.
    """
    graph = Graph()
    tracer = Tracer(graph, {**elementwise.RULES, **reductions.RULES, **loops.RULES, **sorting.RULES})
    rows: list[Column] = []
    numbers: list[Column] = []
    item = [_input(graph, leaf, rows, numbers) for leaf in leaves]
    shapes = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves])

    def run(f: Callable[..., Any], args: Any, values: list[Array]) -> tuple[list[Array], Any]:
        try:
            closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
        except Exception as error:  # such as data that the user closed over, of another length
            raise NotUnderstood(f"a function that cannot be traced with {ROWS} rows ({error})") from error
        return tracer.run(closed.jaxpr, closed.consts, values), out

    first, state = run(policy.begin, (shapes,), item)
    kinds = [kind_of(x.dtype) for x in jax.tree.leaves(state)]
    place = 0
    old: list[Array] = []
    for kind, x in zip(kinds, jax.tree.leaves(state), strict=True):
        if axis_of(x.shape) is not None:
            raise NotUnderstood("a state with rows")
        count = int(np.prod(x.shape))
        old.append(
            Array(objects((graph.leaf("state", place + i, kind, False, False) for i in range(count)), x.shape), None)
        )
        place += count
    (finished,), _ = run(policy.done, (state,), first)
    (running,), _ = run(policy.done, (state,), old)
    new, _ = run(policy.step, (state, shapes), old + item)
    results, out = run(policy.end, (state, shapes), old + item)
    led, _ = run(draft.led, (state, shapes), old + item) if draft else ([], None)
    assumed = {running.only: False}
    nodes = [finished.only, *_flat(first), *_flat(new), *_flat(results), *_flat(led)]
    guards = graph.guards | _guards(nodes)
    valid = [graph.make("rand", x if holds else graph.make("not", x)) for x, holds in guards.items()]
    for x, holds in guards.items():
        assumed |= _conjuncts(x) if holds else {x: False}
    assumed |= _finite(graph, assumed)
    nodes = graph.again(nodes, {x: graph.const(holds) for x, holds in assumed.items()})
    counts = columns_of_counts(assumed) if values and any(leaf.ones for leaf in leaves) else set()
    nodes[1 + place :] = fewer_products(graph, by_value(graph, fewer_sums(graph, nodes[1 + place :]), counts))
    new = [Array(objects(part, x.shape), None) for part, x in zip(_parts(nodes[1 + place :], old), old, strict=True)]
    (again,), _ = run(policy.done, (state,), new)
    end = len(nodes) - place * bool(draft)
    drafted = None
    if draft:
        led = [Array(objects(part, x.shape), None) for part, x in zip(_parts(nodes[end:], old), old, strict=True)]
        (ended,), _ = run(draft.ended, (state, shapes), new + item)
        (stays,), _ = run(policy.done, (state,), led)
        drafted = Draft(ended.only, nodes[end:], stays.only)
    following = nodes[1 + place : 1 + 2 * place]
    parts = Parts(valid, nodes[1 : 1 + place], nodes[0], following, again.only, nodes[1 + 2 * place : end], drafted)
    lengths = any(x.op == "length" for x in reachable([*valid, *parts.begin, *parts.later]))
    return parts, rows, numbers, out, tracer.partial, lengths


def _input(graph: Graph, leaf: Leaf, rows: list[Column], numbers: list[Column]) -> Array:
    axis = axis_of(leaf.shape)
    shape, kind = squeezed(leaf.shape), kind_of(leaf.dtype)
    count = leaf.columns
    if leaf.ones:
        return Array(objects([graph.const(1.0)] * count, shape), axis)
    to, op = (numbers, "number") if axis is None else (rows, "load")
    start = len(to)
    to.extend([Column(leaf.own, count)] * count)
    return Array(objects((graph.leaf(op, start + i, kind, axis is not None, True) for i in range(count)), shape), axis)


def _flat(arrays: list[Array]) -> list[Node]:
    return [x for a in arrays for x in a.nodes.ravel()]


def _parts(nodes: list[Node], like: list[Array]) -> list[list[Node]]:
    out, start = [], 0
    for a in like:
        out.append(nodes[start : start + a.nodes.size])
        start += a.nodes.size
    return out


def _guards(nodes: list[Node]) -> dict[Node, bool]:
    """What each row must fulfil for a sum of log-likelihoods to be finite, such as to lie in the support."""
    found: dict[Node, bool] = {}
    todo = [x.args[0] for x in reachable(nodes) if x.op == "rsum" and x.kind == FLOAT]
    while todo:
        x = todo.pop()
        if x.op in ("add", "sub", "mul", "neg"):
            todo.extend(a for a in x.args if a.row)
        elif x.op == "select" and x.args[0].row and x.args[0].known:
            for holds, kept, other in ((True, *x.args[1:]), (False, *x.args[:0:-1])):
                if other.op == "const" and not np.isfinite(other.value):
                    found[x.args[0]] = holds
                    todo.append(kept)
    return found


def _conjuncts(x: Node) -> dict[Node, bool]:
    """What holds where x holds."""
    if x.op == "and":
        return {x: True} | _conjuncts(x.args[0]) | _conjuncts(x.args[1])
    return {x: True, x.args[0]: False} if x.op == "not" else {x: True}


def _finite(graph: Graph, assumed: dict[Node, bool]) -> dict[Node, bool]:
    """What lies between two bounds is finite."""
    least, greatest = set(), set()
    for x in (x for x, holds in assumed.items() if holds and x.op in _TURNED):
        for op, (a, b) in ((x.op, x.args), (_TURNED[x.op], x.args[::-1])):
            if b.op == "const" and (op in ("gt", "lt") or np.isfinite(b.value)):
                (least if op in ("gt", "ge") else greatest).add(a)
    return {graph.make("is_finite", x): True for x in least & greatest}


_TURNED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}


def same_for_all_lengths(f: Callable[..., Any], shapes: Callable[[int], Any]) -> bool:
    """Whether f(*shapes(n)) does the same whatever the number of rows n, so that one kernel serves all."""
    texts = set()
    for n in (ROWS, 8191):
        try:
            text = str(jax.make_jaxpr(f)(*shapes(n)))
        except Exception:
            return False
        text = re.sub(rf"\b{n}(\.0)?\b", "rows", text)
        for k in range(1, 9):
            text = re.sub(rf"\b{n - k}\b", f"rows less {k}", text)
        texts.add(text.replace("rows less 1.0", "rows less 1"))
    return len(texts) == 1


# --- the machine -----------------------------------------------------------------------------------------


def _machine(llvm: Any) -> tuple[Any, int]:
    """A target machine for this CPU, and how many float64 are one of its vectors."""
    features = llvm.get_host_cpu_features()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3, jit=True)
    return machine, 8 if features.get("avx512f") else 4


def inline(llvm: Any, module: Any, machine: Any) -> None:
    """Puts the elementary functions where they are called: what a loop holds in registers may stay there."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


_HIDDEN = 300
"""Cycles that a processor's looking ahead hides. One vector of rows at a time needs the fewest registers, but where a row
takes longer than this from its first operation to its last, two go side by side: of nine workloads a mixture (355)
took 1.3 times as long with one, a logistic regression (347) the same, the others (up to 293) 0 to 17 % less."""


def assemble(parts: Parts, rows: Sequence[Column], numbers: Sequence[Column]) -> Callable[[int], Kernel]:
    """The kernel of one fit for data sets of so many rows at most: one of two, each compiled when it is asked for."""
    llvm: Any = optional("llvmlite.binding", "native")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    width = _machine(llvm)[1]

    @functools.cache
    def side_by_side() -> tuple[Across, str]:
        emitter = Across(parts, rows, numbers, width)
        return emitter, emitter.text()

    @functools.cache
    def one_after_another() -> Kernel:
        together = 2 * width if longest([*parts.following, parts.again]) > _HIDDEN else width
        emitter = Emitter(parts, rows, numbers, together, width)
        return _compiled(llvm, emitter, emitter.text())

    @functools.cache
    def across() -> Kernel:
        return _compiled(llvm, *side_by_side())

    possible = parts.draft is None and not columns_summed(parts.later) and not parts.sorts
    running = {x.op for x in reachable([*parts.following, parts.again]) if not x.known} & {"loop", "linear"}
    bound = 4 * CACHE if "loop" in running else CACHE if running else 0

    def kernel(n: int) -> Kernel:
        if not possible:
            return one_after_another()
        small = n <= FEW or (bound and n <= LONG and 8 * width * side_by_side()[0].rooms * n <= bound)
        return across() if small else one_after_another()

    return kernel


FEW = 32
"""Rows up to which vectors go across data sets. A Gaussian spot takes 0.65, 0.84, 0.76, 0.83, 0.95 of the time so with 9, 16,
25, 36 and 64 rows, a logistic regression 1.00, 1.01, 0.95, 0.91, 1.13 (AVX-512)."""

CACHE = 1 << 20
"""Bytes of rows that each step reads again, up to which data sets go abreast. Where rows need the one before in straight
lines, as in a GARCH, vectors across data sets take 0.73 of the time below it, 1.0 at twice and 1.6 at four times as much;
where they do so otherwise, as in a Kalman filter, 0.5 up to eight times as much."""

LONG = 2048
"""Rows up to which one sum takes them all one after the other. Of a Kalman filter with 4000 rounding is so large that the
certificate is reached 1.5 steps later, with 2500 it was not; elsewhere each sum is eight, put together at the end."""


def _compiled(llvm: Any, emitter: Emitter, text: str) -> Kernel:
    machine, _ = _machine(llvm)

    def compiled() -> bytes:  # LLVM's other passes cost as much again and gain 2 to 5 % (measured)
        module = llvm.parse_assembly(text)
        inline(llvm, module, machine)
        module.verify()
        return machine.emit_object(module)

    name = hashlib.sha256(text.encode()).hexdigest()
    code = cache.kept(f"LLVM {llvm.llvm_version_info}\n{text}", compiled)
    engine = load(llvm, code)
    call = CALL(engine.get_function_address("fit"))
    states, results = len(emitter.parts.following), len(emitter.parts.end)
    return Kernel(call, states, results, emitter.rooms, emitter.abreast, emitter.across, engine, name)


def load(llvm: Any, code: bytes) -> Any:
    """Machine code in this process."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(llvm)[0])  # which takes the machine over
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine
