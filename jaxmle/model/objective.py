"""The objective: the functions of a model that optimizers evaluate, in unconstrained coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle._util.arrays import Array, Bool, Data, Float, Params
from jaxmle._util.linalg import hessian
from jaxmle._util.marks import mark_contributions
from jaxmle.model.gauss_newton import gauss_newton
from jaxmle.model.geometry import Anchor, Chart, Coordinates
from jaxmle.model.model import Model


class Objective:
    """The negative weighted log-likelihood of unconstrained coordinates `u`, as a callable with derivatives.

    `objective(u)` is -sum w l. Curvature methods also evaluate `scores`, `information`, `expected` and `opg`. Signs:
    `information` is the Hessian of the negative log-likelihood; `scores` are derivatives of the contributions (ascent).

    Args:
        model: the model; `bare` data (constants unwrapped) and weights f[n] go with it.
    """

    def __init__(self, model: Model, data: Data, weights: Float[Array, " n"]) -> None:
        self.model, self.data, self.weights = model, data, weights

    @property
    def unitless(self) -> Bool[np.ndarray, " p"]:
        """Whether each coordinate is a logarithm or a logit, bool[p]; the others have units."""
        leaves = jax.tree.leaves(self.model.space)
        return np.array([s.kind.unitless for s in leaves for _ in range(int(np.prod(s.coordinate_shape)))], bool)

    @property
    def varies(self) -> Bool[Array, ""]:
        """Whether any data leaf differs between rows (those of weight 0 are copies already), bool[]."""
        n = self.weights.shape[0]
        rows = [x for x in jax.tree.leaves(self.data) if x.ndim and x.shape[0] == n]
        return jnp.any(jnp.stack([jnp.any(x != x[:1]) for x in rows] or [jnp.array(True)]))

    def contributions(self, u: Params) -> Float[Array, " n"]:
        """Evaluate the log-likelihood contributions l_i at u, f[n]."""
        rows = self.model.log_likelihood(self.model.forward(u), self.data)
        return mark_contributions(rows.astype(self.weights.dtype))

    def __call__(self, u: Params) -> Float[Array, ""]:
        return -jnp.sum(self.weights * self.contributions(u))

    def scores(self, u: Params) -> Float[Array, "n p"]:
        """Differentiate the contributions, s_i = d l_i / d u, f[n, p]; unweighted."""
        flat, unravel = ravel_pytree(u)
        return jax.jacfwd(lambda x: self.contributions(unravel(x)))(flat)

    def information(self, u: Params) -> Float[Array, "p p"]:
        """Evaluate the observed information J at u, f[p, p]."""
        return hessian(self, u)

    def opg(self, u: Params) -> Float[Array, "p p"]:
        """Sum the outer products of the scores, K = sum w s s', f[p, p] (Berndt, Hall, Hall & Hausman 1974)."""
        scores = self.scores(u)
        return (scores * self.weights[:, None]).T @ scores

    def gauss_newton(self, u: Params) -> Float[Array, "p p"]:
        """Evaluate the information at u, that of a location by Gauss and Newton, f[p, p]."""
        flat, unravel = ravel_pytree(u)

        def rows(x: Array, data: Data) -> Array:
            return self.model.log_likelihood(self.model.forward(unravel(x)), data).astype(self.weights.dtype)

        return gauss_newton(rows, flat, self.data, self.weights, self.information(u))

    def expected(self, u: Params) -> Float[Array, "p p"]:
        """Evaluate the expected information in unconstrained coordinates, f[p, p]."""
        if self.model.geometry.information is None:
            raise TypeError(
                f"the expected information of model {self.model.name or self.model.log_likelihood!r} is not known: "
                "give Model(information=(params, data) -> f[n, p, p]), or use optimizer='newton' or 'bhhh'"
            )
        flat, unravel = ravel_pytree(u)
        jacobian = jax.jacfwd(lambda x: ravel_pytree(self.model.forward(unravel(x)))[0])(flat)
        per_row = self.model.geometry.information(self.model.forward(u), self.data)
        return jacobian.T @ jnp.tensordot(self.weights, per_row, 1) @ jacobian


class Mean:
    """The mean contribution, with the sign of the objective: what first-order methods minimize.

    Args:
        objective: the sum.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        total = jnp.sum(objective.weights)
        self.total = jnp.where(total > 0, total, jnp.ones_like(total))

    def __call__(self, u: Params) -> Float[Array, ""]:
        return self.objective(u) / self.total


class Charted(Objective):
    """The objective in the coordinates of the model's chart."""

    @property
    def chart(self) -> Chart:
        assert self.model.geometry.chart is not None
        return self.model.geometry.chart

    @property
    def anchor(self) -> Anchor:
        return jax.lax.stop_gradient(self.chart.anchor(self.data, self.weights))

    @property
    def unitless(self) -> Bool[np.ndarray, " p"]:
        return np.array(self.chart.unitless, bool)

    @property
    def model_unitless(self) -> Bool[np.ndarray, " p"]:
        """`unitless` of the parameters' own coordinates."""
        return super().unitless

    def inward(self, u: Coordinates) -> Coordinates:
        """Map the parameters' coordinates to the chart's."""
        return self.chart.inward(u, self.anchor)

    def outward(self, v: Coordinates) -> Coordinates:
        """Map the chart's coordinates to the parameters'."""
        return self.chart.outward(v, self.anchor)

    def contributions(self, u: Params) -> Float[Array, " n"]:
        return mark_contributions(self.chart.contributions(u, self.data, self.anchor).astype(self.weights.dtype))

    def expected(self, u: Params) -> Float[Array, "p p"]:
        flat, unravel = ravel_pytree(u)
        jacobian = jax.jacfwd(lambda x: ravel_pytree(self.outward(unravel(x)))[0])(flat)
        return jacobian.T @ super().expected(self.outward(u)) @ jacobian
