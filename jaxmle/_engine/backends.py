"""Backends of a phase: a native kernel where the model can be compiled to one, else lanes; and the workers that run it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params
from jax.flatten_util import ravel_pytree

from jaxmle import _native
from jaxmle._engine.devices import platforms_of
from jaxmle._engine.memory import rounded_up
from jaxmle._engine.phase_leaves import PhaseLeaves, Shared, Structure
from jaxmle._engine.plan import Auto, Backend, Device, Drafted, Lanes, Native
from jaxmle._solver import lanes
from jaxmle._solver.charts import ascent_objective
from jaxmle._solver.limits import is_settled
from jaxmle._solver.phases import SETTLE, phases
from jaxmle._solver.problem import (
    Problem,
    Program,
    builder,
    has_closed_form,
    in_time,
    items_of,
    objective_of,
    own_starts,
    row_flags,
    start_shapes,
    starts_itself,
    starts_with_sweep,
    weights_at,
    with_starts,
)
from jaxmle._solver.state import RUNNING, State
from jaxmle._solver.status import Status, at_maximum, failed
from jaxmle._solver.step import certifies, done, init
from jaxmle._util.arrays import Array, ArrayLike, Bool, Int, Params
from jaxmle._util.compile import compiled_with, float64
from jaxmle.optimizers import newton

_LAPACK = {"cholesky", "triangular_solve", "eigh", "eig", "lu", "qr", "geqrf", "geqp3", "householder_product", "svd", "schur",
    "hessenberg", "tridiagonal", "tridiagonal_solve"}  # fmt: skip
"Primitives that XLA computes by LAPACK on a CPU."

KernelItem = tuple[Any, Any]
"One data set as a kernel reads it: its leaves as a lane's item holds them, and the shared leaves."

DRAFT_LEFT, DRAFT_STEPS = 1e-4, 30
"The decrement at which a draft is near enough to a maximum, and how many steps it may take to that."

LONG = 64
"On a GPU a thread goes through the rows of its data set alone: with more rows than so many a data set, lanes do better."


def native_policy(program: Program, phase: int) -> lanes.Policy:
    """Make the policy of a phase for a native kernel, whose items are `KernelItem`s with rows of weight 0 replaced."""

    def policy(item: KernelItem) -> lanes.Policy:
        return phases(program, item[1], cleaned=True)[phase]

    return lanes.Policy(
        begin=lambda item: policy(item).begin(item[0]),
        done=is_settled if phase == SETTLE else done,
        step=lambda state, item: policy(item).step(state, item[0]),
        end=lambda state, item: policy(item).end(state, item[0]),
    )


class Draft(NamedTuple):
    """When a draft of an ascent ends, and the state from which the ascent in float64 continues.

    A draft is Newton's own ascent whose sums over the rows are taken in float32. It ends where the next step comes near
    enough to the maximum that an evaluation or two in float64 certify it, and is discarded where it ends otherwise.

    Attributes:
        ended: (state, item) -> bool[].
        restart: (last state of the draft, item) -> first state in float64.
    """

    ended: Callable[[State, KernelItem], Bool[jax.Array, ""]]
    restart: Callable[[State, KernelItem], State]


def draft_of(program: Program) -> Draft | None:
    """Make the draft of an ascent with Newton's method; None where the program ascends otherwise."""
    if not certifies(program.optimizer) or has_closed_form(program):
        return None

    def near(state: State, item: KernelItem) -> Bool[jax.Array, ""]:
        c, problem = state.opt, builder(program, item[1])(item[0])
        noise = float(jnp.finfo(jnp.float32).eps) * (jnp.abs(c.value) + jnp.sum(problem.weights))
        good = (state.status == RUNNING) | at_maximum(state.status)
        small = c.accepted & c.definite & (c.decrement <= jnp.maximum(DRAFT_LEFT, noise / 16))
        # A rejected step whose possible gain is below the rounding error of float32: it may have been an ascent.
        hidden = ~c.accepted & (c.count > 1) & (0.5 * jnp.abs(c.gradient @ c.plain) <= 16 * noise)
        return good & (small | hidden)

    def ended(state: State, item: KernelItem) -> Bool[jax.Array, ""]:
        return done(state) | near(state, item) | (state.steps >= DRAFT_STEPS) | (state.opt.rejected > 2)

    def restart(state: State, item: KernelItem) -> State:
        problem = builder(program, item[1])(item[0])
        objective = objective_of(program.skeleton, problem, cleaned=True)
        status = jnp.where((problem.status == RUNNING) & ~near(state, item), int(Status.STALLED), problem.status)
        _, unravel = ravel_pytree(state.u)
        at = jnp.where(state.opt.accepted, ravel_pytree(state.u)[0], state.best)
        fresh = init(program.optimizer, ascent_objective(objective), unravel(at), status)
        return fresh._replace(begin=state.begin, steps=state.steps)

    return Draft(ended, restart)


@functools.lru_cache(maxsize=64)
def _independent_of_length(program: Program, own: tuple[_native.Leaf, ...], shared: tuple[_native.Leaf, ...]) -> bool:
    """Return whether contributions and start of a model are the same expressions for all numbers of rows."""

    def made(item: KernelItem) -> tuple[Any, Any]:
        problem = builder(program, item[1])(item[0])
        begun = phases(program, item[1], cleaned=True)[0].begin(item[0])
        objective = objective_of(program.skeleton, problem, cleaned=True)
        return ascent_objective(objective).contributions(begun.u), begun.u

    tree = jax.tree.structure((([0] * len(own),), [0] * len(shared)))
    with float64():
        return _native.independent_of_length(made, functools.partial(_shapes, (*own, *shared), tree))


@functools.lru_cache(maxsize=64)
def _built(
    program: Program, phase: int, leaves: tuple[_native.Leaf, ...], tree: Structure, platform: str, drafts: bool
) -> Callable[[int], _native.Compiled] | str:
    """Compile a phase to a native kernel for any number of rows, or return the reason why it cannot be compiled."""
    draft = draft_of(program) if drafts else None
    if drafts and draft is None:
        return "no ascent with Newton's method"
    try:
        built = _native.build(leaves, tree, native_policy(program, phase), platform, draft, in_time(program))
        own, shared = (len(x) for x in row_flags(program))  # between them are the leaves of the outcome before
        if not _independent_of_length(
            program._replace(optimizer=newton()), leaves[:own], leaves[len(leaves) - shared :]
        ):
            raise _native.Unsupported("a log-likelihood that depends on the number of rows otherwise than by a sum")
        return built
    except _native.Unsupported as error:
        return str(error)


def _shapes(leaves: tuple[_native.Leaf, ...], tree: Structure, n: int) -> tuple[Any, ...]:
    """Return the arguments of a native policy's functions as shapes and dtypes, for data sets of n rows."""
    sized = [(tuple(n if k == _native.ROWS else k for k in leaf.shape), leaf.dtype) for leaf in leaves]
    return (jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*x) for x in sized]),)


@functools.lru_cache(maxsize=64)
def _calls_lapack(program: Program, phase: int, n: int, leaves: tuple[_native.Leaf, ...], tree: Structure) -> bool:
    """Return whether a step calls LAPACK: two such programs at once on one CPU deadlock in XLA's thread pool.

    Each waits in one of the pool's threads for work that it has queued in the same pool (JAX 0.10.2, 2 cores).
    """
    fit = native_policy(program, phase)
    with float64():
        shapes = _shapes(leaves, tree, n)
        state = jax.eval_shape(fit.begin, *shapes)
        todo = [jax.make_jaxpr(fit.begin)(*shapes).jaxpr, jax.make_jaxpr(fit.step)(state, *shapes).jaxpr]
    while todo:
        for eqn in todo.pop().eqns:
            if eqn.primitive.name in _LAPACK:
                return True
            todo.extend(getattr(x, "jaxpr", x) for x in jaxprs_in_params(eqn.params))
    return False


def built(
    program: Program, phase: int, leaves: PhaseLeaves, ones: bool, platform: str, drafts: bool = False
) -> _native.Compiled | str:
    """Compile a phase to a native kernel for leaves like these, or return the reason why it cannot be compiled.

    Args:
        program, phase: which to compile.
        leaves: arrays or their shapes; only shapes and dtypes count.
        ones: if all weights are 1.
        platform: "cpu" or "gpu".
        drafts: if it begins with an ascent in float32.
    """
    found = _built(program._replace(lanes=0), phase, *_signature(program, leaves, ones), platform, drafts)
    return found if isinstance(found, str) else found(leaves.rows)


def doubtful(kernel: _native.Compiled, status: Int[np.ndarray, " B"]) -> Bool[np.ndarray, " B"]:
    """Find the verdicts of a native kernel that XLA is to check, bool[B].

    These are all failures where the kernel has a NaN that JAX has not; else those without a finite start, as the kernel's
    products of powers of a scale overflow sooner than XLA's.
    """
    return failed(status) if kernel.partial else status == Status.NO_FINITE_START


def kernels_of(
    program: Program, phase: int, leaves: PhaseLeaves, platforms: set[str], backend: Backend
) -> list[_native.Compiled]:
    """Compile a phase to native kernels, to be tried one after the other; what they leave unfitted is for the lanes.

    One kernel is for data sets whose weights are all 1, one for the others, so that the kernel of a data set does not
    depend on its neighbors.

    Raises:
        ValueError: where the backend is `Native` and the phase cannot be compiled, with the reason.
    """
    if isinstance(backend, Lanes):
        return []
    found: list[_native.Compiled | str]
    weights = leaves.weights
    platform = next(iter(platforms))
    if len(platforms) > 1:
        found = ["devices of several kinds"]
    elif weights.dtype != np.float64:
        found = [f"numbers of type {weights.dtype}"]
    elif platform != "cpu" and isinstance(backend, Auto) and weights.shape[1] > LONG * len(weights):
        found = ["rows enough to keep a GPU busy"]
    elif (missing := _native.missing(platform)) is not None:
        found = [missing]
    else:
        plain = _native.unit_weights(weights)
        kinds = [ones for ones, some in ((True, plain.any()), (False, not plain.all())) if some]
        found = [built(program, phase, leaves, ones, platform, drafts=isinstance(backend, Drafted)) for ones in kinds]
    reasons = [x for x in found if isinstance(x, str)]
    if reasons and isinstance(backend, Native):
        raise ValueError(f"lanes='native' cannot fit this model: {reasons[0]}. Pass lanes='auto' or a number")
    return [x for x in found if not isinstance(x, str)]


def prepared(
    program: Program, problem: Problem, devices: list[Device], backend: Backend
) -> tuple[Program, Problem, list[_native.Compiled]]:
    """Compile the first phase to native kernels; where the start is a sweep, or alone keeps it from that, compute it in XLA.

    Returns:
        program and problem, with the starts where those were computed, and the kernels as `kernels_of` gives them.
    """

    def first(program: Program, problem: Problem, backend: Backend) -> list[_native.Compiled]:
        own, shared = items_of(program, problem)
        return kernels_of(program, 0, PhaseLeaves((own,), shared, problem.weights), platforms_of(devices), backend)

    if starts_with_sweep(program, problem):
        program, problem = with_starts(program, problem, _swept(program, problem))
    if isinstance(backend, Lanes) or not starts_itself(program, problem):
        return program, problem, first(program, problem, backend)
    tried = Auto() if isinstance(backend, Native) else backend
    if found := first(program, problem, tried):
        return program, problem, found
    own, shared = items_of(program, problem)
    if first(*with_starts(program, problem, start_shapes(program, problem)), tried):
        starts = jax.tree.map(np.asarray, _starts(program._replace(lanes=0), own, shared))
        program, problem = with_starts(program, problem, starts)
    return program, problem, first(program, problem, backend)


@compiled_with(static_argnums=0)
def _starts(program: Program, own: list[Array], shared: Shared) -> Params:
    return own_starts(program, own, shared)


@compiled_with(quick=True, static_argnums=0)
def _few_starts(program: Program, own: list[Array], shared: Shared) -> Array:
    return own_starts(program, own, shared)


SWEPT = 256
"Data sets that are swept at a time."

QUICK_BELOW = 4096
"Data sets that are swept before a program compiled with more care would have begun."


def _swept(program: Program, problem: Problem) -> Array:
    """Sweep for the start of each data set, [B, ...]; numbers of rows and of data sets are powers of two: few programs."""
    own, shared = items_of(program, problem)
    own_rows, shared_rows = row_flags(program)
    count, n = problem.weights.shape
    compute = _few_starts if count < QUICK_BELOW else _starts
    size, rows, at = min(rounded_up(count), SWEPT), rounded_up(n), weights_at(program)

    def padded(x: ArrayLike, axis: int, fill: str) -> np.ndarray:
        more = [(0, rows - n if k == axis else 0) for k in range(np.ndim(x))]
        return np.pad(x, more, fill) if rows > n else np.asarray(x)  # pyright: ignore

    shared = [padded(x, 0, "edge") if has else x for x, has in zip(shared, shared_rows, strict=True)]
    parts = []
    for begin in range(0, count, size):
        which = np.arange(begin, begin + size) % count
        some = [np.asarray(x[which]) for x in own]
        some = [
            padded(x, 1, "constant" if i == at else "edge") if has else x
            for i, (x, has) in enumerate(zip(some, own_rows, strict=True))
        ]
        parts.append(jax.tree.map(np.asarray, compute(program._replace(lanes=0), some, shared)))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)


def _signature(program: Program, leaves: PhaseLeaves, ones: bool) -> tuple[tuple[_native.Leaf, ...], Structure]:
    """Describe the leaves of (items, shared) without their data-set axis, and their tree; `ones` if all weights are 1."""
    own_rows, shared_rows = row_flags(program)
    own, common = jax.tree.leaves(leaves.items), jax.tree.leaves(leaves.shared)
    rows = own_rows + [False] * (len(own) - len(own_rows)) + shared_rows
    at = weights_at(program)
    found = []
    for i, (x, has_rows) in enumerate(zip([*own, *common], rows, strict=True)):
        shape = np.shape(x)[i < len(own) :]
        shape = (_native.ROWS, *shape[1:]) if has_rows else shape
        found.append(_native.Leaf(shape, x.dtype, i < len(own), i == at, ones and i == at))
    return tuple(found), jax.tree.structure((leaves.items, leaves.shared))


def lane_workers(program: Program, phase: int, leaves: PhaseLeaves, devices: list[Device]) -> list[Device]:
    """List the device of each worker in lanes: one worker a device where the programs call LAPACK, see `_calls_lapack`."""
    alone = list(dict.fromkeys(devices))
    if len(alone) == len(devices):
        return devices
    signature = _signature(program, leaves, False)
    return alone if _calls_lapack(program._replace(lanes=0), phase, leaves.rows, *signature) else devices
