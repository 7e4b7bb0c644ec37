"""Common mistakes in derivatives: those of another parametrization, another kind of information, an inverse."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxmle import spaces
from jaxmle._util.arrays import Array, Float
from jaxmle.checks.exact import Case, Derivatives
from jaxmle.model.observations import for_model

Where = tuple[Float[np.ndarray, " p"], Float[np.ndarray, " n"]]
"The natural scalars and the weights of a comparison."


def alternatives(
    case: Case, kind: str, where: list[Where], exact: list[Derivatives]
) -> dict[str, Float[np.ndarray, "m q"]]:
    """Evaluate each entry as it would be after each of the common mistakes.

    Args:
        case: model and data.
        kind: "score" (q = p entries) or "hessian" (q = p * p).
        where: the point f[p] and the weights f[n] of each of the m comparisons.
        exact: what `evaluate` gave there.

    Returns:
        sentence, with {0} for the parameter's name -> f[m, q]; NaN where it does not apply.
    """
    found = _reparametrized(case, kind, where, exact)
    if kind == "score" and np.any(case.weights != 1):
        values = [
            e["scores"].sum(0) if np.array_equal(w, case.weights) else e["score"]
            for (_, w), e in zip(where, exact, strict=True)
        ]
        found["the weights are missing: this is the unweighted sum over the rows"] = _flat(values)
    if kind == "hessian":
        opg = [(w[:, None] * e["scores"]).T @ e["scores"] for (_, w), e in zip(where, exact, strict=True)]
        inverse = _flat([_inverse(e["hessian"]) for e in exact])
        found["this is minus the outer product of the scores (OPG), not the second derivative"] = -_flat(opg)
        found["this is the inverse of the Hessian; its matrix of second derivatives is wanted"] = inverse
        found["this is the inverse of the information (a covariance); the Hessian is wanted"] = -inverse
        if case.model.geometry.information is not None:
            expected = _flat([_expected(case, x, w) for x, w in where])
            found["this is minus the expected information; the observed second derivative is wanted"] = -expected
    return found


def _reparametrized(
    case: Case, kind: str, where: list[Where], exact: list[Derivatives]
) -> dict[str, Float[np.ndarray, "m q"]]:
    """Evaluate derivatives in the coordinates of elementwise spaces: S dx/du, and H (dx/du)^2 + S d2x/du2 on the diagonal."""
    leaves = jax.tree.leaves(case.model.space)
    if any(s.kind.ends is None for s in leaves):
        return {}
    values = []
    for (x, _), e in zip(where, exact, strict=True):
        first, second = _slopes(case, x)
        diagonal = first**2 * np.diag(e["hessian"]) + second * e["score"]
        values.append(first * e["score"] if kind == "score" else np.diag(diagonal))
    q = _flat(values)
    positive = np.array([s.kind == spaces.positive.kind for s in leaves for _ in range(int(np.prod(s.value_shape)))])
    if kind == "hessian":
        positive = (positive[:, None] & np.eye(len(positive), dtype=bool)).ravel()
        q = np.where(np.eye(len(case.flat), dtype=bool).ravel(), q, np.nan)
    start = "the derivative" if kind == "score" else "the second derivative"
    end = "was taken in place of {0} (chain rule)"
    return {
        f"{start} with respect to log({{0}}) {end}": np.where(positive, q, np.nan),
        f"{start} with respect to the unconstrained coordinate of {{0}} {end}": np.where(positive, np.nan, q),
    }


def _flat(values: list[np.ndarray]) -> Float[np.ndarray, "m q"]:
    return np.array([np.ravel(v) for v in values])


def _expected(case: Case, x: Float[np.ndarray, " p"], weights: Float[np.ndarray, " n"]) -> Float[np.ndarray, "p p"]:
    """Compute minus the expected Hessian: the expected information of rows summed by weights."""
    information = case.model.geometry.information
    assert information is not None
    return np.tensordot(weights, np.asarray(information(case.at(x), for_model(case.model, case.data))), 1)


def _inverse(m: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
    """Invert a matrix; NaN where it is singular."""
    try:
        return np.linalg.inv(m)
    except np.linalg.LinAlgError:
        return np.full_like(m, np.nan)


def _slopes(case: Case, x: Float[np.ndarray, " p"]) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Evaluate dx/du and d2x/du2 of elementwise spaces, f[p] each."""
    u, unravel = ravel_pytree(case.model.inverse(case.at(x)))
    one = jnp.ones_like(u)

    def forward(v: Array) -> Array:
        return ravel_pytree(case.model.forward(unravel(v)))[0]

    def slope(v: Array) -> Array:
        return jax.jvp(forward, (v,), (one,))[1]

    return np.asarray(slope(u)), np.asarray(jax.jvp(slope, (u,), (one,))[1])
