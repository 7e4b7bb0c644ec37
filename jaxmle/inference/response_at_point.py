"""Functions of a fitted response at one point, for `_engine.evaluate`: density, probabilities, quantiles and mean."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, Float, Params
from jaxmle._util.records import record
from jaxmle.inference.at_point import Point, Unravel
from jaxmle.model.objective import Objective
from jaxmle.model.response import Response


def _fitted(objective: Objective, unravel: Unravel) -> tuple[Response, Callable[[Point], Params]]:
    """Return the response of an objective's model, and its params as a function of flat coordinates."""
    response = objective.model.response
    assert response is not None  # `response_of` refuses before anything is compiled
    return response, lambda x: objective.model.forward(unravel(x))


def _linked(function: Callable[[Point], tuple[Array, Array]], u: Point) -> Float[Array, "m 2+p"]:
    """Evaluate a function's value, its link and the link's derivatives at u, f[m, 2 + p]."""
    value, link = function(u)
    slope = jax.jacfwd(lambda x: function(x)[1])(u)
    return jnp.concatenate([value[:, None], link[:, None], slope], axis=1)


def density(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "m 2+p"]:
    """Compute the density, its logarithm (of counts its logit) and the derivatives of that, f[m, 2 + p]."""
    response, params = _fitted(objective, unravel)
    y, known = response.split(objective.data)

    def both(x: Point) -> tuple[Array, Array]:
        log = response.logpdf(params(x), y, known)
        return jnp.exp(log), log - jnp.log(-jnp.expm1(log)) if response.discrete else log

    return _linked(both, u)


@record
class Tail:
    """The probability P(X > x), if `upper`, or P(X <= x), with its logit and the logit's derivatives, f[m, 2 + p]."""

    upper: bool

    def __call__(self, objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "m 2+p"]:
        response, params = _fitted(objective, unravel)
        y, known = response.split(objective.data)
        tail, other = (response.logsf, response.logcdf) if self.upper else (response.logcdf, response.logsf)

        def both(x: Point) -> tuple[Array, Array]:
            log = tail(params(x), y, known)
            return jnp.exp(log), log - other(params(x), y, known)

        return _linked(both, u)


def quantile(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "m 1+p"]:
    """Compute the quantile x(q) and dx/du = -(dF/du) / f, from whichever tail is smaller, f[m, 1 + p]."""
    response, params = _fitted(objective, unravel)
    q, known = objective.data["q"], response.known_of(objective.data)
    x = response.quantile(params(u), q, known)
    if response.discrete:
        return jnp.concatenate([x[:, None], jnp.full((x.shape[0], u.shape[0]), jnp.nan, x.dtype)], axis=1)
    below = jax.jacfwd(lambda v: response.logcdf(params(v), x, known))(u)
    above = jax.jacfwd(lambda v: response.logsf(params(v), x, known))(u)
    upper = (q > 0.5)[:, None]
    log_tail = jnp.where(upper, jnp.log1p(-q)[:, None], jnp.log(q)[:, None])
    slope = jnp.where(upper, above, -below) * jnp.exp(log_tail - response.logpdf(params(u), x, known)[:, None])
    return jnp.concatenate([x[:, None], slope], axis=1)


def expectation(objective: Objective, u: Point, unravel: Unravel) -> Float[Array, "m 1+p"]:
    """Compute E X and its derivatives, f[m, 1 + p]."""
    response, params = _fitted(objective, unravel)
    m, known = objective.weights.shape[0], response.known_of(objective.data)

    def expected(x: Point) -> Float[Array, " m"]:
        return jnp.broadcast_to(response.mean(params(x), known), (m,))

    return jnp.concatenate([expected(u)[:, None], jax.jacfwd(expected)(u)], axis=1)
