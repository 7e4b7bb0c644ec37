"""Independent, identically distributed rows."""

import functools
from typing import Any

from jaxmle._util.records import record
from jaxmle.distributions import Distribution
from jaxmle.model.model import Model


@record
class IID:
    """Contributions of fully observed rows: `distribution.logpdf(params, data)`."""

    distribution: Distribution

    def __call__(self, params: Any, data: Any) -> Any:
        return self.distribution.logpdf(params, data)

    def support(self, data: Any) -> Any:
        """Whether each row is possible under some parameters, bool[n]."""
        return self.distribution.support(data)


@record
class SimulateIID:
    """Draws new data of the same shape; further columns (trials) are kept."""

    distribution: Distribution

    def __call__(self, key: Any, params: Any, data: Any) -> Any:
        return draw(self.distribution, key, params, data)


def draw(distribution: Distribution, key: Any, params: Any, data: Any) -> Any:
    """A sample with the shape of `data`; where data are a dict, only the response column is drawn."""
    if not distribution.columns:
        return distribution.sample(key, params, data.shape[: data.ndim - distribution.event])
    response, *known = distribution.columns
    shape = data[response].shape[: data[response].ndim - distribution.event]
    new = distribution.sample(key, params, shape, **{name: data[name] for name in known})
    return {**data, response: new}


@functools.lru_cache(maxsize=256)
def iid(distribution: Distribution) -> Model:
    """Independent rows of one distribution.

    log_likelihood(params, x)[i] = log f(x_i; params).

    Args:
        distribution: a record of `jaxmle.distributions`. Data are x[n], or a dict of its `columns`.

    Example:
        >>> from jaxmle import distributions, models
        >>> models.iid(distributions.normal).names
        ['loc', 'scale']
    """
    return Model(
        IID(distribution),
        distribution.space,
        start=distribution.start,
        simulate=SimulateIID(distribution),
        name=distribution.name,
        geometry=distribution.geometry,
    )
