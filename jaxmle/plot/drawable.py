"""What pictures are drawn of: a solution, or a fit that holds one, with the names and titles that pictures give it."""

from typing import Protocol

import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._solver.status import Status
from jaxmle.inference.messages import message
from jaxmle.plot.style import format_number


class HasSolution(Protocol):
    """A view of a solution, such as `Fit`."""

    @property
    def solution(self) -> Solution: ...


Drawable = Solution | HasSolution
"What the functions of `jaxmle.plot` take."


def solution_of(fit: Drawable) -> Solution:
    """Return the solution of a fit; a solution stays itself."""
    return fit if isinstance(fit, Solution) else fit.solution


def one_data_set(fit: Drawable, picture: str) -> Solution:
    """Return the solution of one data set, or raise for a batch, with what to draw instead of `picture`."""
    solution = solution_of(fit)
    if not solution.single:
        raise ValueError(
            f"{picture} draws one fit and got {solution.size}; choose one, such as fits[0] or fits['key'], or draw all of "
            "them with forest, histograms, estimates_map or verdicts"
        )
    return solution


def many_data_sets(fits: Drawable, picture: str) -> Solution:
    """Return the solution of a batch, or raise for one data set and for none, with what to draw instead of `picture`."""
    solution = solution_of(fits)
    if solution.single:
        raise ValueError(
            f"{picture} draws many fits and got one: fit_many gives them; for one fit draw density, cdf, qq, profile or "
            "contours"
        )
    if not solution.size:
        raise ValueError(f"{picture} got a batch without any fit")
    return solution


# --- the outcome of one data set -------------------------------------------------------------------------


def status_of(solution: Solution) -> Status:
    """Return the status of the fit of one data set."""
    return Status(int(solution.outcome.status[0]))


def is_certified(solution: Solution) -> bool:
    """Return whether the fit of one data set is a certified maximum."""
    return bool(solution.certified[0])


def is_usable(solution: Solution) -> bool:
    """Return whether one data set has a fitted distribution to draw: a certified maximum or a limit."""
    return bool(solution.usable[0])


def check_usable(solution: Solution, picture: str) -> None:
    """Raise an error with the verdict of the fit where it has no fitted distribution to draw."""
    if not is_usable(solution):
        raise ValueError(
            f"{picture} needs a fitted distribution, and this fit has none: {message(solution)}; "
            "draw density(fit) or cdf(fit)"
        )


def log_likelihood(solution: Solution) -> float:
    """Return the log-likelihood at the estimate of one data set."""
    return float(-solution.outcome.value[0])


# --- names and titles ------------------------------------------------------------------------------------


def model_name(solution: Solution) -> str:
    """Return the name of a model with spaces for underscores."""
    return solution.model.label.replace("_", " ")


def distribution_name(solution: Solution) -> str:
    """Return the name of a fitted curve: the model's without "censored"."""
    return solution.model.label.removeprefix("censored ").replace("_", " ")


def short_sentence(status: Status) -> str:
    """Shorten the sentence of a status to a few words."""
    text = status.sentence.partition(":")[0].partition(";")[0]
    return text.removesuffix(" of the parameter space").removesuffix(" before the tolerance was met")


def title_of(solution: Solution) -> str:
    """Make the title of one data set: the model with its estimates, and the verdict where no maximum is certified."""
    name = model_name(solution)
    values, certified = solution.natural[0], is_certified(solution)
    if not certified:
        name = f"{name}: {short_sentence(status_of(solution))}"
    if len(values) > 3 or not np.isfinite(values).all() or not is_usable(solution):
        return name
    pairs = zip(solution.model.value_names, values, strict=True)
    estimates = ", ".join(f"{parameter} {format_number(x)}" for parameter, x in pairs)
    return f"{name}{': ' if certified else ', '}{estimates}"
