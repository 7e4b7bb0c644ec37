"""Models with fewer free parameters: some fixed at a value, some copies of others."""

import dataclasses
import difflib
from collections.abc import Mapping

import jax
import numpy as np

from jaxmle import spaces
from jaxmle._util.array_passes import by_cores
from jaxmle._util.arrays import ArrayLike, Data, Float, Params
from jaxmle._util.records import is_traced
from jaxmle.distributions import Distribution, by_name
from jaxmle.model.model import Model
from jaxmle.models.censoring import censored
from jaxmle.models.independent import iid
from jaxmle.spaces import Space


def as_model(x: Model | Distribution | str, data: Data = None) -> Model:
    """Make a model from a Model, a Distribution or a distribution's name.

    With data that have columns `lower` and `upper` a distribution becomes `censored`, else `iid`.

    >>> from jaxmle import models
    >>> models.as_model("weibull").names
    ['scale', 'shape']
    """
    if isinstance(x, Model):
        return x
    if isinstance(x, str):
        x = by_name(x)
    if not isinstance(x, Distribution):
        raise TypeError(
            f"expected a Model, a Distribution or the name of one such as 'weibull', got {type(x).__name__}: {x!r}"
        )
    if isinstance(data, Mapping) and "lower" in data and "upper" in data:
        return censored(x, "right" if _right_only(data["lower"], data["upper"]) else "all")
    return iid(x)


def _right_only(lower: ArrayLike, upper: ArrayLike) -> bool:
    """Tell whether every row is exact, right-censored, unknown or illegal; False for traced or unreadable data."""
    if is_traced(lower) or is_traced(upper):
        return False
    try:
        lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    except (TypeError, ValueError):
        return False

    def fine(lower: Float[np.ndarray, " n"], upper: Float[np.ndarray, " n"]) -> bool:
        known = (upper == lower) | (upper == np.inf)
        return bool(known.all()) or bool(np.all(known | np.isnan(lower) | np.isnan(upper)))

    if lower.shape == upper.shape and lower.flags.c_contiguous and upper.flags.c_contiguous:
        return all(by_cores(fine, lower.ravel(), upper.ravel()))
    return fine(lower, upper)


def pinned(model: Model | Distribution | str, values: Mapping[str, Params] | None = None, /, **named: Params) -> Model:
    """Fix some parameters of a model; params keep their structure and contain the fixed values.

    The values are arguments of compiled code: a thousand different ones compile once. In `fit_many` a value with
    one extra leading axis means one for each data set.

    Args:
        model: a Model, a Distribution or its name.
        values: dict of values by name; nested names as nested dicts or dotted, `{"noise.scale": 1.0}`.
        **named: the same as keywords.

    Raises:
        ValueError: for an unknown name, a wrong shape, or a value outside the parameter's space.

    Example:
        >>> from jaxmle import models
        >>> models.pinned("weibull", shape=1.0).coordinate_names
        ['scale']
    """
    model = as_model(model)
    given = {**_flat(values), **named}
    by = dict(zip(model.names, jax.tree.leaves(model.space), strict=True))
    _check_names("pinned", given, by)
    for name, value in given.items():
        space = by[name]
        if space.kind is spaces.TIED:
            raise ValueError(f"pinned: {name} copies {space.source}; pin {space.source} instead")
        by[name] = spaces.pinned_at(space, _checked(name, value, space))
    return _with(model, by)


def tied(model: Model | Distribution | str, mapping: Mapping[str, Params] | None = None, /, **named: Params) -> Model:
    """Tie some parameters of a model to others; params keep their structure.

    Args:
        model: a Model, a Distribution or its name.
        mapping: dict from the parameter that copies to the one copied; nested names dotted.
        **named: the same as keywords.

    Raises:
        ValueError: for unknown names, different shapes or spaces, or a source that is itself a copy.

    Example:
        >>> import jaxmle as jm
        >>> def log_likelihood(params, x):
        ...     return -((x - params["a"]) ** 2) - (x - params["b"]) ** 2
        >>> model = jm.Model(log_likelihood, {"a": jm.spaces.real, "b": jm.spaces.real})
        >>> jm.models.tied(model, b="a").free
        1
    """
    model = as_model(model)
    given = {**_flat(mapping), **named}
    by = dict(zip(model.names, jax.tree.leaves(model.space), strict=True))
    _check_names("tied", given, by)
    _check_names("tied", {str(source): None for source in given.values()}, by)
    copies = set(given) | {name for name, s in by.items() if s.kind is spaces.TIED}
    for name, source in given.items():
        space, origin = by[name], by[source]
        if name == source:
            raise ValueError(f"tied: {name} cannot copy itself")
        if source in copies:
            raise ValueError(
                f"tied: {name} would copy {source}, which is itself a copy; tie both to one free parameter"
            )
        if any(s.kind is spaces.TIED and s.source == name for s in by.values()):
            raise ValueError(f"tied: {name} is already copied by another parameter; tie both to {source}")
        if space.kind is spaces.PINNED:
            raise ValueError(f"tied: {name} is pinned and cannot also copy {source}; pin {source} instead")
        if space.value_shape != origin.value_shape:
            raise ValueError(f"tied: {name} has shape {space.value_shape} but {source} has shape {origin.value_shape}")
        if origin.kind is not spaces.PINNED and (space.kind != origin.kind or space.bounds != origin.bounds):
            raise ValueError(f"tied: {name} lives in {space} but {source} in {origin}; they must be the same")
        by[name] = spaces.tied_to(space, source)
    return _with(model, by)


def _with(model: Model, by: dict[str, Space]) -> Model:
    """Replace the spaces of the parameters, given by name."""
    tree = jax.tree.structure(model.space)
    return dataclasses.replace(
        model, space=jax.tree.unflatten(tree, list(by.values())), geometry=model.geometry.restricted()
    )


def _flat(values: Mapping[str, Params] | None, prefix: str = "") -> dict[str, Params]:
    """Flatten nested dicts to dotted names."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict from parameter names to values, got {type(values).__name__}: {values!r}")
    flat: dict[str, Params] = {}
    for name, value in values.items():
        full = f"{prefix}{name}"
        flat.update(_flat(value, f"{full}.") if isinstance(value, Mapping) else {full: value})
    return flat


def _check_names(verb: str, given: Mapping[str, object], known: Mapping[str, object]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{verb}: no parameter {name!r}.{hint} The model has: {', '.join(known)}")


def _checked(name: str, value: ArrayLike, space: Space) -> ArrayLike:
    """Convert the value to an array and check its shape and that its space contains it; traced values pass unchecked."""
    if is_traced(value):
        return value
    try:
        value = np.asarray(value, float)
    except (TypeError, ValueError):
        raise ValueError(f"pinned: {name} must be a number or an array of numbers, got {value!r}") from None
    want = space.value_shape
    fits = value.ndim <= len(want) + 1 and value.shape[max(value.ndim - len(want), 0) :] in (want, ())
    fits = fits or value.shape == want
    if not fits:
        raise ValueError(
            f"pinned: {name} has shape {value.shape}; expected {want}, or one leading axis more (one for each data set)"
        )
    with jax.enable_x64(True):
        inside, hundredth = (
            bool(np.all(np.asarray(space.contains(np.broadcast_to(x, _full(value.shape, want))))))
            for x in (value, value / 100)
        )
    if not inside:
        part = f"; give a value inside ({value} percent is {value / 100})" if hundredth else "; give a value inside"
        raise ValueError(f"pinned: {name} = {value} is outside its space {space}{part}")
    return value


def _full(shape: tuple[int, ...], want: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) >= len(want) else want
