"""Response: the distribution of a row's outcome given the parameters and its known columns, and how data show it.

A model made from distributions carries a `Response`. Whoever needs to know what such a model is (prediction, residuals,
simulation, pictures, files, comparison, the explorer, the command line) asks it, and nothing else.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Params
from jaxmle._util.records import record

Known = Mapping[str, ArrayLike]
"Known columns by name, f[n, ...] each or one value for all rows: trials, covariates, times of entry."


class ConditionalDistribution(Protocol):
    """The distribution of one row's outcome y given params and the row's known columns.

    A record of pure functions. Params and known columns hold one value for all rows or one for each: they broadcast
    against y f[n]. Of the known columns each takes those that it names. A combinator is another such record, around those
    that it combines.
    """

    @property
    def has_mean(self) -> bool:
        """Whether `mean` is known."""
        ...

    def logpdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate the log-density, or log-mass of counts, f[n]; -inf outside the support, all constants kept."""
        ...

    def logcdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate log P(Y <= y), f[n]."""
        ...

    def logsf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate log P(Y > y), f[n]."""
        ...

    def quantile(self, params: Params, q: ArrayLike, known: Known) -> Float[Array, " n"]:
        """Find the least y with P(Y <= y) >= q, f[n]."""
        ...

    def sample(self, key: Array, params: Params, shape: tuple[int, ...], known: Known) -> Data:
        """Draw outcomes at random, one for each row of `shape`."""
        ...

    def mean(self, params: Params, known: Known) -> Array:
        """Evaluate the expectation of the outcome; NaN where it does not exist or is infinite."""
        ...

    def support(self, y: Data, known: Known) -> Bool[Array, " n"]:
        """Tell whether some parameters make y possible, bool[n]."""
        ...

    def range(self, known: Known) -> tuple[ArrayLike, ArrayLike]:
        """Give the ends between which outcomes lie under all parameters; -inf and inf where there is none."""
        ...


class Observation(Protocol):
    """How the rows of data show outcomes: exactly, or as intervals that contain them.

    A record of pure functions; truncation, rounding and other censoring are further ones, around these.
    """

    @property
    def intervals(self) -> bool:
        """Whether a row may show an interval in place of its outcome."""
        ...

    def bounds(self, response: "Response", data: Data) -> tuple[Data, Data]:
        """Give the lower and upper end of what each row shows, its outcome in (lower, upper]; equal where it is exact."""
        ...

    def contributions(self, response: "Response", params: Params, data: Data) -> Float[Array, " n"]:
        """Evaluate the log-probability of what each row shows, f[n]; of an exact row the log-density."""
        ...

    def possible(self, response: "Response", data: Data) -> Bool[Array, " n"]:
        """Tell whether some parameters make each row possible, bool[n]."""
        ...

    def recipe(self) -> dict[str, Any]:
        """Describe the record by what JSON holds, as further arguments of the function of `models` that makes it."""
        ...

    def show(self, response: "Response", key: Array, params: Params, y: Data, data: Data) -> Data:
        """Make data that show outcomes y, drawn under params, as a study like that of `data`; known columns are kept."""
        ...


@record
class Exact:
    """Rows that show their outcomes."""

    @property
    def intervals(self) -> bool:
        return False

    def bounds(self, response: "Response", data: Data) -> tuple[Data, Data]:
        y, _ = response.split(data)
        return y, y

    def contributions(self, response: "Response", params: Params, data: Data) -> Float[Array, " n"]:
        return response.logpdf(params, *response.split(data))

    def possible(self, response: "Response", data: Data) -> Bool[Array, " n"]:
        return response.support(*response.split(data))

    def recipe(self) -> dict[str, Any]:
        return {}

    def show(self, response: "Response", key: Array, params: Params, y: Data, data: Data) -> Data:
        return response.join(y, data)


@record
class Response:
    """What a row of a model's data is. Called with `(params, data)` it gives the contributions: it is a log-likelihood.

    Params are the natural ones, whole: a model whose parameters are pinned or tied has the response of the free model.

    Attributes:
        distribution: of the outcome given params and known columns.
        observation: how data show the outcomes.
        outcome: names of the outcome's columns, `()` where the outcome is an array by itself. Of one column y is its
            array, of several a dict of them.
        known: names of the columns that the distribution is conditional on.
        discrete: whether outcomes are counts.
        event: how many axes one outcome has: 0 for numbers, 1 for vectors, 2 for matrices.
        period: of outcomes that are angles, 0 for others.
        name: of the distribution among `jaxmle.distributions`, or of the user's own; empty where it has none.

    Example:
        >>> import jaxmle as jm
        >>> response = jm.models.iid(jm.distributions.binomial).response
        >>> response.outcome, response.known, response.discrete
        (('successes',), ('trials',), True)
        >>> round(float(response.mean({"probability": 0.25}, {"trials": 8})), 6)
        2.0
    """

    distribution: ConditionalDistribution
    observation: Observation = Exact()
    outcome: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    discrete: bool = False
    event: int = 0
    name: str = ""
    period: float = 0.0

    def __post_init__(self) -> None:
        if self.known and not self.outcome:
            raise ValueError(
                f"Response: the known columns {', '.join(self.known)} need an outcome with a name beside them, such as "
                "outcome=('y',)"
            )

    # --- rows ------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of exact rows, those of the outcome first."""
        return self.outcome + self.known

    @property
    def univariate(self) -> bool:
        """Whether an outcome is one number, so that it has a distribution function and quantiles."""
        return self.event == 0 and len(self.outcome) <= 1

    @property
    def intervals(self) -> bool:
        """Whether a row may show an interval in place of its outcome."""
        return self.observation.intervals

    def split(self, x: Data) -> tuple[Data, Known]:
        """Split exact rows into outcome and known columns."""
        if not self.outcome:
            return x, {}
        self._check_columns(x, self.columns)
        y = {name: x[name] for name in self.outcome}
        return y if len(y) > 1 else x[self.outcome[0]], self.known_of(x)

    def join(self, y: Data, known: Known) -> Data:
        """Join outcome and known columns to exact rows: the inverse of `split`; further columns of `known` are kept."""
        if not self.outcome:
            return y
        return {**known, **(y if len(self.outcome) > 1 else dict.fromkeys(self.outcome, y))}

    def known_of(self, data: Data) -> Known:
        """Select the known columns of data."""
        self._check_columns(data, self.known)
        return {name: data[name] for name in self.known}

    def _check_columns(self, data: Data, needed: tuple[str, ...]) -> None:
        if needed and (not isinstance(data, Mapping) or any(name not in data for name in needed)):
            given = sorted(data) if isinstance(data, Mapping) else type(data).__name__
            raise TypeError(
                f"a distribution of {', '.join(needed)} needs data with these columns, got {given}; name them alike"
            )

    def before(self, y: Data) -> Data:
        """Give the greatest outcome below y where outcomes are counts, else y itself: P(before < Y <= y) is the step at y."""
        return y - 1.0 if self.discrete else y

    # --- the distribution of an outcome ----------------------------------------------------------------------

    def logpdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate the log-density, or log-mass of counts, f[n]."""
        return self.distribution.logpdf(params, y, known)

    def logcdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate log P(Y <= y), f[n]."""
        return self.distribution.logcdf(params, y, known)

    def logsf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        """Evaluate log P(Y > y), f[n]."""
        return self.distribution.logsf(params, y, known)

    def quantile(self, params: Params, q: ArrayLike, known: Known) -> Float[Array, " n"]:
        """Find the least y with P(Y <= y) >= q, f[n]."""
        return self.distribution.quantile(params, q, known)

    def sample(self, key: Array, params: Params, shape: tuple[int, ...], known: Known) -> Data:
        """Draw outcomes at random, one for each row of `shape`."""
        return self.distribution.sample(key, params, shape, known)

    @property
    def has_mean(self) -> bool:
        """Whether the expectation is known."""
        return self.distribution.has_mean

    def mean(self, params: Params, known: Known) -> Array:
        """Evaluate the expectation of the outcome; NaN where it does not exist or is infinite."""
        return self.distribution.mean(params, known)

    def support(self, y: Data, known: Known) -> Bool[Array, " n"]:
        """Tell whether some parameters make the outcome y possible, bool[n]."""
        return self.distribution.support(y, known)

    def range(self, known: Known) -> tuple[ArrayLike, ArrayLike]:
        """Give the ends between which outcomes lie under all parameters; -inf and inf where there is none."""
        return self.distribution.range(known)

    # --- data ------------------------------------------------------------------------------------------------

    def __call__(self, params: Params, data: Data) -> Float[Array, " n"]:
        """Evaluate the log-likelihood contribution of each row, f[n]."""
        return self.observation.contributions(self, params, data)

    def possible(self, data: Data) -> Bool[Array, " n"]:
        """Tell whether some parameters make each row possible, bool[n]."""
        return self.observation.possible(self, data)

    def bounds(self, data: Data) -> tuple[Data, Data]:
        """Give the lower and upper end of what each row shows, its outcome in (lower, upper]; equal where it is exact."""
        return self.observation.bounds(self, data)


_SHOWN = 0x5C4E  # apart from the keys that a sampler makes of its own


@record
class Simulate:
    """Draw outcomes from a response's distribution and show them as the rows of the data show theirs."""

    response: Response

    def __call__(self, key: Array, params: Params, data: Data) -> Data:
        r = self.response
        lower, _ = r.bounds(data)
        column = lower[r.outcome[0]] if len(r.outcome) > 1 else lower
        shape = jnp.shape(column)[: jnp.ndim(column) - r.event]
        y = r.sample(key, params, shape, r.known_of(data))
        return r.observation.show(r, jax.random.fold_in(key, _SHOWN), params, y, data)
