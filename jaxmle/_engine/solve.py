"""`solve`: the one function that makes fits happen. A model, a batch and a plan in, a `Solution` out."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from jaxmle._engine import mixed_precision, run
from jaxmle._engine.batch import Batch
from jaxmle._engine.build import check_model, of_bucket, tolerance_of, unread
from jaxmle._engine.devices import worker_devices
from jaxmle._engine.memory import width
from jaxmle._engine.multistart import check_starts, multistart
from jaxmle._engine.plan import Lanes, Plan
from jaxmle._engine.retry import retry
from jaxmle._engine.solution import Report, Solution
from jaxmle._solver.state import Outcome
from jaxmle._solver.status import Status
from jaxmle._solver.verdict import number_of
from jaxmle._util.compile import in_float64
from jaxmle._util.progress import Progress
from jaxmle._util.version import __version__
from jaxmle.model.model import Model


@in_float64
def solve(model: Model, batch: Batch, plan: Plan) -> Solution:
    """Fit every data set of a batch by a plan: ascend, certify, settle, try again, try further starts.

    Profiles, contours, bootstraps, simulations and refits call this with another batch (`batch.reweighted(w)`,
    `batch.take(i)`, `batch.repeated(k)`) or another plan (`plan.warm(params)`, `plan.once()`).

    Args:
        model: pinned values may carry a leading data-set axis.
        batch: at least one data set.
        plan: how.

    Returns:
        a `Solution`; where an interrupt came, what was not run by then says so in its status.

    Raises:
        TypeError, ValueError: for a model, a start or limits that break the contract.
    """
    began = time.perf_counter()
    mixed_precision.check_precision(plan.precision, plan.dtype)
    check_starts(plan.starts)
    solution = _ascended(model, batch, plan)
    if not solution.report.interrupted:
        solution = _with_unread(multistart(retry(solution, plan, _ascended), plan, _ascended), plan)
    report = solution.report._replace(seconds=time.perf_counter() - began)
    return dataclasses.replace(solution, options=_options(plan), report=report)


def _with_unread(solution: Solution, plan: Plan) -> Solution:
    """Call fits not identified, along the parameters that never enter the log-likelihood: no fit of these is a maximum."""
    outcome = solution.outcome
    ended = np.isin(outcome.status, (*_FLAT_ENDS, Status.NOT_IDENTIFIED))
    if not ended.all() or solution.model.response is not None or solution.model.geometry.closed_form is not None:
        return solution
    where = unread(solution.model, solution.batch, plan)
    if not where.any():
        return solution
    status = np.full_like(outcome.status, Status.NOT_IDENTIFIED)
    rule = np.full_like(outcome.rule, number_of("flat ridge"))
    u = np.where(where & np.isinf(outcome.u), 0.0, outcome.u).astype(outcome.u.dtype)
    direction = np.broadcast_to(where, u.shape).astype(u.dtype)
    return dataclasses.replace(solution, outcome=outcome._replace(u=u, status=status, rule=rule, direction=direction))


_FLAT_ENDS = (Status.MAX_STEPS, Status.STALLED, Status.AT_INFINITY, Status.AT_BOUNDARY)
"Where an ascent may end along a parameter that changes nothing."


def _ascended(model: Model, batch: Batch, plan: Plan) -> Solution:
    """Fit every data set once, bucket by bucket."""
    if batch.size == 1 and plan.precision == "full" and not isinstance(plan.backend, Lanes):
        program, problem = of_bucket(model, batch, batch.buckets[0], plan)
        check_model(program, problem)
        outcome, report = run.run_one(program, problem, plan, batch.numbers)
        return Solution(model, batch, outcome, report=report)
    devices = worker_devices(plan.devices, batch.numbers)
    shown = Progress(plan.progress, batch.size)
    fit_bucket = mixed_precision.run_bucket if plan.precision == "mixed" else run.run_bucket
    parts: list[Outcome] = []
    report, drafted = Report(), 0
    for bucket in batch.buckets:
        count, n = bucket.weights.shape
        lanes = width(plan.backend, count, n, len(devices))
        program, problem = of_bucket(model, batch, bucket, plan, lanes)
        check_model(program, problem)
        outcome, report = fit_bucket(program, problem, plan, devices, shown, report.interrupted)
        drafted += report.drafted or 0
        parts.append(outcome)
    shown.close()
    if plan.precision == "mixed":
        report = report._replace(drafted=drafted)
    return Solution(model, batch, batch.gathered(parts), report=report)


def _options(plan: Plan) -> dict[str, Any]:
    """Describe versions, device and plan, for `Fit.info`."""
    device = jax.devices()[0]
    return {
        "jaxmle": __version__,
        "jax": jax.__version__,
        "device": f"{device.platform}: {device.device_kind}",
        "dtype": str(np.dtype(plan.dtype)),
        "tolerance": float(tolerance_of(plan)),
        "optimizer": plan.optimizer_name,
        "max_steps": plan.max_steps,
        "retries": plan.retries,
        "precision": plan.precision,
    }
