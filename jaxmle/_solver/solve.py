"""One fit or many as traced programs: a loop over the phases' steps, or lanes, then the settling of fits without a certificate."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxmle._solver import lanes
from jaxmle._solver.charts import settle_in_params
from jaxmle._solver.lanes import D, R, S
from jaxmle._solver.limits import unsettled
from jaxmle._solver.phases import SETTLE, phases, policies
from jaxmle._solver.problem import Item, Problem, Program, builder, objective_of, one_phase
from jaxmle._solver.state import Outcome
from jaxmle._util.arrays import Array, ArrayLike, Bool, Int


def solve_one(program: Program, problem: Problem[Array]) -> Outcome[Array]:
    """Fit one problem by a loop over `step`; fits without a certificate then need `settle_one`."""

    def loop(policy: lanes.Policy[S, D, R], item: D) -> R:
        state = lax.while_loop(lambda s: ~policy.done(s), lambda s: policy.step(s, item), policy.begin(item))
        return policy.end(state, item)

    ascent, certify = policies(program, lambda item: item[0])
    outcome = loop(ascent, (problem,))
    if not one_phase(program):
        outcome = loop(certify, (problem, outcome))
    return outcome


def settle_one(program: Program, problem: Problem[Array], outcome: Outcome[Array]) -> Outcome[Array]:
    """Settle an outcome without a certificate; return any other unchanged."""

    def settle() -> Outcome[Array]:
        objective = objective_of(program.skeleton, problem)
        _, unravel = ravel_pytree(objective.model.origin(objective.weights.dtype))
        return settle_in_params(objective, outcome, unravel, problem.tolerance, problem.max_steps)

    return lax.cond(unsettled(outcome), settle, lambda: outcome)


def solve_many(program: Program, own: list[Array], shared: Sequence[ArrayLike]) -> Outcome[Array]:
    """Fit many problems in one traced program by lanes, leaves [B, ...] in and out; `settle_many` comes after."""
    items: Item = (own,)
    outcome: Any = None  # of the last phase; of an ascent that another phase certifies its state
    for policy in phases(program, shared)[:SETTLE]:
        outcome = lanes.run(policy, items, program.lanes)
        items = (own, outcome)
    return outcome


def settle_many(
    program: Program,
    own: list[Array],
    shared: Sequence[ArrayLike],
    outcome: Outcome[Array],
    left: Bool[Array, " B"] | None = None,
) -> Outcome[Array]:
    """Settle the fits of a batch one after the other, those `left` after fitting them; without cost where every fit converged.

    Args:
        left: the data sets without an outcome, bool[B]; None where there is none.
    """
    build = builder(program, shared)
    waits = unsettled(outcome) if left is None else left | unsettled(outcome)
    order = jnp.argsort(~waits, stable=True)

    def one(k: Int[Array, ""], outcome: Outcome[Array]) -> Outcome[Array]:
        at = order[k]
        problem, found = build(([x[at] for x in own],)), jax.tree.map(lambda x: x[at], outcome)
        if left is not None:
            found = lax.cond(left[at], lambda: solve_one(program, problem), lambda: found)
        found = settle_one(program, problem, found)
        return jax.tree.map(lambda all_, x: all_.at[at].set(x), outcome, found)

    return lax.fori_loop(0, jnp.sum(waits), one, outcome)
