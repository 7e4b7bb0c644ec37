"""Edges of every family, in one batch each: one row, two, all equal, other units, bad rows; the verdict is honest."""

import functools

import catalogue
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_distributions

import jaxmle as jm
from jaxmle import Status, distributions
from jaxmle.inference import matrices

N, TRIALS = 40, catalogue.TRIALS
QUICK = ("asymmetric_laplace", "cauchy", "normal", "rayleigh")
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in distributions.names()]

LIMIT = {Status.AT_BOUNDARY, Status.AT_INFINITY}
FINE = {Status.CONVERGED, Status.CONVERGED_TO_ROUNDING, Status.AT_DATA_EDGE}
# Constant data: a law that can be as narrow as it likes has no bound; these have one, or are masses.
BOUNDED = {
    "chi2": FINE, "exponential": FINE, "f": FINE | LIMIT, "half_normal": FINE, "levy": FINE, "lomax": LIMIT, "power_law": FINE,
    "rayleigh": FINE, "triangular": FINE,
}  # fmt: skip
DISPERSED = ("beta_binomial", "conway_maxwell_poisson", "generalized_poisson", "negative_binomial", "skellam")
# An upper end that closes on the greatest row, with shape < -1, has no bound (Smith 1985); few rows have no other maximum.
ENDED = ("gev", "gpd", "pearson3")
CIRCULAR = ("von_mises", "wrapped_cauchy")
PURE = ("chi2", "f")  # positive numbers without units: no scale
BAD = {
    "not a number": Status.MISSING_VALUES,
    "infinite": Status.OUTSIDE_SUPPORT,
    "negative weight": Status.BAD_WEIGHTS,
    "nothing": Status.NO_DATA,
}


def params_of(name):
    return catalogue.TABLE[name].params if name in catalogue.TABLE else test_distributions.TABLE[name][0]


def as_data(d, x):
    return {"successes": x, "trials": np.full(x.shape, TRIALS)} if d.columns else x


def edges(name):
    """Rows and weights [N] of each edge, by its name."""
    d = distributions.by_name(name)
    params = jax.tree.map(jnp.asarray, params_of(name))
    x = np.asarray(d.sample(jax.random.key(5), params, (N,), **({"trials": TRIALS} if d.columns else {})), float)
    values = np.unique(x)
    two = values[[1, -2]] if len(values) > 3 else values[:2]
    first = (np.arange(N)[:, None] < [1, 2, 5]).astype(float).T
    sets = {
        "regular": (x, np.ones(N)),
        "one": (np.full(N, two[0]), first[0]),
        "two": (np.resize(two, N), first[1]),
        "equal": (np.full(N, two[0]), first[2]),
        "not a number": (np.where(np.arange(N) == 3, np.nan, x), np.ones(N)),
        "infinite": (np.where(np.arange(N) == 0, np.inf, x), np.ones(N)),
        "negative weight": (x, np.where(np.arange(N) == 4, -1.0, 1.0)),
        "nothing": (x, np.zeros(N)),
        "again": (x, np.ones(N)),
    }
    if d.discrete:
        sets["least"] = (np.full(N, 0.0 if d.support(as_data(d, np.zeros(1))).all() else 1.0), first[2])
    elif has_units(d, x):
        sets["large"], sets["small"] = (x * 1e12, np.ones(N)), (x * 1e-12, np.ones(N))
    return sets


def has_units(d, x):
    return bool(d.support(x * 1e12).all()) and d.name not in (*CIRCULAR, *PURE)


def constant(name, d, edge):
    """What may be said of one row, or of equal rows."""
    if not d.discrete:
        return BOUNDED.get(name, {Status.UNBOUNDED})
    if edge == "least" or name in ("bernoulli", *DISPERSED):
        return LIMIT
    return FINE


@functools.lru_cache
def contributions(name):
    return jax.jit(distributions.by_name(name).logpdf)


def total(name, params, x, w):
    """The weighted log-likelihood of one data set."""
    with np.errstate(invalid="ignore"):
        each = np.asarray(contributions(name)(params, as_data(distributions.by_name(name), x)))
    return float(np.sum(np.where(w > 0, w * each, 0)))


@pytest.mark.parametrize("name", NAMES)
def test_edges(name, x64):
    d, sets = distributions.by_name(name), edges(name)
    x, w = (np.stack(part) for part in zip(*sets.values(), strict=True))
    fits = jm.fit_many(d, as_data(d, x), weights=w, retries=0)
    index = {edge: i for i, edge in enumerate(sets)}
    status = {edge: Status(int(np.asarray(fits.status)[i])) for edge, i in index.items()}
    value, start = fits.log_likelihood, jax.jit(d.start)
    by_name = fits.standard_errors()
    errors = np.stack([np.asarray(by_name[k]) for k in d.space], axis=-1)

    assert {edge: status[edge] for edge in BAD} == BAD
    for edge in ("one", "equal", *(["least"] if d.discrete else [])):
        assert status[edge] in constant(name, d, edge), (edge, status[edge])
    assert (name in ("cauchy", "wrapped_cauchy")) <= (status["two"] is Status.NOT_IDENTIFIED)
    two = {Status.UNBOUNDED} if name in ENDED else FINE | LIMIT | {Status.NOT_IDENTIFIED}
    if (
        name == "johnson_su"
    ):  # it has no bound where loc is a row, and the ascent in four parameters goes there on two rows
        two |= {Status.MAX_STEPS}
    assert status["two"] in two
    assert status["regular"] in FINE | LIMIT

    for edge, i in index.items():
        params = {k: fits.params[k][i] for k in d.space}
        message = fits.message(i)
        assert bool(fits.converged[i]) == status[edge].ok
        if status[edge] in FINE:
            assert fits.attained[i] and np.isfinite(value[i])
            assert value[i] == pytest.approx(total(name, params, x[i], w[i]), rel=1e-12, abs=1e-12), edge
        if status[edge].ok:
            assert (errors[i] > 0).all() and np.isfinite(errors[i]).all(), edge
        else:
            assert np.isnan(errors[i]).all(), edge
        if status[edge].at_limit:
            assert "->" in message and np.isfinite(value[i]), edge
            # The supremum: no lower than at the start, nor at the params that other data sets have.
            others = [start(as_data(d, x[i]), w[i])]
            others += [{k: fits.params[k][j] for k in d.space} for j in np.flatnonzero(fits.converged)]
            assert all(not total(name, p, x[i], w[i]) > value[i] + 1e-7 for p in others), edge
            assert not d.discrete or value[i] < 1e-7
            if fits.attained[i]:
                assert value[i] == pytest.approx(total(name, params, x[i], w[i]), rel=1e-9, abs=1e-9), edge
        if status[edge] is Status.UNBOUNDED:
            assert not fits.attained[i] and ("->" in message or name in (*ENDED, "uniform")), message

    # One data set never touches another, and units change nothing.
    for k in (*d.space,):
        assert fits.params[k][index["again"]] == fits.params[k][index["regular"]]
    assert value[index["again"]] == value[index["regular"]]
    for edge, factor in (("large", 1e12), ("small", 1e-12)):
        if edge in index and status["regular"] in FINE:
            i, regular = index[edge], index["regular"]
            assert status[edge] is status["regular"]
            assert value[i] + N * np.log(factor) == pytest.approx(value[regular], abs=1e-7)
            density = [contributions(name)({k: fits.params[k][j] for k in d.space}, x[j]) for j in (i, regular)]
            np.testing.assert_allclose(density[0] + np.log(factor), density[1], atol=1e-5)


@pytest.mark.parametrize("p", [1, 2, 5, 20])
def test_information_is_inverted_whatever_its_scale(p):
    """Well and badly conditioned, in any units; singular, indefinite and unknown ones are not."""
    rng = np.random.default_rng(p)
    root = rng.normal(size=(3000, p, p)) + np.geomspace(0.01, 10, 3000)[:, None, None] * np.eye(p)
    units = 10.0 ** rng.uniform(-60, 60, (3000, p))
    plain = root @ np.swapaxes(root, 1, 2)
    plain = 0.5 * (plain + np.swapaxes(plain, 1, 2))
    inverse = matrices.inverse(plain * units[:, :, None] * units[:, None, :])
    diagonal = np.sqrt(np.diagonal(plain, axis1=1, axis2=2))
    scaled = plain / diagonal[:, :, None] / diagonal[:, None, :]
    values = np.linalg.eigvalsh(scaled)
    sure = values[:, 0] > 1e-12
    back = inverse * (units * diagonal)[:, :, None] * (units * diagonal)[:, None, :]
    error = np.abs(back @ scaled - np.eye(p)).max((1, 2))
    assert sure.mean() > 0.9 and (error[sure] < 1e-14 * (10 + p**2 / values[sure, 0])).all()
    bad = np.stack([np.zeros((p, p)), -np.eye(p), np.full((p, p), np.nan), np.diag([np.inf] * p)])
    assert np.isnan(matrices.inverse(bad)).all()
    if p > 1:
        assert np.isnan(matrices.inverse(np.ones((p, p)))).all()
        assert np.isnan(matrices.inverse(2 * np.ones((p, p)) - np.eye(p))).all()
    for shape in ((0, p, p), (4, 0, 0)):
        assert matrices.inverse(np.empty(shape)).shape == shape
