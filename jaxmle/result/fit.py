"""`Fit`: a person's view of a solution, the same calls for one data set and for a million. Holds NumPy arrays only."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from jaxmle import plot as pictures
from jaxmle._engine.solution import Solution
from jaxmle._solver.status import Status
from jaxmle.inference import covariance as covariances
from jaxmle.inference import information_criteria, intervals, predict
from jaxmle.inference import simulate as simulation
from jaxmle.model.model import Model
from jaxmle.result import columns as tables
from jaxmle.result import html, saved, select
from jaxmle.result import summary as texts

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _Method(Protocol[P, R]):
    """A method of `Fit`, as type checkers see it."""

    def __get__(self, instance: "Fit", owner: Any = None) -> Callable[P, R]: ...


def _of_solution(function: Callable[Concatenate[Solution, P], R]) -> _Method[P, R]:
    """Make a method of `Fit` from a function of its solution."""

    @functools.wraps(function)
    def method(self: "Fit", *args: P.args, **kwargs: P.kwargs) -> R:
        return function(self.solution, *args, **kwargs)

    return method  # pyright: ignore[reportReturnType]


def _unpickled(content: bytes) -> "Fit":
    return Fit(saved.unpacked(content))


class Fit:
    """The outcome of `fit` or `fit_many`.

    For one data set the numbers are scalars and params have the model's shapes; for many every array has the data-set
    axis first, and `len`, `fits[i]` and iteration work.

    Attributes:
        solution: model, data, outcome and report as one record, arrays with the data-set axis first.
        model: the `Model`.
        params: natural parameters.
        log_likelihood: sum of the weighted contributions there; at a limit the supremum.
        n_observations: n = sum of weights.
        status: `Status` codes.
        converged: whether the maximum is certified.
        steps: evaluations; `newton_steps` of them were Newton's after another method's nomination.
        decrement: remaining gain in log-likelihood that a quadratic approximation predicts.
        attempt: the further attempt that succeeded: 0 none was needed (or none did), 1 another start, 2 more damping, 3
            another method; `steps` counts all attempts.
        attained: whether `log_likelihood` is reached at `params`.
        keys: the group of each data set, or None.
        dropped: rows left out because a value was missing.
        info: versions, device, dtype, optimizer, tolerance, options, lanes, hash of the data; with several starts what they
            found, under `starts`.
    """

    def __init__(self, solution: Solution) -> None:
        self.solution, outcome, shown = solution, solution.outcome, solution.shown
        self.model: Model = solution.model
        self.params: Any = solution.params
        self.n_observations = shown(solution.n_observations)
        self.status = Status(int(outcome.status[0])) if solution.single else outcome.status
        self.converged = shown(solution.certified)
        self.log_likelihood = shown(-outcome.value)
        self.steps, self.newton_steps = shown(outcome.steps), shown(outcome.newton_steps)
        self.decrement, self.attained = shown(outcome.decrement), shown(outcome.attained)
        self.attempt = shown(outcome.attempt)
        self.keys = solution.batch.keys
        self.dropped = shown(solution.dropped)

    def __reduce__(self) -> tuple[Callable[[bytes], "Fit"], tuple[bytes]]:
        """Pickle what `save` writes, for other processes: numbers and data, and the model where `load` knows it."""
        return _unpickled, (saved.packed(self.solution),)

    @property
    def rung(self) -> Any:
        """`attempt`, by the name that it had in the first versions."""
        return self.attempt

    @property
    def info(self) -> dict[str, Any]:
        """Versions, device, dtype, optimizer, tolerance, options, the hash of the data, and what several starts found."""
        return self.solution.info

    @property
    def names(self) -> list[str]:
        """A name for each natural scalar, in the order of `covariance`."""
        return self.model.value_names

    # --- parts -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if self.solution.single:
            raise TypeError("a single fit has no length; fit_many gives a batch of them")
        return self.solution.size

    def __iter__(self) -> "Iterator[Fit]":
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> "Fit":
        """Select one fit by position or key, or a smaller batch by slice, mask, positions or list of keys; see `select`."""
        return Fit(select.select(self.solution, index))

    @staticmethod
    @functools.wraps(select.concatenate)
    def concatenate(fits: "Sequence[Fit]") -> "Fit":
        return Fit(select.concatenate([fit.solution for fit in fits]))

    # --- inference ---------------------------------------------------------------------------------------

    covariance = _of_solution(covariances.covariance)
    standard_errors = _of_solution(covariances.standard_errors)
    interval = _of_solution(intervals.interval)
    transform = _of_solution(intervals.transform)
    pdf, cdf, sf = _of_solution(predict.pdf), _of_solution(predict.cdf), _of_solution(predict.sf)
    quantile, mean = _of_solution(predict.quantile), _of_solution(predict.mean)
    residuals, simulate = _of_solution(simulation.residuals), _of_solution(simulation.simulate)

    @property
    def aic(self) -> Any:
        """-2 l + 2 k (Akaike 1974); k counts free unconstrained dimensions."""
        return self.solution.shown(information_criteria.aic(self.solution))

    @property
    def aicc(self) -> Any:
        """aic + 2 k (k + 1) / (n - k - 1) (Hurvich & Tsai 1989); NaN if n <= k + 1."""
        return self.solution.shown(information_criteria.aicc(self.solution))

    @property
    def bic(self) -> Any:
        """-2 l + k log n (Schwarz 1978), n the sum of weights."""
        return self.solution.shown(information_criteria.bic(self.solution))

    # --- verdicts ----------------------------------------------------------------------------------------

    message = _of_solution(texts.message)
    explain = _of_solution(texts.explain)
    status_counts = _of_solution(tables.status_counts)

    def raise_for_status(self) -> "Fit":
        """Returns the fit, or raises where it is not a certified maximum.

        Raises:
            RuntimeError: with the message of the first such fit, and how many there are.
        """
        bad = np.flatnonzero(~self.solution.certified)
        if len(bad):
            first, size = int(bad[0]), self.solution.size
            many = f"{len(bad)} of {size} fits did not converge; data set {self.solution.label(first)}: "
            raise RuntimeError(("" if self.solution.single else many) + self.message(first))
        return self

    # --- tables and pictures -----------------------------------------------------------------------------

    def summary(self, level: float = 0.95, kind: str = "observed") -> str:
        """Format a table for reading: estimates, standard errors, intervals, and the verdict in words."""
        write = texts.table_one if self.solution.single else texts.table_many
        return write(self.solution, level, kind)

    def __repr__(self) -> str:
        return self.summary()

    columns = _of_solution(tables.columns)
    to_pandas, to_polars = _of_solution(tables.to_pandas), _of_solution(tables.to_polars)
    to_xarray = _of_solution(tables.to_xarray)
    save = _of_solution(saved.save)
    _repr_html_ = _of_solution(html.fit)

    def plot(self, picture: str = "overview", **options: Any) -> Any:
        """Draws the fit; needs matplotlib. Without arguments what suits it: see `jaxmle.plot.overview`.

        Args:
            picture: the name of a function of `jaxmle.plot`: `"density"`, `"qq"`, `"contours"`, `"forest"`, ...
            **options: of that function, such as `ax=`.

        Returns:
            the axes.

        Raises:
            ValueError: for a picture that is none.
        """
        if picture not in pictures.__all__:
            raise ValueError(f"there is no picture {picture!r}; expected one of {', '.join(pictures.__all__)}")
        return getattr(pictures, picture)(self, **options)
