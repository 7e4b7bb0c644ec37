"""The model: one log-likelihood contribution per observation, and the spaces of its parameters."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxmle import spaces
from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Params
from jaxmle._util.records import record, register
from jaxmle.model.geometry import SMOOTH, Geometry
from jaxmle.model.response import Response
from jaxmle.spaces import Spaces

Observations = Literal["independent", "ordered", "units"]
LogLikelihood = Callable[[Params, Data], Float[Array, " n"]]
Start = Callable[[Data, Float[Array, " n"]], Params]
Simulation = Callable[[Array, Params, Data], Data]
Information = Callable[[Params, Data], Float[Array, "n p p"]]


@register
@record
class Model:
    """A parametric model: everything else is derived from its log-likelihood contributions.

    Equal models (same functions, equal spaces) are equal and hash alike, and share one compiled program.

    Args:
        log_likelihood: `(params, data) -> f[n]`, the log-likelihood contribution of each of the n observations,
            in nats, all constants kept. Use `rows` to write it for one observation. Of models made from distributions it
            is a `Response`.
        space: pytree of `Space` with the structure of params.
        start: `(data, weights[n]) -> params`, pure JAX; where the ascent begins. By default 0 in the
            unconstrained coordinates of every space.
        simulate: `(key, params, data) -> data` of the same shape, drawn from the model.
        information: `(params, data) -> f[n, p, p]`, the expected information of each observation about the
            natural parameters, in the order of `jax.flatten_util.ravel_pytree(params)` (dict keys sorted).
        observations: what a row is: `"independent"`, `"ordered"` (a series) or `"units"` (clusters).
        name: used in tables.
        geometry: what else is known of the log-likelihood's shape (`jaxmle.model.Geometry`), `information` included.

    Example:
        >>> import jax.numpy as jnp, jaxmle as jm
        >>> def log_likelihood(params, x):
        ...     return jnp.log(params["rate"]) - params["rate"] * x
        >>> model = jm.Model(log_likelihood, {"rate": jm.spaces.positive})
        >>> round(float(jm.fit(model, [1.0, 2.0, 3.0]).params["rate"]), 12)
        0.5
    """

    log_likelihood: LogLikelihood
    space: Spaces
    start: Start | None
    simulate: Simulation | None
    observations: Observations
    name: str
    geometry: Geometry

    def __init__(
        self,
        log_likelihood: LogLikelihood,
        space: Spaces,
        start: Start | None = None,
        simulate: Simulation | None = None,
        information: Information | None = None,
        observations: Observations = "independent",
        name: str = "",
        geometry: Geometry = SMOOTH,
    ) -> None:
        # Written out, since `information` is an argument and no field: a model has one, in its geometry.
        if information is not None:
            geometry = dataclasses.replace(geometry, information=information)
        given = (log_likelihood, space, start, simulate, observations, name, geometry)
        for field, value in zip(dataclasses.fields(self), given, strict=True):
            object.__setattr__(self, field.name, value)
        self._check()

    def _check(self) -> None:
        """Raise an error in words for a part of the wrong type."""
        if not callable(self.log_likelihood):
            raise TypeError(
                f"Model: log_likelihood must be a function (params, data) -> f[n], got {type(self.log_likelihood).__name__}"
            )
        for path, leaf in jax.tree_util.tree_flatten_with_path(self.space)[0]:
            if not isinstance(leaf, spaces.Space):
                raise TypeError(
                    f"Model: space of {_name(path) or 'params'} is {leaf!r}; expected a Space such as "
                    "jaxmle.spaces.real or jaxmle.spaces.positive"
                )
        if not isinstance(self.geometry, Geometry):
            raise TypeError(
                f"Model: geometry is {self.geometry!r}; expected a record such as "
                "jaxmle.model.Geometry(maximum=f, regularity='edge')"
            )
        if self.observations not in ("independent", "ordered", "units"):
            raise ValueError(f"Model: observations={self.observations!r}; expected 'independent', 'ordered' or 'units'")

    @property
    def information(self) -> Information | None:
        """The expected information of each observation, `(params, data) -> f[n, p, p]`: that of the geometry."""
        return self.geometry.information

    # --- coordinates -------------------------------------------------------------------------------------

    def forward(self, u: Params) -> Params:
        """Map unconstrained coordinates (pytree) to params."""
        leaves, tree = jax.tree.flatten(self.space)
        coordinates = tree.flatten_up_to(u)
        values = [
            jnp.broadcast_to(jnp.asarray(s.forward(x), x.dtype), s.value_shape)
            if s.kind is spaces.PINNED
            else (s.forward(x) if s.kind is not spaces.TIED else None)
            for s, x in zip(leaves, coordinates, strict=True)
        ]
        if any(s.kind is spaces.TIED for s in leaves):
            by_name = dict(zip(self.names, values, strict=True))
            values = [by_name[s.source] if s.kind is spaces.TIED else v for s, v in zip(leaves, values, strict=True)]
        return jax.tree.unflatten(tree, values)

    def inverse(self, params: Params) -> Params:
        """Map params to unconstrained coordinates, both with the structure of `space`."""
        leaves, tree = jax.tree.flatten(self.space)
        values = [jnp.asarray(x) for x in tree.flatten_up_to(params)]
        return jax.tree.unflatten(
            tree,
            [s.inverse(x).astype(_floating(x.dtype)) for s, x in zip(leaves, values, strict=True)],
        )

    def origin(self, dtype: DTypeLike) -> Params:
        """Make the point that is zero in every unconstrained coordinate."""
        return jax.tree.map(lambda s: jnp.zeros(s.coordinate_shape, dtype), self.space)

    # --- data --------------------------------------------------------------------------------------------

    @property
    def response(self) -> Response | None:
        """What a row is, of a model made from distributions; None where the log-likelihood is of the user's own."""
        return self.log_likelihood if isinstance(self.log_likelihood, Response) else None

    @property
    def keeps_constants(self) -> bool:
        """Whether data reach the functions of this model with their `constant` marks; else constants come bare."""
        return isinstance(self.log_likelihood, TakesConstants)

    def possible(self, data: Data) -> Bool[Array, " n"] | None:
        """Tell whether some parameters make each row possible, bool[n]; None where the model does not say."""
        return None if self.response is None else self.response.possible(data)

    # --- names -------------------------------------------------------------------------------------------

    @property
    def function_name(self) -> str:
        """What the user's own function is called, `rows` taken off; empty where it has no name."""
        f = self.log_likelihood.f if isinstance(self.log_likelihood, rows) else self.log_likelihood
        return getattr(f, "__name__", "")

    @property
    def label(self) -> str:
        """The title of the model in tables and pictures: its name, else that of its function, else "model"."""
        name = self.name or getattr(self.log_likelihood, "__name__", "")
        return "model" if name in ("", "<lambda>") else name

    @property
    def names(self) -> list[str]:
        """A name for each parameter (leaf of params)."""
        return [_name(path) for path, _ in jax.tree_util.tree_flatten_with_path(self.space)[0]]

    @property
    def value_names(self) -> list[str]:
        """A name for each natural scalar, in `ravel_pytree` order: `beta[0], beta[1], scale`."""
        leaves = jax.tree.leaves(self.space)
        return [n for name, s in zip(self.names, leaves, strict=True) for n in _indexed(name, s.value_shape)]

    @property
    def coordinate_names(self) -> list[str]:
        """A name for each unconstrained coordinate, in `ravel_pytree` order."""
        leaves = jax.tree.leaves(self.space)
        return [n for name, s in zip(self.names, leaves, strict=True) for n in _indexed(name, s.coordinate_shape)]

    @property
    def free(self) -> int:
        """k: the number of free unconstrained dimensions; pinned and tied parameters do not count."""
        return sum(int(np.prod(s.coordinate_shape)) for s in jax.tree.leaves(self.space))


def _name(path: jax.tree_util.KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".") if path else "params"


def _indexed(name: str, shape: tuple[int, ...]) -> list[str]:
    return [f"{name}[{','.join(map(str, i))}]" if shape else name for i in np.ndindex(*shape)]


def _floating(dtype: DTypeLike) -> DTypeLike:
    return dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)


class TakesConstants:
    """Mark a record that is a log-likelihood and takes data with their `constant` marks, since those have no rows."""


@record
class rows(TakesConstants):
    """Turn a function of one observation, `f(params, row) -> f[]`, into one of all, with contributions f[n].

    Example:
        >>> import jax.numpy as jnp, jaxmle as jm
        >>> def one(params, x):
        ...     return -0.5 * (x - params["loc"]) ** 2
        >>> jm.rows(one)({"loc": 0.0}, jnp.array([1.0, 2.0])).shape
        (2,)
    """

    f: Callable[[Params, Data], Float[Array, ""]]

    def __call__(self, params: Params, data: Data) -> Float[Array, " n"]:
        leaves, tree = jax.tree.flatten(data, is_leaf=_is_constant)
        row = tuple(None if _is_constant(x) else 0 for x in leaves)
        values = [x.value if _is_constant(x) else x for x in leaves]
        return jax.vmap(lambda p, v: self.f(p, jax.tree.unflatten(tree, v)), in_axes=(None, list(row)))(params, values)


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True)
class constant:
    """Mark a data leaf that has no observation axis: a known scale, a table, a distance matrix.

    The log-likelihood receives the bare value.

    Example:
        >>> import jax.numpy as jnp, jaxmle as jm
        >>> def log_likelihood(params, data):
        ...     return -0.5 * ((data["x"] - params["loc"]) / data["scale"]) ** 2
        >>> model = jm.Model(log_likelihood, {"loc": jm.spaces.real})
        >>> fit = jm.fit(model, {"x": [1.0, 2.0, 6.0], "scale": jm.constant(2.0)})
        >>> round(float(fit.params["loc"]), 12)
        3.0
    """

    value: ArrayLike

    def tree_flatten(self) -> tuple[tuple[ArrayLike], None]:
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[ArrayLike]) -> "constant":
        return cls(*children)


def _is_constant(x: object) -> bool:
    return isinstance(x, constant)
