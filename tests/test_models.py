"""Combinators: iid, censored, pinned, tied, and how a name becomes a model."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats as st

from jaxmle import distributions, models, spaces
from jaxmle.model import Geometry
from jaxmle.model.model import Model
from jaxmle.models import censoring

pytestmark = pytest.mark.usefixtures("x64")
INF = np.inf

LAWS = {
    "exponential": ({"rate": 0.7}, st.expon(0, 1 / 0.7)),
    "gamma": ({"shape": 2.5, "scale": 1.5}, st.gamma(2.5, 0, 1.5)),
    "geometric": ({"probability": 0.3}, st.geom(0.3)),
    "lognormal": ({"loc": 0.3, "scale": 0.8}, st.lognorm(0.8, 0, np.exp(0.3))),
    "negative_binomial": ({"mean": 3.5, "dispersion": 0.4}, st.nbinom(2.5, 1 / (1 + 0.4 * 3.5))),
    "normal": ({"loc": 0.5, "scale": 2.0}, st.norm(0.5, 2.0)),
    "poisson": ({"mean": 3.5}, st.poisson(3.5)),
    "student_t": ({"df": 4.0, "loc": 1.0, "scale": 2.0}, st.t(4.0, 1.0, 2.0)),
    "weibull": ({"scale": 3.0, "shape": 1.7}, st.weibull_min(1.7, 0, 3.0)),
}
# exact, right, left, between, between from below the support, unknown
LOWER = np.array([2.0, 3.0, -INF, 1.0, 2.0, -1.0, -INF])
UPPER = np.array([2.0, INF, 4.0, 5.0, 3.0, 3.0, INF])
DATA = {"lower": LOWER, "upper": UPPER}


def case(name):
    params, law = LAWS[name]
    return distributions.by_name(name), jax.tree.map(jnp.asarray, params), law


def as_jax(data):
    return {name: jnp.asarray(np.asarray(x, float)) for name, x in data.items()}


@pytest.mark.parametrize("name", LAWS)
def test_censored_contributions(name):
    d, params, law = case(name)
    density = law.logpmf(2.0) if d.discrete else law.logpdf(2.0)
    below = law.cdf(UPPER) - np.where(np.isfinite(LOWER), law.cdf(LOWER), 0)
    want = np.concatenate([[density], np.log(below[1:])])
    model = models.censored(d)
    value = jax.jit(model.log_likelihood)(params, as_jax(DATA))
    np.testing.assert_allclose(value, want, rtol=1e-11, atol=1e-14)
    assert model.possible(as_jax(DATA)).all()


SLOW = ("gamma", "negative_binomial", "poisson", "student_t")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in LAWS])
def test_censored_derivatives_are_clean_in_every_branch(name):
    d, params, _ = case(name)
    data = {
        "lower": jnp.concatenate([LOWER, jnp.array([3.0, np.nan, 1e8, 1e-9, 5.0, -INF])]),
        "upper": jnp.concatenate([UPPER, jnp.array([2.0, 1.0, 2e8, 2e-9, 5.0, -1e9])]),
    }
    flat, unravel = jax.flatten_util.ravel_pytree(params)

    def f(p):
        return models.censored(d).log_likelihood(unravel(p), data)

    # Second derivatives only where they compile in a moment: those through the incomplete beta are tested by themselves.
    slope_of = jax.jacrev(f)
    curve_of = slope_of if name in ("student_t", "negative_binomial") else jax.jacfwd(slope_of)
    value, slope, curve = map(np.asarray, jax.jit(lambda p: (f(p), slope_of(p), curve_of(p)))(flat))
    assert (value[7:9] == -INF).all() and not np.isnan(value).any()
    assert np.isfinite(slope).all() and np.isfinite(curve).all()
    assert (slope[6] == 0).all() and (curve[6] == 0).all()


@pytest.mark.parametrize("name", ["weibull", "poisson"])
def test_the_right_censored_form_gives_the_same_numbers(name):
    d, params, _ = case(name)
    data = as_jax({"lower": [1.0, 2.0, 3.0, -INF, np.nan], "upper": [1.0, INF, 3.0, INF, 2.0]})
    full, short = models.censored(d), models.as_model(name, data)
    assert short == models.censored(d, "right") != full
    np.testing.assert_array_equal(short.log_likelihood(params, data), full.log_likelihood(params, data))


@pytest.mark.parametrize("name", [n for n in LAWS if not distributions.by_name(n).discrete])
def test_narrow_intervals_become_densities(name):
    d, params, law = case(name)
    x = law.ppf([0.01, 0.5, 0.99])
    f = jax.jit(models.censored(d).log_likelihood)
    for width in (1e-12, 1e-8, 1e-5, 1e-4):
        value = f(params, as_jax({"lower": x, "upper": x + np.abs(x) * width}))
        np.testing.assert_allclose(
            value, law.logpdf(x) + np.log(np.abs(x) * width), atol=2e-3 if width > 1e-6 else 1e-4
        )


def test_far_intervals_are_not_floored():
    data = as_jax({"lower": [50.0, -51.0], "upper": [51.0, -50.0]})
    value = models.censored(distributions.normal).log_likelihood({"loc": 0.0, "scale": 1.0}, data)
    np.testing.assert_allclose(value, st.norm.logsf(50.0), rtol=1e-13)


def test_support_of_rows():
    rows = as_jax({"lower": [3.0, np.nan, -2.0, 0.0, -INF, -INF, 0.5], "upper": [2.0, 1.0, -1.0, 0.0, -1.0, 1.0, 0.5]})
    weibull = models.censored(distributions.weibull)
    poisson = models.censored(distributions.poisson)
    assert weibull.possible(rows).tolist() == [False, False, False, False, False, True, True]
    assert poisson.possible(rows).tolist() == [False, False, False, True, False, True, False]
    between = as_jax({"lower": [0.2, 0.2, 3.5, -1.0], "upper": [0.8, 1.0, INF, INF]})
    assert poisson.possible(between).tolist() == [False, True, True, True]


def test_binomial_cannot_be_censored():
    with pytest.raises(ValueError, match="binomial.*cannot be censored"):
        models.censored(distributions.binomial)


@pytest.mark.parametrize("name", LAWS)
def test_censored_starts(name):
    d, _, law = case(name)
    x = np.asarray(law.rvs(60, random_state=3), float)
    cut = np.floor(law.median())
    late = x > cut
    cases = [
        {"lower": np.where(late, cut, x), "upper": np.where(late, INF, x)},
        {"lower": np.full(4, 2.0), "upper": np.full(4, INF)},
        {"lower": np.full(4, -INF), "upper": np.full(4, INF)},
        {"lower": [0.0, 1.0, 2.0, 7.0], "upper": [1.0, 4.0, INF, 7.0]},
        {"lower": [-INF, -INF], "upper": [3.0, 4.0]},
    ]
    for data in map(as_jax, cases):
        n = len(data["lower"])
        start = models.censored(d).start(data, jnp.ones(n))
        assert all(bool(s.contains(start[k])) and np.isfinite(s.inverse(start[k])) for k, s in d.space.items())
        bad = {"lower": jnp.append(data["lower"], np.nan), "upper": jnp.append(data["upper"], -5.0)}
        padded = models.censored(d).start(bad, jnp.append(jnp.ones(n), 0.0))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), padded, start)


def test_simulation_keeps_the_scheme():
    params = {"scale": 3.0, "shape": 1.7}
    n = 20000
    kinds = [(2.0, 2.0), (2.5, INF), (-INF, 1.5), (1.0, 4.0)]
    lower, upper = (np.repeat(x, n) for x in np.array(kinds).T)
    model = models.censored(distributions.weibull)
    new = model.simulate(jax.random.key(0), params, as_jax({"lower": lower, "upper": upper}))
    low, high = (np.asarray(new[k]).reshape(4, n) for k in ("lower", "upper"))
    sf = st.weibull_min(1.7, 0, 3.0).sf
    # An exact row was observed from 1.5 on, where others reach their limit of detection, until 2.5, where studies end.
    assert np.mean(low[0] == high[0]) == pytest.approx(sf(1.5) - sf(2.5), abs=0.02)
    assert set(np.unique(low[0][low[0] != high[0]])) == {-INF, 2.5}
    assert np.mean((low[1] == 2.5) & (high[1] == INF)) == pytest.approx(sf(2.5), abs=0.02)
    assert np.mean((low[2] == -INF) & (high[2] == 1.5)) == pytest.approx(1 - sf(1.5), abs=0.02)
    assert np.mean((low[3] == 1.0) & (high[3] == 4.0)) == pytest.approx(sf(1.0) - sf(4.0), abs=0.02)
    assert np.mean((low[3] == 4.0) & (high[3] == INF)) == pytest.approx(sf(4.0), abs=0.02)


@pytest.mark.parametrize("name", ["weibull", "binomial"])
def test_iid(name):
    d = distributions.by_name(name)
    model = models.iid(d)
    x = as_jax({"successes": [1.0, 3.0], "trials": [4.0, 5.0]}) if d.columns else jnp.array([1.0, 2.0])
    params = model.start(x, jnp.ones(2))
    assert model.log_likelihood(params, x).shape == (2,)
    assert model.possible(x).all()
    new = model.simulate(jax.random.key(0), params, x)
    assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, x) and model.possible(new).all()


def test_equal_calls_give_equal_models():
    fresh, again = (
        censoring._censored.__wrapped__(distributions.weibull, "all", None) for _ in range(2)
    )  # past their cache
    assert fresh == again and hash(fresh) == hash(again)
    assert models.pinned("weibull", shape=1.0) == models.pinned("weibull", {"shape": 1.0})
    assert models.pinned("weibull", shape=1.0) != models.pinned("weibull", shape=2.0)
    assert hash(models.pinned("weibull", shape=1.0)) == hash(models.pinned("weibull", shape=2.0))


def test_geometry_is_passed_on_or_replaced_whole():
    for d in (distributions.gev, distributions.laplace, distributions.generalized_normal, distributions.normal):
        assert models.iid(d).geometry is d.geometry
        free = next(iter(d.space))
        rest = models.pinned(d, {free: 1.0}).geometry
        assert rest == dataclasses.replace(d.geometry, maximum=None) and rest.closed_form is None
        assert models.censored(d).geometry == Geometry(regular=d.geometry.regular)
    assert distributions.normal.geometry.maximum is not None and distributions.normal.geometry.closed_form is None
    assert distributions.laplace.geometry.closed_form is distributions.laplace.geometry.maximum


def test_a_model_has_one_expected_information():
    def log_likelihood(params, x):
        return -params["rate"] * x

    def information(params, x):
        return jnp.ones((x.shape[0], 1, 1))

    model = Model(log_likelihood, {"rate": spaces.positive}, information=information)
    assert model.geometry == Geometry(information=information) and model.information is information
    assert dataclasses.replace(model, geometry=Geometry()).information is None
    assert dataclasses.replace(model, name="other").information is information
    assert dataclasses.replace(models.iid(distributions.normal), information=information).information is information
    with pytest.raises(TypeError, match=r"geometry is 'edge'; expected a record such as"):
        Model(log_likelihood, {"rate": spaces.positive}, geometry="edge")


def test_as_model():
    weibull = distributions.weibull
    assert models.as_model("weibull") == models.as_model(weibull) == models.iid(weibull)
    assert models.as_model(weibull, DATA) == models.censored(weibull)
    assert models.as_model(models.iid(weibull), DATA) == models.iid(weibull)
    with pytest.raises(TypeError, match="expected a Model, a Distribution or the name"):
        models.as_model(3.0)


def _quadratic(params, x):
    noise = params["noise"]
    return -((x - params["beta"].sum()) ** 2) / noise["scale"] - noise["other"]


NESTED = Model(
    _quadratic,
    {"beta": spaces.real(shape=(3,)), "noise": {"scale": spaces.positive, "other": spaces.positive}},
)


def test_pinned_params_keep_their_structure():
    for model in (models.pinned(NESTED, {"noise": {"scale": 2.0}}), models.pinned(NESTED, {"noise.scale": 2.0})):
        assert model.free == 4 and model.names == NESTED.names
        params = model.forward(model.origin(float))
        assert jax.tree.structure(params) == jax.tree.structure(NESTED.space) and params["noise"]["scale"] == 2.0
        u = model.inverse({"beta": jnp.ones(3), "noise": {"scale": 5.0, "other": 1.0}})
        assert model.forward(u)["noise"]["scale"] == 2.0 and model.forward(u)["beta"].tolist() == [1, 1, 1]
    assert models.pinned(NESTED, beta=0.0).forward(models.pinned(NESTED, beta=0.0).origin(float))["beta"].shape == (3,)


def test_pinned_values_are_arguments_of_compiled_code():
    traced = []

    @jax.jit
    def f(model, u):
        traced.append(1)
        return model.forward(u)["shape"]

    for shape in (0.5, 1.0, 2.0):
        model = models.pinned("weibull", shape=shape)
        assert f(model, model.origin(float)) == shape
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shap": 1.0}, r"no parameter 'shap'. Did you mean 'shape'\? The model has: scale, shape"),
        ({"shape": -1.0}, r"shape = -1.0 is outside its space positive"),
        ({"shape": np.nan}, "outside its space"),
        ({"shape": np.ones((2, 2))}, r"shape has shape \(2, 2\); expected \(\)"),
        ({"shape": "one"}, "shape must be a number"),
        ({"shape": [1.0, -1.0]}, "outside its space"),
    ],
)
def test_pinned_errors(values, message):
    with pytest.raises(ValueError, match=message):
        models.pinned("weibull", values)


def test_pinned_takes_one_value_per_data_set():
    assert models.pinned("weibull", shape=[1.0, 2.0, 3.0]).space["shape"].bounds[0].shape == (3,)
    assert models.pinned(NESTED, beta=np.ones((5, 3))).free == 2
    assert models.pinned("weibull", scale=1e300, shape=1e-300).free == 0


def test_tied():
    model = models.tied(NESTED, {"noise.other": "noise.scale"})
    assert model.free == 4
    params = model.forward(model.inverse({"beta": jnp.ones(3), "noise": {"scale": 5.0, "other": 7.0}}))
    assert params["noise"]["other"] == params["noise"]["scale"] == pytest.approx(5.0)
    held = models.pinned(model, {"noise.scale": 2.0})
    assert held.forward(held.origin(float))["noise"]["other"] == 2.0


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"noise.scale": "noise.scale"}, "cannot copy itself"),
        ({"noise.scale": "beta"}, r"shape \(\) but beta has shape \(3,\)"),
        ({"noise.scale": "noise.other", "noise.other": "noise.scale"}, "itself a copy"),
        ({"noise.scale": "sigma"}, "no parameter 'sigma'"),
        ({"sigma": "noise.scale"}, "no parameter 'sigma'"),
    ],
)
def test_tied_errors(mapping, message):
    with pytest.raises(ValueError, match=message):
        models.tied(NESTED, mapping)


def test_tied_and_pinned_do_not_mix():
    tied = models.tied(NESTED, {"noise.other": "noise.scale"})
    with pytest.raises(ValueError, match="copies noise.scale; pin noise.scale instead"):
        models.pinned(tied, {"noise.other": 1.0})
    with pytest.raises(ValueError, match="already copied"):
        models.tied(
            Model(_quadratic, NESTED.space | {"third": spaces.positive}), {"noise.other": "third"}
        ) and models.tied(
            models.tied(Model(_quadratic, NESTED.space | {"third": spaces.positive}), {"noise.other": "third"}),
            third="noise.scale",
        )
    with pytest.raises(ValueError, match="is pinned"):
        models.tied(models.pinned(NESTED, {"noise.other": 1.0}), {"noise.other": "noise.scale"})
    with pytest.raises(ValueError, match="must be the same"):
        models.tied(Model(_quadratic, {"a": spaces.real, "b": spaces.positive}), b="a")


def test_a_model_of_an_unnamed_function_is_called_model():
    def density(params, x):
        return -((x - params["a"]) ** 2)

    space = {"a": spaces.real}
    assert Model(density, space).label == "density"
    assert Model(lambda params, x: density(params, x), space).label == "model"
    assert Model(lambda params, x: density(params, x), space, name="mine").label == "mine"
