"""The Bartlett identities by simulation, and the sign of the curvature; float64 must be on."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, Data, Float, Int, Params
from jaxmle._util.compile import compiled
from jaxmle.checks.exact import Case, numpy, row_count, take
from jaxmle.checks.report import Row, row
from jaxmle.checks.trace import failure_in_words
from jaxmle.model.model import Model
from jaxmle.model.objective import Objective
from jaxmle.model.observations import bare, for_model, marked_as

_REPLICATES = 400
_ROWS = 100
_ERRORS = 5.0


def check_bartlett(case: Case) -> list[Row]:
    """Check E[score] = 0 and E[score score'] = information at params, within five Monte-Carlo errors.

    Bartlett 1953, *Biometrika* 40, 12-19. Unconstrained coordinates: on a simplex the natural ones do not vary freely.
    """
    model = case.model
    names = ("mean score is zero", "information equality")
    if model.simulate is None:
        text = "the model cannot simulate; give Model(simulate=(key, params, data) -> data) to test this identity"
        return [row(name, "skipped", text) for name in names]
    if model.free == 0:
        return [row(name, "skipped", "no free parameter") for name in names]
    data = take(case.data, np.arange(min(case.n, _ROWS)))
    try:
        trial = jax.eval_shape(model.simulate, case.key, case.params, bare(data))
        expected = jax.eval_shape(lambda x: x, bare(data))
        same = jax.tree.structure(trial) == jax.tree.structure(expected) and all(
            a.shape == b.shape for a, b in zip(jax.tree.leaves(trial), jax.tree.leaves(expected), strict=True)
        )
        if not same:
            text = (
                f"simulate returned {trial}; expected data of the same structure and shapes as it was given, {expected}"
            )
            return [row("simulate", "fail", text)]
        u = jax.tree.map(jnp.asarray, model.inverse(case.params))
        score, opg, information = (np.asarray(x) for x in _simulated_derivatives(model, u, case.params, data, case.key))
    except Exception as error:
        return [
            row(
                "simulate", "fail", f"simulate or the log-likelihood of simulated data fails: {failure_in_words(error)}"
            )
        ]
    usable = np.all(np.isfinite(score), axis=1) & np.all(np.isfinite(information), axis=(1, 2))
    if not np.all(usable):
        text = f"{np.sum(~usable)} of {_REPLICATES} simulated data sets give derivatives that are not finite"
        return [row("simulate", "fail", f"{text}: does simulate draw inside the support?")]
    coordinates = model.coordinate_names
    z = _errors(score)
    k = int(np.argmax(np.abs(z)))
    if abs(z[k]) > _ERRORS:
        text = (
            f"the mean score of {coordinates[k]} over {_REPLICATES} simulated data sets is {score[:, k].mean():.4g}, "
            f"{_times(z[k])} Monte-Carlo errors from 0: simulate and log_likelihood describe different models, or a "
            "normalizing term that depends on this parameter is missing"
        )
        first = row(names[0], "fail", text)
    else:
        first = row(
            names[0], "pass", f"within {abs(z[k]):.1f} Monte-Carlo errors of 0 ({_REPLICATES} simulated data sets)"
        )
    z = _errors(opg - information)
    i, j = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    pair = f"({coordinates[i]}, {coordinates[j]})"
    if abs(z[i, j]) > _ERRORS:
        text = (
            f"entry {pair}: the mean outer product of scores is {opg[:, i, j].mean():.4g}, the mean information "
            f"{information[:, i, j].mean():.4g}, {_times(z[i, j])} Monte-Carlo errors apart: the contributions are "
            "not log-densities of what simulate draws (a factor, a missing normalizing term, rows that depend on each "
            "other)"
        )
        second = row(names[1], "fail", text)
    else:
        second = row(
            names[1], "pass", f"outer product of scores and information agree within {abs(z[i, j]):.1f} errors"
        )
    return [first, second, *_information(case, data, information)]


def _information(case: Case, data: Data, information: Float[np.ndarray, "R p p"]) -> list[Row]:
    """Check the model's own expected information against the mean of the simulated one."""
    model, name = case.model, "expected information"
    if model.geometry.information is None:
        return []
    n, p = row_count(data), len(case.flat)
    try:
        shape = jax.eval_shape(model.geometry.information, case.params, for_model(model, data)).shape
        if shape != (n, p, p):
            return [row(name, "fail", f"information has shape {list(shape)}; expected [n, p, p] = [{n}, {p}, {p}]")]
        own = np.asarray(Objective(model, for_model(model, data), jnp.ones(n)).expected(model.inverse(case.params)))
    except Exception as error:
        return [row(name, "fail", f"information(params, data) fails: {failure_in_words(error)}")]
    z = _errors(information - own)
    i, j = np.unravel_index(np.argmax(np.abs(z)), z.shape)
    pair = f"({model.coordinate_names[i]}, {model.coordinate_names[j]})"
    # Where the simulated information does not vary at all, rounding is all that may differ.
    gap = abs(information[:, i, j].mean() - own[i, j])
    if abs(z[i, j]) > _ERRORS and gap > 1e-8 * np.sqrt(abs(own[i, i] * own[j, j])):
        text = f"entry {pair}: information gives {own[i, j]:.6g}, simulation {information[:, i, j].mean():.6g}"
        return [row(name, "fail", f"{text} (unconstrained coordinates; give it per row, in natural parameters)")]
    return [row(name, "pass", "agrees with the mean of the simulated information")]


@compiled
def _simulated_derivatives(
    model: Model, u: Params, params: Params, data: Data, key: Array
) -> tuple[Float[Array, "R p"], Float[Array, "R p p"], Float[Array, "R p p"]]:
    """Simulate data sets at params, and compute score, outer product of scores and information at u for each."""
    flat, unravel = ravel_pytree(u)

    def one(i: Int[Array, ""]) -> tuple[Array, Array, Array]:
        assert model.simulate is not None  # `check_bartlett` skips the test of such a model
        new = model.simulate(jax.random.fold_in(key, i), params, bare(data))
        drawn = for_model(model, marked_as(data, new))

        def each(x: Float[Array, " p"]) -> Float[Array, " n"]:
            return model.log_likelihood(model.forward(unravel(x)), drawn)

        scores = jax.jacfwd(each)(flat)
        information = -jax.jacfwd(jax.grad(lambda x: jnp.sum(each(x))))(flat)
        return scores.sum(0), scores.T @ scores, information

    return jax.lax.map(one, jnp.arange(_REPLICATES), batch_size=50)


def _errors(x: Float[np.ndarray, "R ..."]) -> Float[np.ndarray, "..."]:
    """Divide the mean over the first axis by its Monte-Carlo error; a mean of rounding size is 0."""
    spread = x.std(0, ddof=1) / np.sqrt(len(x))
    floor = 1e-9 * np.max(np.abs(x), initial=0.0)
    return np.where(np.abs(x.mean(0)) > floor, x.mean(0) / np.maximum(spread, 1e-300), 0.0)


def _times(z: float) -> str:
    return f"{abs(z):.0f}" if abs(z) < 1000 else "more than 1000"


@compiled
def _information_at(model: Model, u: Params, data: Data, weights: Float[Array, " n"]) -> Float[Array, "p p"]:
    return Objective(model, for_model(model, data), weights).information(u)


def check_sign(case: Case, points: list[Float[np.ndarray, " p"]]) -> Row:
    """Check the sign: a log-likelihood that curves upwards in every direction is likely the negative one."""
    name = "sign"
    if case.model.free == 0:
        return row(name, "skipped", "no free parameter")
    upward = []
    for x in points[:3]:
        m = numpy(_information_at(case.model, case.model.inverse(case.at(x)), case.data, case.weights))
        scale = np.sqrt(np.abs(np.diag(m)))
        if not np.all(np.isfinite(m)) or np.any(scale == 0):
            return row(name, "skipped", "the curvature vanishes in some direction")
        upward.append(bool(np.all(np.linalg.eigvalsh(m / np.outer(scale, scale)) < -1e-8)))
    if all(upward):
        text = (
            "the log-likelihood curves upwards in every direction at params and nearby: is it the negative "
            "log-likelihood? jaxmle maximizes; return the log-likelihood itself"
        )
        return row(name, "warn", text)
    return row(name, "pass", "the log-likelihood curves downwards, as near a maximum")
