"""Censored data: rows of which only an interval is known, exact, right-, left- and interval-censored data in one form."""

import functools
from typing import Literal, NamedTuple, Protocol

import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Data, Float, Params
from jaxmle._util.records import record
from jaxmle.distributions import Distribution
from jaxmle.model.geometry import Geometry
from jaxmle.model.model import Model
from jaxmle.model.response import Response, Simulate
from jaxmle.models.independent import response_of
from jaxmle.special import log1mexp
from jaxmle.special.elementary import floating

Kinds = Literal["all", "right"]


class Rows(NamedTuple):
    """The kind of each row, bool[n] each; all false where lower > upper or either is NaN."""

    exact: Bool[Array, " n"]
    right: Bool[Array, " n"]
    left: Bool[Array, " n"]
    between: Bool[Array, " n"]
    unknown: Bool[Array, " n"]

    @property
    def legal(self) -> Bool[Array, " n"]:
        """Whether each row has a kind."""
        return self.exact | self.right | self.left | self.between | self.unknown


def kinds_of(lower: Float[Array, " n"], upper: Float[Array, " n"]) -> Rows:
    """Classify each row by the ends of its interval."""
    low, high = jnp.isfinite(lower), jnp.isfinite(upper)
    return Rows(
        exact=low & (lower == upper),
        right=low & (upper == jnp.inf),
        left=high & (lower == -jnp.inf),
        between=low & high & (lower < upper),
        unknown=(lower == -jnp.inf) & (upper == jnp.inf),
    )


def _read(data: Data) -> tuple[Float[Array, " n"], Float[Array, " n"], Rows]:
    lower, upper = floating(data["lower"]), floating(data["upper"])
    return lower, upper, kinds_of(lower, upper)


class Scheme(Protocol):
    """How outcomes are censored: a record that turns drawn outcomes into intervals."""

    def __call__(
        self, t: Float[Array, " n"], lower: Float[Array, " n"], upper: Float[Array, " n"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Censor outcomes t as the rows that show `lower` and `upper` were; return the new ends."""
        ...


@record
class RowByRow:
    """The censoring scheme that each row shows by itself.

    A right-censored row is observed until its `lower`: exact if T comes first, else censored there again. A
    left-censored row is observed from its `upper` on. An interval row is inspected at its two ends: T lies before,
    between or after them. An exact row shows no censoring time, so its new value is exact.
    """

    def __call__(
        self, t: Float[Array, " n"], lower: Float[Array, " n"], upper: Float[Array, " n"]
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        rows = kinds_of(lower, upper)
        new_lower, new_upper = t, t
        late = rows.right & (t > lower) | rows.between & (t > upper)
        new_lower = jnp.where(late, jnp.where(rows.between, upper, lower), new_lower)
        new_upper = jnp.where(late, jnp.inf, new_upper)
        early = rows.left & (t <= upper) | rows.between & (t <= lower)
        new_upper = jnp.where(early, jnp.where(rows.between, lower, upper), new_upper)
        new_lower = jnp.where(early, -jnp.inf, new_lower)
        unchanged = rows.between & (t > lower) & (t <= upper) | rows.unknown
        return jnp.where(unchanged, lower, new_lower), jnp.where(unchanged, upper, new_upper)


@record
class Censored:
    """Rows `{"lower", "upper"}` that show intervals, beside the response's known columns; see `censored`.

    Attributes:
        kinds: which kinds of rows there are; `"right"` stands for exact and right-censored ones.
        scheme: how simulated rows are censored.
    """

    kinds: Kinds = "all"
    scheme: Scheme = RowByRow()

    @property
    def intervals(self) -> bool:
        return True

    def bounds(self, response: Response, data: Data) -> tuple[Data, Data]:
        return data["lower"], data["upper"]

    def contributions(self, response: Response, params: Params, data: Data) -> Float[Array, " n"]:
        d, known = response.distribution, response.known_of(data)
        lower, upper, rows = _read(data)
        # Every branch gets arguments that are legal for it; rows of another kind get a legal one in place of their own.
        a = jnp.where(rows.exact | rows.right | rows.between, lower, jnp.where(rows.left, upper, 1))
        if self.kinds == "right":
            value = jnp.where(rows.exact, d.logpdf(params, a, known), d.logsf(params, a, known))
            value = jnp.where(rows.exact | rows.right, value, -jnp.inf)
            return jnp.where(rows.unknown, 0, value)
        b = jnp.where(rows.between, upper, a)
        middle = a + 0.5 * (b - a)
        density = d.logpdf(params, middle, known)
        ends = jnp.stack([a, b])
        below, above = d.logcdf(params, ends, known), d.logsf(params, ends, known)
        inner = _between(below, above, rows.between)
        if not response.discrete:
            # In a narrow interval a difference of probabilities has lost its digits: density times width.
            small = float(jnp.finfo(a.dtype).eps) ** 0.35
            narrow = rows.between & (b - a < small * jnp.abs(middle))
            inner = jnp.where(narrow, density + jnp.log(jnp.where(narrow, b - a, 1)), inner)
        value = jnp.where(rows.exact, density, jnp.where(rows.right, above[0], jnp.where(rows.left, below[1], inner)))
        return jnp.where(rows.unknown, 0, jnp.where(rows.legal, value, -jnp.inf))

    def possible(self, response: Response, data: Data) -> Bool[Array, " n"]:
        """Tell whether some parameters make each row possible, bool[n]; lower > upper and NaN are not."""
        lower, upper, rows = _read(data)
        known = response.known_of(data)

        def inside(y: Float[Array, " n"]) -> Bool[Array, " n"]:
            return response.support(y, known)

        if response.discrete:
            last, first = jnp.floor(upper), jnp.floor(lower) + 1
            some = inside(last) & (last > lower) | inside(first) & (first <= upper)
            right = inside(jnp.where(rows.right, first, 0)) | (lower < 0)
        else:
            some = inside(upper) | inside(lower) | inside(lower + 0.5 * (upper - lower))
            right = rows.right
        return rows.unknown | rows.exact & inside(lower) | rows.right & right | (rows.left | rows.between) & some

    def show(self, response: Response, y: Data, data: Data) -> Data:
        lower, upper, _ = _read(data)
        lower, upper = self.scheme(y.astype(lower.dtype), lower, upper)
        return {**data, "lower": lower, "upper": upper}


def _between(below: Float[Array, "2 n"], above: Float[Array, "2 n"], rows: Bool[Array, " n"]) -> Float[Array, " n"]:
    """Evaluate log P(a < X <= b) from the log-probabilities of the smaller tail at both ends; -inf in other rows."""
    upper_side = above[0] < below[1]
    more = jnp.where(upper_side, above[0], below[1])
    step = jnp.where(upper_side, above[1], below[0]) - more
    some = rows & (step < 0)
    return jnp.where(some, more + log1mexp(jnp.where(some, step, -1)), -jnp.inf)


@record
class CensoredStart:
    """Start where the distribution does for imputed outcomes: exact ones, midpoints, and censored ones moved outwards."""

    distribution: Distribution

    def __call__(self, data: Data, weights: Float[Array, " n"]) -> Params:
        lower, upper, rows = _read(data)
        x = jnp.where(rows.exact | rows.right, lower, jnp.where(rows.left, upper, jnp.nan))
        x = jnp.where(rows.between, lower + 0.5 * (jnp.where(rows.between, upper, lower) - lower), x)
        used = (weights > 0) & rows.legal & ~rows.unknown
        weights = jnp.where(used, weights, 0)
        # A right-censored row is imputed beyond its time: by the average time so far, times censored rows per event.
        size = jnp.max(jnp.where(used, jnp.abs(x), 0))
        y = jnp.where(used, x, 0) / jnp.where(size > 0, size, 1)
        least = jnp.min(jnp.where(used, y, jnp.inf))
        total, censored = jnp.sum(weights), jnp.sum(jnp.where(rows.right, weights, 0))
        average = jnp.sum(weights * jnp.where(used, y - least, 0)) / jnp.where(total > 0, total, 1)
        more = jnp.minimum(censored / jnp.maximum(total - censored, 1e-3 * total + 1e-30), 30) * average * size
        x = jnp.where(rows.right, x + more, x)
        if self.distribution.discrete:
            x = jnp.where(rows.right, jnp.maximum(jnp.ceil(x), jnp.floor(lower) + 1), jnp.floor(x))
            x = jnp.where(rows.between & (x <= lower), jnp.floor(upper), x)
        return self.distribution.start(x, weights)


@functools.lru_cache(maxsize=256)
def censored(distribution: Distribution, kinds: Kinds = "all") -> Model:
    """Make the model of independent rows of one distribution, each known exactly or to lie in an interval.

    Data are {"lower": f[n], "upper": f[n]}:

    | row | meaning | contribution |
    |---|---|---|
    | lower = upper | exact | log f(x) |
    | upper = inf | right-censored, X > lower | log S(lower) |
    | lower = -inf | left-censored, X <= upper | log F(upper) |
    | else | lower < X <= upper | log(F(upper) - F(lower)) |

    The same for counts. Censoring must carry no information about the lifetime beyond its time.

    Args:
        distribution: a record of `jaxmle.distributions`.
        kinds: `"all"`, or `"right"` where all rows are exact or right-censored: the same numbers from less work
            (others then get -inf). A distribution fitted to such data by name takes it by itself.

    Raises:
        ValueError: for a distribution whose data are a dict (binomial).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxmle import distributions, models
        >>> data = {"lower": jnp.array([1.0, 2.0]), "upper": jnp.array([1.0, jnp.inf])}
        >>> models.censored(distributions.exponential).log_likelihood({"rate": 1.0}, data)
        Array([-1., -2.], dtype=float32)

    Reference: Lawless 2003, *Statistical Models and Methods for Lifetime Data*, 2nd ed., section 2.2.
    """
    if distribution.columns:
        raise ValueError(
            f"censored: {distribution.name} has data {set(distribution.columns)}, which cannot be censored; "
            "use a distribution of one response, such as weibull, or models.iid"
        )
    response = response_of(distribution, Censored(kinds))
    return Model(
        response,
        distribution.space,
        start=CensoredStart(distribution),
        simulate=Simulate(response),
        name=f"censored {distribution.name}",
        # All else, the expected information too, is of rows fully observed.
        geometry=Geometry(regular=distribution.geometry.regular),
    )
