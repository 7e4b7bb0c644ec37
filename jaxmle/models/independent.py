"""Models of independent, identically distributed rows."""

import functools

import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Params
from jaxmle._util.records import record
from jaxmle.distributions import Distribution, by_name
from jaxmle.model.model import Model
from jaxmle.model.response import Exact, Known, Observation, Response, Simulate


@record
class Plain:
    """A distribution whose parameters are the model's own; of the known columns it takes those that it names (trials)."""

    of: Distribution

    @property
    def has_mean(self) -> bool:
        return self.of.mean is not None

    def logpdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        return self.of.logpdf(params, self._x(y, known))

    def logcdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        return self.of.logcdf(params, self._x(y, known))

    def logsf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        return self.of.logsf(params, self._x(y, known))

    def quantile(self, params: Params, q: ArrayLike, known: Known) -> Float[Array, " n"]:
        return self.of.quantile(params, q, **self._own(known))

    def sample(self, key: Array, params: Params, shape: tuple[int, ...], known: Known) -> Data:
        return self.of.sample(key, params, shape, **self._own(known))

    def mean(self, params: Params, known: Known) -> Array:
        if self.of.mean is None:
            raise TypeError(f"the mean of {self.of.name} is not known: give Distribution(mean=params -> f[])")
        return self.of.mean(params, **self._own(known))

    def support(self, y: Data, known: Known) -> Bool[Array, " n"]:
        return self.of.support(self._x(y, known))

    def range(self, known: Known) -> tuple[ArrayLike, ArrayLike]:
        """Give the ends of the support, found by asking at a few points; counts out of trials reach from 0 to the trials."""
        if self.of.columns:
            return 0.0, known[self.of.columns[1]]
        if bool(self.of.support(jnp.asarray(-1.0))):
            return -jnp.inf, jnp.inf
        return 0.0, jnp.inf if bool(jnp.any(self.of.support(jnp.array([1.5, 2.0, 3.0])))) else 1.0

    def _own(self, known: Known) -> dict[str, ArrayLike]:
        return {name: known[name] for name in self.of.columns[1:]}

    def _x(self, y: Data, known: Known) -> Data:
        return {**self._own(known), self.of.columns[0]: y} if self.of.columns else y


def response_of(distribution: Distribution, observation: Observation = Exact()) -> Response:  # noqa: B008
    """Make the response of rows of one distribution."""
    d = distribution
    return Response(Plain(d), observation, d.columns[:1], d.columns[1:], d.discrete, d.event, d.name, d.period)


@functools.lru_cache(maxsize=256)
def iid(distribution: Distribution | str) -> Model:
    """Make the model of independent rows of one distribution.

    log_likelihood(params, x)[i] = log f(x_i; params).

    Args:
        distribution: a record of `jaxmle.distributions`, or its name. Data are x[n], or a dict of its `columns`.

    Example:
        >>> from jaxmle import distributions, models
        >>> models.iid(distributions.normal).names
        ['loc', 'scale']
    """
    distribution = by_name(distribution) if isinstance(distribution, str) else distribution
    response = response_of(distribution)
    return Model(
        response,
        distribution.space,
        start=distribution.start,
        simulate=Simulate(response),
        name=distribution.name,
        geometry=distribution.geometry,
    )
