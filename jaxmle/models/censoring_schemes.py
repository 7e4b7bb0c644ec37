"""Censoring schemes: which times and limits censor new outcomes of a study, stated by the user or estimated from its rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxmle._util.arrays import Array, Bool, Float
from jaxmle._util.compile import compiled
from jaxmle._util.records import is_traced, record
from jaxmle.models.interval_draws import draw_containing


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


class Ends(NamedTuple):
    """The ends of the interval that each row shows, f[n] each; equal where it shows its outcome."""

    lower: Float[Array, " n"]
    upper: Float[Array, " n"]


class Scheme(Protocol):
    """How outcomes of a study are censored: a record that turns outcomes into the intervals that its rows show."""

    def __call__(self, key: Array, t: Float[Array, " n"], seen: Ends, log_probability: Float[Array, " n"]) -> Ends:
        """Censor outcomes.

        Args:
            key: of `jax.random`, for what the scheme draws.
            t: the new outcomes.
            seen: what the rows of the study showed.
            log_probability: of what each showed, under the parameters that drew t.
        """
        ...


@record
class EndOfStudy:
    """Each row is observed until a time: a later outcome is right-censored there (type I censoring).

    Attributes:
        time: a number for all rows, or one for each (any sequence).

    Example:
        >>> import jaxmle as jm
        >>> model = jm.models.censored("exponential", scheme=jm.models.EndOfStudy(2.0))
        >>> fit = jm.fit(model, {"lower": [0.5, 1.5, 2.0, 2.0], "upper": [0.5, 1.5, float("inf"), float("inf")]})
        >>> bool((fit.simulate(0)["lower"] <= 2.0).all())
        True
    """

    time: float | tuple[float, ...]

    def __post_init__(self) -> None:
        time = np.asarray(self.time, float)
        if time.ndim > 1 or np.isnan(time).any():
            raise ValueError(f"EndOfStudy: the time is one number or one for each row, got {self.time!r}")
        object.__setattr__(self, "time", float(time) if time.ndim == 0 else tuple(time.tolist()))

    def __call__(self, key: Array, t: Float[Array, " n"], seen: Ends, log_probability: Float[Array, " n"]) -> Ends:
        return _right(t, jnp.asarray(self.time, t.dtype))


@record
class Inspections:
    """Each row is inspected at the same times: an outcome is known to lie between two of them, or beyond the last.

    Attributes:
        times: of the inspections, ascending (any sequence).

    Example:
        >>> import jaxmle as jm
        >>> model = jm.models.censored("weibull", scheme=jm.models.Inspections([1.0, 2.0, 4.0]))
        >>> inf = float("inf")
        >>> data = {"lower": [-inf, 1.0, 1.0, 2.0, 4.0], "upper": [1.0, 2.0, 2.0, 4.0, inf]}
        >>> {float(x) for x in jm.fit(model, data).simulate(0)["upper"]} <= {1.0, 2.0, 4.0, inf}
        True
    """

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        times = np.asarray(self.times, float)
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or np.any(np.diff(times) <= 0):
            raise ValueError(f"Inspections: the times are finite and ascending, at least one, got {self.times!r}")
        object.__setattr__(self, "times", tuple(times.tolist()))

    def __call__(self, key: Array, t: Float[Array, " n"], seen: Ends, log_probability: Float[Array, " n"]) -> Ends:
        grid = jnp.concatenate([jnp.array([-jnp.inf]), jnp.asarray(self.times), jnp.array([jnp.inf])]).astype(t.dtype)
        after = jnp.searchsorted(grid, t, side="left")  # grid[after - 1] < t <= grid[after]
        return Ends(grid[after - 1], grid[after])


@record
class Estimated:
    """The scheme that a study's own rows show, for outcomes independent of it. The default of `censored`.

    A row keeps what it shows of its scheme, and draws the rest from the other rows:

    - With exact rows (lifetimes that were observed): a right-censored row keeps its censoring time. An exact row at t
      shows only that its censoring time is t or later, and draws one from the Kaplan-Meier estimate of their
      distribution (censorings as events, events as censorings) beyond t: where a study ends for all at one time, that
      time. What this estimate leaves beyond the last event is never censored. Limits of detection (left-censored rows)
      are the mirror image. Rows between two inspections are inspected there again.
    - Without exact rows: all are inspected. A row that was left- or right-censored at its only inspection (no row lies
      between two) is inspected then again. Otherwise a new outcome shows the interval of a row drawn among those whose
      interval contains it, with odds 1 / P(interval): a scheme that shows an interval
      with some probability shows it to outcomes inside alone. Beyond all intervals it is censored at the last inspection.

    Reference: Davison & Hinkley 1997, *Bootstrap Methods and their Application*, section 3.5, algorithm 3.1 (conditional
    bootstrap).
    """

    right_only: bool = False

    def __call__(self, key: Array, t: Float[Array, " n"], seen: Ends, log_probability: Float[Array, " n"]) -> Ends:
        rows = kinds_of(*seen)
        late, early, donor = jax.random.split(key, 3)
        end = _censoring_times(late, seen.lower, rows.right, rows.exact | (rows.left if not self.right_only else False))
        if self.right_only:
            return _kept(rows.unknown, seen, _right(t, jnp.where(rows.right, seen.lower, end)))

        limit = -_censoring_times(early, -seen.upper, rows.left, rows.exact | rows.right)
        observed = _right(t, jnp.where(rows.right, seen.lower, end))
        observed = _left(t, jnp.where(rows.left, seen.upper, limit), observed)
        observed = _again(t, rows.between, seen, observed)
        some_exact = jnp.any(rows.exact) | ~jnp.any(rows.left | rows.between)
        by_donors = jnp.any(rows.between) & ~some_exact
        if is_traced(by_donors):
            inspected = jax.lax.cond(
                by_donors,
                lambda: _like_another(donor, t, seen, rows, log_probability),
                lambda: _once(t, rows, seen),
            )
        elif by_donors:
            inspected = _like_another_compiled(donor, t, seen, rows, log_probability)
        else:
            inspected = _once(t, rows, seen)
        return _kept(rows.unknown, seen, _kept(some_exact, observed, inspected))


_STATED = {scheme.__name__: scheme for scheme in (EndOfStudy, Inspections)}


def words_of(scheme: Scheme) -> dict[str, Any] | None:
    """Describe a stated scheme by its name and its times; None for an estimated one and for one of the user's."""
    name = type(scheme).__name__
    if _STATED.get(name) is not type(scheme):
        return None
    return {name: {field: x for field, x in vars(scheme).items() if field[0] != "_"}}


def scheme_of(words: Mapping[str, Any] | None) -> Scheme | None:
    """Make the scheme that `words_of` described; None for none."""
    if not words:
        return None
    [(name, fields)] = words.items()
    return _STATED[name](**fields)


def _kept(where: Bool[Array, " n"], mine: Ends, other: Ends) -> Ends:
    return Ends(*(jnp.where(where, a, b) for a, b in zip(mine, other, strict=True)))


def _right(t: Float[Array, " n"], time: Float[Array, " n"]) -> Ends:
    """Censor outcomes that come after a time."""
    return Ends(jnp.where(t > time, time, t), jnp.where(t > time, jnp.inf, t))


def _left(t: Float[Array, " n"], limit: Float[Array, " n"], ends: Ends) -> Ends:
    """Censor outcomes up to a limit; others keep their ends."""
    return _kept(t <= limit, Ends(jnp.full_like(t, -jnp.inf), limit), ends)


def _again(t: Float[Array, " n"], rows: Bool[Array, " n"], seen: Ends, ends: Ends) -> Ends:
    """Inspect some rows at the two ends that they showed; others keep their ends."""
    after, before = t > seen.upper, t <= seen.lower
    lower = jnp.where(after, seen.upper, jnp.where(before, -jnp.inf, seen.lower))
    upper = jnp.where(after, jnp.inf, jnp.where(before, seen.lower, seen.upper))
    return _kept(rows, Ends(lower, upper), ends)


def _once(t: Float[Array, " n"], rows: Rows, seen: Ends) -> Ends:
    """Inspect each row at the one time that it showed."""
    time = jnp.where(rows.left, seen.upper, seen.lower)
    return Ends(jnp.where(t > time, time, -jnp.inf), jnp.where(t > time, jnp.inf, time))


def _censoring_times(
    key: Array, y: Float[Array, " n"], censored: Bool[Array, " n"], observed: Bool[Array, " n"]
) -> Float[Array, " n"]:
    """Draw for each row a censoring time beyond y from the Kaplan-Meier estimate of their distribution; inf for never.

    At equal times outcomes come before censorings, so that a row observed at the end of a study may end there.
    """
    n = len(y)
    time = jnp.where(censored | observed, y, jnp.inf)
    order = jnp.lexsort((censored, time))
    left = jnp.sum(censored | observed) - jnp.arange(n)  # at risk
    some = censored[order]
    log_survival = jnp.cumsum(jnp.where(some, jnp.log1p(-1 / jnp.maximum(left, 1).astype(y.dtype)), 0))
    u = 1 - jax.random.uniform(key, (n,), y.dtype)  # in (0, 1]
    place = jnp.zeros(n, int).at[order].set(jnp.arange(n))
    # The first censoring after the row's own place at which survival falls below u times what it is there.
    found = jnp.searchsorted(-log_survival, -(log_survival[place] + jnp.log(u)), side="left")
    found = jnp.maximum(found, place)
    censorings = jnp.where(some, jnp.arange(n), n)
    following = jax.lax.cummin(censorings, reverse=True)
    found = jnp.where(found < n, following[jnp.minimum(found, n - 1)], n)
    return jnp.where(found < n, time[order][jnp.minimum(found, n - 1)], jnp.inf)


def _like_another(
    key: Array, t: Float[Array, " n"], seen: Ends, rows: Rows, log_probability: Float[Array, " n"]
) -> Ends:
    """Show for each outcome the interval of a row that contains it, drawn with odds 1 / P(interval)."""
    inspected = rows.left | rows.right | rows.between
    odds = jnp.where(inspected & jnp.isfinite(log_probability), -log_probability, jnp.nan)
    center = 0.5 * (jnp.nanmin(odds) + jnp.nanmax(odds))
    far = 0.8 * float(np.log(np.finfo(t.dtype).max))  # odds further apart would leave the range of numbers
    odds = jnp.where(jnp.isnan(odds), far, jnp.clip(odds - center, -far, far))
    weight = jnp.where(inspected, jnp.exp(odds), 0.0)
    drawn = draw_containing(jax.random.uniform(key, t.shape, t.dtype), t, seen.lower, seen.upper, weight)
    ends = jnp.where(jnp.isfinite(seen.upper), seen.upper, seen.lower)
    last = jnp.max(jnp.where(inspected, ends, -jnp.inf))
    shown = Ends(seen.lower[drawn], seen.upper[drawn])
    return _kept(drawn >= 0, shown, Ends(jnp.full_like(t, last), jnp.full_like(t, jnp.inf)))


_like_another_compiled = compiled(_like_another)
