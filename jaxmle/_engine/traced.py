"""Fits inside a traced JAX program: one, or as many as `vmap` asks for, however it is nested.

On a CPU, in float64, they are a call of native kernels; fits that the kernels leave, and all fits elsewhere, go through
the loop or the lanes.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from jaxmle import _native
from jaxmle._engine.backends import built, doubtful
from jaxmle._engine.phase_leaves import Items, PhaseLeaves
from jaxmle._engine.workers import on_threads
from jaxmle._solver.problem import (
    Problem,
    Program,
    among,
    ascent_phases,
    items_of,
    own_starts,
    starts_itself,
    starts_with_sweep,
    weights_at,
    with_rows,
    with_starts,
)
from jaxmle._solver.solve import settle_many, settle_one, solve_many, solve_one
from jaxmle._solver.state import Outcome
from jaxmle._util.arrays import Array, Bool

LANES = 64
"Lanes of a traced program."


@functools.lru_cache(maxsize=256)
def solver(program: Program, ones: bool) -> Callable[..., Outcome]:
    """Make the function that fits a problem, given as leaves; its batching rule makes one batch of all fits.

    Args:
        program: leaves have a data-set axis where `program.axes` says so; where none has one it is a single fit.
        ones: if all weights are 1.
    """
    many = any(program.axes)

    @custom_vmap
    def solve(*leaves: Array) -> Outcome:
        return (_many if many else _one)(program, jax.tree.unflatten(program.tree, leaves), ones)

    @solve.def_vmap
    def _(size: int, batched: Sequence[bool], *leaves: Array) -> tuple[Outcome, Any]:
        if not any(batched):  # one fit serves all
            outcome = solve(*leaves)
            return outcome, jax.tree.map(lambda _: False, outcome)
        inner = _size(leaves, batched, program.axes) if many else None
        axes = tuple(a or b for a, b in zip(program.axes, batched, strict=True))
        flat = [_flat(x, size, inner, *of) for x, *of in zip(leaves, batched, program.axes, strict=True)]
        outcome = solver(program._replace(axes=axes, lanes=min(LANES, size * (inner or 1))), ones)(*flat)
        if many:
            outcome = jax.tree.map(lambda x: x.reshape(size, inner, *x.shape[1:]), outcome)
        return outcome, jax.tree.map(lambda _: True, outcome)

    return solve


def _size(leaves: Sequence[Array], batched: Sequence[bool], axes: tuple[bool, ...]) -> int:
    """Return how many data sets a program had before it was batched once more."""
    return next(x.shape[int(outer)] for x, outer, own in zip(leaves, batched, axes, strict=True) if own)


def _flat(x: Array, size: int, inner: int | None, batched: bool, own: bool) -> Array:
    """Reshape a leaf to size * inner data sets, or return the one that they share."""
    x = jnp.asarray(x)
    if inner is None or not (batched or own):
        return x
    rest = x.shape[int(batched) + int(own) :]
    x = x.reshape(size if batched else 1, inner if own else 1, *rest)
    return jnp.broadcast_to(x, (size, inner, *rest)).reshape(size * inner, *rest)


def _one(program: Program, problem: Problem, ones: bool) -> Outcome:
    """Fit one problem by native kernels on a CPU, else by XLA's loop."""

    def loop(problem: Problem, *_: Any) -> Outcome:
        return solve_one(program, problem)

    single = program._replace(axes=among(program, lambda p: (p.data, p.weights, p.start)))
    leaves = zip(jax.tree.leaves(problem), single.axes, strict=True)
    batch = jax.tree.unflatten(program.tree, [x[None] if own else x for x, own in leaves])
    kernels = _kernels(single, batch, ones)
    if kernels is None:
        return settle_one(program, problem, loop(problem))

    def call(problem: Problem, batch: Problem) -> Outcome:
        outcome, left = kernels.fit(single, batch, 1)
        return lax.cond(left[0], lambda: loop(problem), lambda: jax.tree.map(lambda x: x[0], outcome))

    return settle_one(program, problem, lax.platform_dependent(problem, batch, cpu=call, default=loop))


def _many(program: Program, problem: Problem, ones: bool) -> Outcome:
    """Fit a batch of problems by native kernels on a CPU, else in lanes."""
    size = len(items_of(program, problem)[0][0])

    def in_lanes(problem: Problem) -> Outcome:
        own, shared = items_of(program, problem)
        return settle_many(program, own, shared, solve_many(program, own, shared))

    kernels = _kernels(program, problem, ones)
    if kernels is None:
        return in_lanes(problem)

    def call(problem: Problem) -> Outcome:
        outcome, left = kernels.fit(program, problem, size)
        return settle_many(program, *items_of(program, problem), outcome, left)

    return lax.platform_dependent(problem, cpu=call, default=in_lanes)


# --- native kernels ----------------------------------------------------------------------------------


class _Kernels(NamedTuple):
    """Native kernels of all phases of a program.

    Attributes:
        kernels: one for each.
        starts: whether the model's start is computed before the kernels run, in XLA.
        ones: whether all weights are 1.
    """

    kernels: tuple[_native.Compiled, ...]
    starts: bool
    ones: bool

    def fit(self, program: Program, problem: Problem, size: int) -> tuple[Outcome, Bool[jax.Array, " B"]]:
        """Fit `size` data sets; return their outcomes, and which of them the kernels leave unfitted."""
        if self.starts:
            program, problem = with_starts(program, problem, own_starts(program, *items_of(program, problem)))
        program, views = _widened(program, self.ones)
        own, shared = items_of(program, problem)
        outcome: Any = []
        left = jnp.zeros(size, bool)
        for kernel in self.kernels:
            call = _Call(kernel, len(shared), views, weights_at(program))
            shapes, tree = jax.tree.flatten(kernel.shapes)
            results = [*(_many_of(x, size) for x in shapes), jax.ShapeDtypeStruct((size,), np.bool_)]
            *found, more = _native.call(call.key, call, results, *own, *jax.tree.leaves(outcome), *shared)
            outcome, left = jax.tree.unflatten(tree, found), left | more
        return outcome, left


class _Call(NamedTuple):
    """The handler of a call from XLA: it runs one phase of a batch on every core.

    Attributes:
        shared: how many leaves have no data-set axis; they come last.
        views: positions of the others that lack it too: all data sets have the same value.
        weights: the position of the weights.
    """

    kernel: _native.Compiled
    shared: int
    views: tuple[int, ...]
    weights: int

    @property
    def key(self) -> str:
        kernel: Any = self.kernel.kernel
        return hashlib.sha256(
            f"{kernel.name} {self.kernel.leaves} {self.kernel.shapes} {self[1:]}".encode()
        ).hexdigest()

    def __call__(self, operands: list[np.ndarray], results: list[np.ndarray]) -> None:
        *found, left = results
        for i in self.views:
            operands[i] = np.broadcast_to(operands[i], (len(left), *operands[i].shape))
        own = len(operands) - self.shared
        leaves = PhaseLeaves((operands[:own],), operands[own:], operands[self.weights])
        made, more = on_threads(self.kernel, leaves)
        for x, mine in zip(found, jax.tree.leaves(made), strict=True):
            x[...] = mine
        left[:] = more | doubtful(self.kernel, made.status)


def _many_of(x: Array | jax.ShapeDtypeStruct, size: int) -> jax.ShapeDtypeStruct:
    """Return shape and dtype of `size` arrays like x, stacked."""
    return jax.ShapeDtypeStruct((size, *x.shape), x.dtype)


def _widened(program: Program, ones: bool) -> tuple[Program, tuple[int, ...]]:
    """Give weights a data-set axis, and rows too where weights vary; return the program and which leaves share one value.

    A kernel reads the weights of each data set, and replaces its rows of weight 0, so both are its own.
    """
    rows = among(program, (lambda p: p.weights) if ones else with_rows)
    axes = tuple(a or b for a, b in zip(program.axes, rows, strict=True))
    same = [not mine for mine, own in zip(program.axes, axes, strict=True) if own]
    return program._replace(axes=axes), tuple(i for i, x in enumerate(same) if x)


def _kernels(program: Program, problem: Problem, ones: bool) -> _Kernels | None:
    """Compile a program to native kernels; None where a phase cannot be compiled."""
    if problem.weights.dtype != np.float64 or _native.missing("cpu") is not None:
        return None
    size = len(items_of(program, problem)[0][0])

    def functions(program: Program, problem: Problem) -> tuple[_native.Compiled, ...] | None:
        program, views = _widened(program, ones)
        own, shared = items_of(program, problem)
        own = [_many_of(x, size) if i in views else x for i, x in enumerate(own)]
        items: Items = (own,)
        found = []
        for phase in range(ascent_phases(program)):
            kernel = built(program, phase, PhaseLeaves(items, shared, problem.weights), ones, "cpu")
            if isinstance(kernel, str):
                return None
            found.append(kernel)
            items = (own, jax.tree.map(lambda x: _many_of(x, size), kernel.shapes))
        return tuple(found)

    if not starts_with_sweep(program, problem) and (kernels := functions(program, problem)):
        return _Kernels(kernels, False, ones)
    if not starts_itself(program, problem):
        return None
    starts = jax.eval_shape(functools.partial(own_starts, program), *items_of(program, problem))
    kernels = functions(*with_starts(program, problem, starts))
    return None if kernels is None else _Kernels(kernels, True, ones)
