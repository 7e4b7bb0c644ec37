"""`load`: fits back from files."""

import dataclasses
import os
from typing import Any

import jax
import numpy as np

from jaxmle._engine.solution import Solution
from jaxmle._util.compile import float64
from jaxmle.inference import at_point
from jaxmle.models import as_model
from jaxmle.result import saved
from jaxmle.result.fit import Fit


def load(path: str | os.PathLike[str], *, model: Any = None) -> Fit:
    """Read a fit that `fit.save(path)` wrote, the same numbers to the last bit.

    Estimates, standard errors, Wald intervals, criteria, verdicts and tables need nothing else. What needs the
    log-likelihood works where the model is a distribution of `jaxmle.distributions`, plain or censored, or where it is
    given as `model`; what needs the data, where they were saved.

    Args:
        path: of the file.
        model: the model that was fitted; a check on the saved data, where there are any, says if it is another.

    Raises:
        FileNotFoundError, ValueError: where there is no such file, it is no saved fit, or `model` is not its model.

    Example:
        >>> import jaxmle as jm, tempfile, pathlib
        >>> fits = jm.fit_many("exponential", [1.0, 3.0, 2.0, 4.0], groups=["a", "a", "b", "b"])
        >>> path = fits.save(pathlib.Path(tempfile.mkdtemp()) / "fits.npz", data=True)
        >>> round(float(jm.load(path)["b"].params["rate"]), 12)
        0.333333333333
    """
    header, solution, known = saved.read(path)
    name, found = header["model"]["name"], solution.model
    if model is not None:
        found = as_model(model, solution.batch.buckets[0].data if solution.batch.kept else None)
        if not saved.same_space(header, found):
            raise ValueError(
                f"{path} holds a fit of {name}, whose parameters are not those of the model given: "
                f"{', '.join(found.names)} in {list(jax.tree.leaves(found.space))}; give the model that was fitted"
            )
    elif not known:
        raise ValueError(
            f"{path} holds a fit of {name} with a space of the user's own, which a file cannot hold; give the model "
            "that was fitted: load(path, model=...)"
        )
    solution = dataclasses.replace(solution, model=found)
    if model is not None and solution.batch.kept:
        _check(solution, path)
    return Fit(solution)


def _check(solution: Solution, path: Any) -> None:
    """Raise unless the model given has the log-likelihood that was saved, at every certified maximum."""
    u = np.where(solution.certified[:, None], solution.outcome.u, 0.0)
    with float64():
        here = solution.evaluate(at_point.value, u)
    gap = np.where(
        solution.certified, np.abs(here - solution.outcome.value) / (1 + np.abs(solution.outcome.value)), 0.0
    )
    if not (gap < 1e-6).all():
        i = int(np.argmax(~(gap < 1e-6)))
        raise ValueError(
            f"the model given is not the one in {path}: at the saved estimate of data set {solution.label(i)} its "
            f"log-likelihood is {-here[i]:.6g}, the file says {-solution.outcome.value[i]:.6g}; give the model that was fitted"
        )
