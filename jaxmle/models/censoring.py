"""Censored data: rows of which only an interval is known, exact, right-, left- and interval-censored data in one form."""

import functools
from typing import Any, Literal

import jax.numpy as jnp

from jaxmle._util.arrays import Array, Bool, Data, Float, Params
from jaxmle._util.records import record
from jaxmle.distributions import Distribution, by_name
from jaxmle.model.geometry import Geometry
from jaxmle.model.model import Model
from jaxmle.model.response import Response, Simulate
from jaxmle.models.censoring_schemes import Ends, Estimated, Rows, Scheme, kinds_of, words_of
from jaxmle.models.independent import response_of
from jaxmle.special import log1mexp
from jaxmle.special.elementary import floating

Kinds = Literal["all", "right"]


def _read(data: Data) -> tuple[Float[Array, " n"], Float[Array, " n"], Rows]:
    lower, upper = floating(data["lower"]), floating(data["upper"])
    return lower, upper, kinds_of(lower, upper)


@record
class Censored:
    """Rows `{"lower", "upper"}` that show intervals, beside the response's known columns; see `censored`.

    Attributes:
        kinds: which kinds of rows there are; `"right"` stands for exact and right-censored ones.
        scheme: how simulated rows are censored.
    """

    kinds: Kinds = "all"
    scheme: Scheme = Estimated()

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

    def recipe(self) -> dict[str, Any]:
        words = words_of(self.scheme)
        return {"kinds": self.kinds} | ({} if words is None else {"scheme": words})

    def show(self, response: Response, key: Array, params: Params, y: Data, data: Data) -> Data:
        lower, upper, _ = _read(data)
        log_probability = self.contributions(response, params, data)
        lower, upper = self.scheme(key, y.astype(lower.dtype), Ends(lower, upper), log_probability)
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
def _censored(distribution: Distribution, kinds: Kinds, scheme: Scheme | None) -> Model:
    response = response_of(distribution, Censored(kinds, scheme or Estimated(right_only=kinds == "right")))
    return Model(
        response,
        distribution.space,
        start=CensoredStart(distribution),
        simulate=Simulate(response),
        name=f"censored {distribution.name}",
        # All else, the expected information too, is of rows fully observed.
        geometry=Geometry(regular=distribution.geometry.regular),
    )


def censored(distribution: Distribution | str, kinds: Kinds = "all", scheme: Scheme | None = None) -> Model:
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
        distribution: a record of `jaxmle.distributions`, or its name.
        kinds: `"all"`, or `"right"` where all rows are exact or right-censored: the same numbers from less work
            (others then get -inf). A distribution fitted to such data by name takes it by itself.
        scheme: how simulated rows are censored: `models.EndOfStudy(time)`, `models.Inspections(times)`, or a record of
            your own like these; by default `models.Estimated()`, what the rows show of it. The fit does not need it.

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
    distribution = by_name(distribution) if isinstance(distribution, str) else distribution
    if kinds not in ("all", "right"):
        raise ValueError(f"censored: kinds={kinds!r}; expected 'all' or 'right'")
    if distribution.columns:
        raise ValueError(
            f"censored: {distribution.name} has data {set(distribution.columns)}, which cannot be censored; "
            "use a distribution of one response, such as weibull, or models.iid"
        )
    return _censored(distribution, kinds, scheme)
