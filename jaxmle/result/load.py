"""`load`: fits back from files."""

import os
from typing import Any

import jax
import numpy as np

from jaxmle.inference import covariance
from jaxmle.models import as_model
from jaxmle.result import saved as _keep
from jaxmle.result.fit import Fit


def load(path: str | os.PathLike[str], *, model: Any = None) -> Fit:
    """A fit that `fit.save(path)` wrote, the same numbers to the last bit.

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
    saved = _keep.read(path)
    found, name = saved.model, saved.header["model"]["name"]
    if model is not None:
        found = as_model(model, saved.batch.buckets[0].data if saved.batch.kept else None)
        if not _keep.same_space(saved, found):
            raise ValueError(
                f"{path} holds a fit of {name}, whose parameters are not those of the model given: "
                f"{', '.join(found.names)} in {list(jax.tree.leaves(found.space))}; give the model that was fitted"
            )
    if found is None:
        raise ValueError(
            f"{path} holds a fit of {name} with a space of the user's own, which a file cannot hold; give the model "
            "that was fitted: load(path, model=...)"
        )
    fit = Fit(found, saved.outcome, saved.batch, saved.single, saved.header["info"], saved.starts)
    if model is not None and saved.batch.kept:
        _check(fit, path)
    return fit


def _check(fit: Fit, path: Any) -> None:
    """The model given has the log-likelihood that was saved, at every certified maximum."""
    u = np.where(fit._ok[:, None], fit._outcome.u, 0.0)
    with jax.enable_x64(True):
        here = fit._evaluate(covariance.value, u)
    gap = np.where(fit._ok, np.abs(here - fit._outcome.value) / (1 + np.abs(fit._outcome.value)), 0.0)
    if not (gap < 1e-6).all():
        i = int(np.argmax(~(gap < 1e-6)))
        raise ValueError(
            f"the model given is not the one in {path}: at the saved estimate of data set {fit._label(i)} its "
            f"log-likelihood is {-here[i]:.6g}, the file says {-fit._outcome.value[i]:.6g}; give the model that was fitted"
        )
