"""Every distribution answers through its response."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, pick
from catalogue import TABLE, TRIALS

from jaxmle import distributions, models

pytestmark = pytest.mark.usefixtures("x64")
KEY = jax.random.key(3)
INF = np.inf
PARAMS = {name: row.params for name, row in TABLE.items()} | {
    "bernoulli": {"probability": 0.3},
    "binomial": {"probability": 0.3},
    "exponential": {"rate": 0.7},
    "gamma": {"shape": 2.5, "scale": 1.5},
    "geometric": {"probability": 0.3},
    "lognormal": {"loc": 0.3, "scale": 0.8},
    "negative_binomial": {"mean": 3.5, "dispersion": 0.4},
    "normal": {"loc": 0.5, "scale": 2.0},
    "poisson": {"mean": 3.5},
    "student_t": {"df": 4.0, "loc": 1.0, "scale": 2.0},
    "weibull": {"scale": 3.0, "shape": 1.7},
}
# Those whose incomplete integrals compile for seconds; all reach their response by the same few lines.
SLOW = (
    "beta", "beta_binomial", "beta_prime", "burr12", "chi", "chi2", "f", "conway_maxwell_poisson", "gamma", "generalized_gamma", "generalized_normal",
    "inverse_gamma", "nakagami", "negative_binomial", "pearson3", "rice", "skellam", "student_t", "von_mises", "zeta",
)  # fmt: skip
VECTORS = {
    "multivariate_normal": (
        models.iid(distributions.multivariate_normal(2)),
        {"loc": jnp.array([1.0, -1.0]), "covariance": jnp.array([[2.0, 0.5], [0.5, 1.0]])},
        jnp.zeros((7, 2)),
    ),
    "wishart": (
        models.iid(distributions.wishart(2)),
        {"df": 5.0, "scale": jnp.array([[2.0, 0.5], [0.5, 1.0]])},
        jnp.broadcast_to(jnp.eye(2), (7, 2, 2)),
    ),
    "multinomial": (
        models.iid(distributions.multinomial(3)),
        {"probability": jnp.array([0.2, 0.3, 0.5])},
        {"counts": jnp.zeros((7, 3)), "trials": jnp.full(7, 4.0)},
    ),
    "copula": (
        models.gaussian_copula({"a": "normal", "b": "logistic"}),
        {
            "a": {"loc": 0.0, "scale": 1.0},
            "b": {"loc": 2.0, "scale": 1.0},
            "correlation": jnp.array([[1.0, 0.5], [0.5, 1.0]]),
        },
        {"a": jnp.zeros(7), "b": jnp.ones(7), "note": jnp.arange(7.0)},
    ),
}


def response_of(model):
    found = models.as_model(model).response
    assert found is not None
    return found


def known_of(response, n):
    return {name: jnp.full(n, TRIALS) for name in response.known}


# --- laws of every distribution ----------------------------------------------------------------------------


def test_the_table_is_whole():
    assert PARAMS.keys() == set(distributions.names())


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in PARAMS])
def test_every_distribution_answers_through_its_response(name):
    response, d, n = response_of(name), distributions.by_name(name), 20
    params = jax.tree.map(jnp.asarray, PARAMS[name])
    known = known_of(response, n)

    @jax.jit
    def answers(params):
        y = response.sample(KEY, params, (n,), known)
        x = response.join(y, known)
        tails = [response.logcdf(params, v, known) for v in (y, response.before(y))]
        return y, response(params, x), d.logpdf(params, x), *tails, response.logsf(params, y, known)

    y, value, direct, *tails = answers(params)
    x = response.join(y, known)
    assert y.shape == (n,) and response.univariate and not response.intervals and response.name == name
    assert response.possible(x).all() and response.support(y, known).all()
    np.testing.assert_array_equal(value, direct)
    below, before, above = np.exp(tails)
    np.testing.assert_allclose(below + above, 1, rtol=1e-9)
    assert response.discrete == bool(np.all(y == np.round(y)))
    if response.discrete:
        np.testing.assert_allclose(np.exp(value), below - before, rtol=1e-6, atol=1e-12)
    else:
        assert response.before(y) is y
    least, most = response.range(known)
    assert np.all(least <= y) and np.all(y <= most)
    assert all(bounds is y for bounds in response.bounds(y)) if not response.outcome else True
    if response.has_mean:
        mean = response.mean(params, known)
        assert np.all(np.isnan(mean) | ((least <= mean) & (mean <= most)))


@pytest.mark.parametrize("case", [c for c in CASES if c.model.response is not None], ids=str)
def test_contributions_of_the_cases(case):
    data = jax.tree.map(jnp.asarray, pick(case.data(1, 2, 9), 0))
    response = case.model.response
    value, low_high = response(case.truth, data), response.bounds(data)
    exact = low_high[0] == low_high[1]
    known = response.known_of(data)
    np.testing.assert_array_equal(value, case.model.log_likelihood(case.truth, data))
    np.testing.assert_allclose(
        np.where(exact, value, 0), np.where(exact, response.logpdf(case.truth, low_high[0], known), 0)
    )
    assert response.possible(data).all() and case.model.possible(data).all()


@pytest.mark.parametrize("case", [c for c in CASES if c.model.response is None], ids=str)
def test_a_log_likelihood_of_ones_own_has_none(case):
    assert case.model.possible(None) is None
    assert case.model.keeps_constants == (case.name == "logistic by rows")


@pytest.mark.parametrize("name", ["weibull", "normal", "poisson", "geometric"])
@pytest.mark.parametrize("kinds", ["all", "right"])
def test_censored_contributions_are_those_of_the_tails(name, kinds):
    response, params = response_of(models.censored(distributions.by_name(name), kinds)), PARAMS[name]
    assert response.intervals and response.discrete == distributions.by_name(name).discrete
    lower, upper = jnp.array([2.0, 3.0, -INF, 1.0, -INF]), jnp.array([2.0, INF, 4.0, 5.0, INF])

    @jax.jit
    def answers(params):
        tails = [response.logcdf(params, v, {}) for v in (lower, upper)]
        exact = response.logpdf(params, lower[:1], {})
        return response(params, {"lower": lower, "upper": upper}), exact, *tails, response.logsf(params, lower, {})

    value, exact, before, below, above = answers(params)
    between = np.log(np.exp(below[3]) - np.exp(before[3]))
    want = [exact[0], above[1], below[2], between, 0.0]
    if kinds == "right":
        want[2:4] = [-INF, -INF]
    np.testing.assert_allclose(value, want, rtol=1e-12)
    np.testing.assert_array_equal(jnp.stack(response.bounds({"lower": lower, "upper": upper})), [lower, upper])


@pytest.mark.parametrize(
    ("restricted", "free"),
    [
        (models.pinned("gamma", shape=2.0), "gamma"),
        (models.tied("beta", b="a"), "beta"),
        (models.pinned(models.censored(distributions.weibull), shape=1.0), models.censored(distributions.weibull)),
        (models.pinned("binomial", probability=0.5), "binomial"),
    ],
)
def test_restricted_models_have_the_response_of_the_free_one(restricted, free):
    assert restricted.response == response_of(free)
    params = restricted.forward(restricted.origin(jnp.float64))
    x = {"lower": 1.0, "upper": INF, "successes": 3.0, "trials": 9.0}
    data = x if restricted.response.intervals or restricted.response.known else 0.5
    data = jax.tree.map(lambda v: jnp.full(2, v), data)
    np.testing.assert_array_equal(restricted.response(params, data), response_of(free)(params, data))


@pytest.mark.parametrize("name", VECTORS)
def test_rows_of_several_numbers(name):
    model, params, data = VECTORS[name]
    response, new = model.response, jax.jit(model.simulate)(KEY, params, data)
    assert not response.univariate and jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, data)
    assert response.possible(new).all() and np.isfinite(jax.jit(response)(params, new)).all()
    y, known = response.split(new)
    assert jax.tree.structure(response.join(y, known)) == jax.tree.structure(dict.fromkeys(response.columns, 0) or 0)
    with pytest.raises(TypeError, match="no distribution function"):
        response.logcdf(params, y, known)
    for column in ("note", "trials"):
        if response.outcome and column in data:
            np.testing.assert_array_equal(new[column], data[column])
