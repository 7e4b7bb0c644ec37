"""Optimizers by name, and the check that an argument is an optimizer."""

from typing import Any

import optax

from jaxmle.optimizers.curvature import bhhh, fisher_scoring, gauss_newton, newton
from jaxmle.optimizers.quasi_newton import lbfgs

_NAMES = {
    "newton": newton,
    "fisher_scoring": fisher_scoring,
    "gauss_newton": gauss_newton,
    "bhhh": bhhh,
    "lbfgs": lbfgs,
}


def by_name(optimizer: Any) -> optax.GradientTransformationExtraArgs:
    """Look up an optimizer by its name, or prepare an optax optimizer for extra arguments.

    Raises:
        ValueError: for an unknown name.
        TypeError: for something that has no `init` and `update`.

    Example:
        >>> from jaxmle import optimizers
        >>> optimizers.by_name("newton") is optimizers.newton()
        True
    """
    if isinstance(optimizer, str):
        if optimizer not in _NAMES:
            raise ValueError(
                f"optimizer={optimizer!r} is not known; expected one of {sorted(_NAMES)}, or an optax optimizer such as "
                "optax.adam(1e-2) or optax.lbfgs()"
            )
        return _NAMES[optimizer]()
    if isinstance(optimizer, optax.MultiSteps):
        optimizer = optax.GradientTransformationExtraArgs(optimizer.init, optimizer.update)  # pyright: ignore
    if not (callable(getattr(optimizer, "init", None)) and callable(getattr(optimizer, "update", None))):
        hint = "; call it: optax.adam(1e-2), not optax.adam" if callable(optimizer) else ""
        raise TypeError(
            f"optimizer must be a name or an optax.GradientTransformation, got {type(optimizer).__name__}{hint}"
        )
    return optax.with_extra_args_support(optimizer)
