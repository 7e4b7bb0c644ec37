"""What a row is: one record answers for every model made from distributions, and further combinators fit in."""

import ast
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from architecture import files, name_of, room_of
from catalogue import TABLE

import jaxmle as jm
from jaxmle import distributions, models, spaces
from jaxmle._util.records import record
from jaxmle.model.response import Response, Simulate
from jaxmle.models.censoring import Censored
from jaxmle.models.recipes import made_by, recipe_of
from jaxmle.special import log1mexp

pytestmark = pytest.mark.usefixtures("x64")
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


def response_of(model):
    found = models.as_model(model).response
    assert found is not None
    return found


# --- files and words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [None, "all", "right"])
@pytest.mark.parametrize("name", [n for n in PARAMS if n in ("weibull", "poisson", "binomial")])
def test_a_recipe_makes_the_response_again(name, kinds):
    if kinds and name == "binomial":
        return
    d = distributions.by_name(name)
    model = models.censored(d, kinds) if kinds else models.iid(d)
    recipe = recipe_of(model)
    assert recipe == {"distribution": name} | ({"kinds": kinds} if kinds else {})
    assert made_by(recipe).response == model.response
    other = jm.Model(lambda p, x: model.log_likelihood(p, x), model.space)
    mine = models.iid(dataclasses.replace(d, support=lambda x: d.support(x)))
    assert recipe_of(other) is recipe_of(mine) is made_by(None) is made_by({"distribution": "unheard of"}) is None


def test_saved_fits_keep_it(tmp_path):
    hours = np.array([1.0, 2.0, 4.0, 5.0])
    for model, data in (
        ("weibull", hours),
        (models.pinned("weibull", shape=1.0), hours),
        ("exponential", {"lower": hours, "upper": np.where(hours < 4, hours, INF)}),
        ("binomial", {"successes": hours, "trials": 2 * hours}),
    ):
        fit = jm.fit(model, data)
        assert jm.load(fit.save(tmp_path / "fit.npz")).model.response == fit.model.response
    own = jm.fit(jm.Model(lambda p, x: -((x - p["a"]) ** 2), {"a": spaces.real}), hours)
    assert jm.load(own.save(tmp_path / "fit.npz")).model.response is None


def test_equal_responses_are_equal():
    one, two = (response_of(models.iid.__wrapped__(distributions.gamma)) for _ in range(2))
    assert one == two and hash(one) == hash(two) and one != response_of("weibull")
    assert response_of("gamma") != response_of(models.censored(distributions.gamma))


def test_columns_are_asked_for_by_name():
    with pytest.raises(TypeError, match="a distribution of successes, trials needs data with these columns, got"):
        response_of("binomial").possible({"successes": jnp.ones(2)})
    with pytest.raises(ValueError, match="the known columns x need an outcome with a name"):
        dataclasses.replace(response_of("normal"), known=("x",))


def test_only_the_model_looks_at_its_log_likelihood():
    """Everyone else asks `model.response`."""
    asked = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in files()
        if room_of(name_of(path)) not in ("model", "models")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "getattr", "hasattr", "type")
        and ".log_likelihood" in ast.unparse(node)
    ]
    assert asked == []


# --- combinators to come: each is a record around another --------------------------------------------------


@record
class Truncated:
    """Y given that it exceeds a known column."""

    of: Any
    entry: str
    has_mean = False

    def tail(self, params, known):
        return self.of.logsf(params, known[self.entry], known)

    def logpdf(self, params, y, known):
        inside = y > known[self.entry]
        return jnp.where(inside, self.of.logpdf(params, y, known) - self.tail(params, known), -jnp.inf)

    def logsf(self, params, y, known):
        return jnp.minimum(self.of.logsf(params, y, known) - self.tail(params, known), 0)

    def logcdf(self, params, y, known):
        return log1mexp(self.logsf(params, y, known))

    def quantile(self, params, q, known):
        return self.of.quantile(params, -jnp.expm1(jnp.log1p(-q) + self.tail(params, known)), known)

    def sample(self, key, params, shape, known):
        return self.quantile(params, jax.random.uniform(key, shape), known)

    def support(self, y, known):
        return self.of.support(y, known) & (y > known[self.entry])

    def range(self, known):
        return known[self.entry], self.of.range(known)[1]


def truncated(response: Response, entry: str) -> Response:
    d: Any = Truncated(response.distribution, entry)
    return dataclasses.replace(response, distribution=d, outcome=("y",), known=(*response.known, entry), name="")


def test_a_truncated_response():
    """Left-truncated exponential times: rate = events / time at risk, censored or not."""
    base = models.iid(distributions.exponential)
    rng = np.random.default_rng(5)
    entry = rng.uniform(0, 2, 60)
    y = entry + rng.exponential(2.0, 60)
    response = truncated(response_of(base), "entry")
    model = jm.Model(response, base.space, simulate=Simulate(response))
    fit = jm.fit(model, {"y": y, "entry": entry})
    rate = 60 / np.sum(y - entry)
    assert fit.params["rate"] == pytest.approx(rate, rel=1e-9)
    assert fit.quantile(0.5, entry=2.0).value == pytest.approx(2 + np.log(2) / rate)
    assert fit.sf({"y": 3.0, "entry": 1.0}).value == pytest.approx(np.exp(-2 * rate))
    again = jm.fit("exponential", y - entry)
    np.testing.assert_allclose(fit.residuals(), again.residuals(), atol=1e-9)
    new = fit.simulate(1)
    assert (new["y"] > entry).all() and (new["entry"] == entry).all()
    with pytest.raises(ValueError, match="outside the support"):
        jm.fit(model, {"y": entry - 0.1, "entry": entry})
    seen = np.minimum(y, entry + 2)
    censored = dataclasses.replace(response, observation=Censored("right"))
    model = jm.Model(censored, base.space, simulate=Simulate(censored))
    fit = jm.fit(model, {"lower": seen, "upper": np.where(y <= seen, y, INF), "entry": entry})
    assert fit.params["rate"] == pytest.approx(np.sum(y <= seen) / np.sum(seen - entry), rel=1e-9)
    assert set(fit.simulate(1)) == {"lower", "upper", "entry"} and np.isfinite(fit.residuals(2)).all()


@record
class Mixture:
    """One of several distributions at random."""

    parts: tuple[Any, ...]

    @property
    def has_mean(self):
        return all(part.has_mean for part in self.parts)

    def mixed(self, what, params, *given):
        terms = [getattr(d, what)(p, *given) for d, p in zip(self.parts, params["parts"], strict=True)]
        return jax.nn.logsumexp(jnp.log(params["share"]) + jnp.stack(terms, -1), axis=-1)

    def logpdf(self, params, y, known):
        return self.mixed("logpdf", params, y, known)

    def logcdf(self, params, y, known):
        return self.mixed("logcdf", params, y, known)

    def logsf(self, params, y, known):
        return self.mixed("logsf", params, y, known)

    def mean(self, params, known):
        return sum(s * d.mean(p, known) for s, d, p in zip(params["share"], self.parts, params["parts"], strict=True))

    def support(self, y, known):
        return jnp.any(jnp.stack([d.support(y, known) for d in self.parts]), 0)

    def range(self, known):
        ends = [d.range(known) for d in self.parts]
        return min(low for low, _ in ends), max(high for _, high in ends)


def test_a_mixture_of_responses():
    one, two = response_of("exponential"), response_of("weibull")
    d: Any = Mixture((one.distribution, two.distribution))
    response = dataclasses.replace(one, distribution=d, name="")
    params = {"share": jnp.array([0.3, 0.7]), "parts": ({"rate": 0.5}, {"scale": 3.0, "shape": 2.0})}
    y = jnp.array([0.5, 2.0, 4.0])
    want = 0.3 * np.exp(one(params["parts"][0], y)) + 0.7 * np.exp(two(params["parts"][1], y))
    np.testing.assert_allclose(np.exp(response(params, y)), want)
    np.testing.assert_allclose(np.exp(response.logcdf(params, y, {})) + np.exp(response.logsf(params, y, {})), 1)
    assert response.range({}) == (0.0, INF) and response.has_mean
    space = {"share": spaces.simplex(2), "parts": ({"rate": spaces.positive}, dict(distributions.weibull.space))}
    censored = dataclasses.replace(response, observation=Censored())
    data = {"lower": y, "upper": jnp.array([0.5, INF, 5.0])}
    value = jm.Model(censored, space).log_likelihood(params, data)
    np.testing.assert_allclose(value[:2], [response(params, y[:1])[0], response.logsf(params, y[1], {})])


@record
class Regressed:
    """A distribution whose loc is a line in a known column."""

    of: Any

    @property
    def has_mean(self):
        return self.of.has_mean

    def given(self, params, known):
        return {"loc": params["intercept"] + params["slope"] * known["x"], "scale": params["scale"]}

    def logpdf(self, params, y, known):
        return self.of.logpdf(self.given(params, known), y, {})

    def logcdf(self, params, y, known):
        return self.of.logcdf(self.given(params, known), y, {})

    def logsf(self, params, y, known):
        return self.of.logsf(self.given(params, known), y, {})

    def quantile(self, params, q, known):
        return self.of.quantile(self.given(params, known), q, {})

    def sample(self, key, params, shape, known):
        return self.of.sample(key, self.given(params, known), shape, {})

    def mean(self, params, known):
        return self.of.mean(self.given(params, known), {})

    def support(self, y, known):
        return self.of.support(y, {})

    def range(self, known):
        return self.of.range({})


def test_a_response_whose_parameter_is_a_column():
    d: Any = Regressed(response_of("normal").distribution)
    response = dataclasses.replace(response_of("normal"), distribution=d, outcome=("y",), known=("x",), name="")
    space = {"intercept": spaces.real, "slope": spaces.real, "scale": spaces.positive}
    rng = np.random.default_rng(6)
    x = rng.uniform(0, 3, 50)
    y = 1 + 2 * x + rng.normal(size=50)
    fit = jm.fit(jm.Model(response, space, simulate=Simulate(response)), {"y": y, "x": x})
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - intercept - slope * x
    assert fit.params["slope"] == pytest.approx(slope, abs=1e-8)
    np.testing.assert_allclose(fit.residuals(), rest / rest.std(), atol=1e-6)
    np.testing.assert_allclose(fit.mean(x=[1.0, 2.0]).value, intercept + slope * np.array([1.0, 2.0]), atol=1e-8)
    np.testing.assert_allclose(fit.quantile(0.5, x=[1.0, 2.0]).value, fit.mean(x=[1.0, 2.0]).value)
    assert fit.pdf({"y": 3.0, "x": 1.0}).value < fit.pdf({"y": intercept + slope, "x": 1.0}).value
    new = fit.simulate(2)
    assert (new["x"] == x).all() and np.corrcoef(new["y"], y)[0, 1] > 0.5
