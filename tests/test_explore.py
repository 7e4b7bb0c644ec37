"""The explorer without a browser: its state and its numbers."""

import re
import time

import numpy as np
import pytest

import jaxmle as jm
from jaxmle import io
from jaxmle.explore import ascent, begin, families, numbers
from jaxmle.explore import state as states
from jaxmle.explore import text as texts
from jaxmle.explore.state import MOVE, PRESS, RELEASE

# --- the state: no browser, no compilation ------------------------------------------------------------------


def applied(state, *events):
    """Apply pointer events in order: (kind, x, hit, moved)."""
    for kind, x, hit, moved in events:
        state = states.pointer(state, state.last_event + 1, kind, x, hit, moved)
    return state


def clicked(state, x, hit=-1):
    return applied(state, (PRESS, x, hit, False), (RELEASE, x, -1, False))


def normal(*x):
    state = states.new()
    for value in x:
        state = states.place(state, value)
    return state


def test_clicks_place_and_remove_and_drags_move():
    state = clicked(clicked(states.new(), 1.0), 2.0)
    assert (state.x, state.ids) == ((1.0, 2.0), (1, 2))
    state = applied(
        state, (PRESS, 1.0, 1, False), (MOVE, 1.5, -1, True), (MOVE, 3.0, -1, True), (RELEASE, 3.25, -1, True)
    )
    assert (state.x, state.ids) == ((3.25, 2.0), (1, 2))
    assert applied(state, (PRESS, 2.0, 2, False), (MOVE, 99.0, -1, True)).x == (3.25, 6.0)  # the window's end
    state = clicked(state, 3.25, hit=1)
    assert (state.x, state.ids, state.grabbed) == ((2.0,), (2,), -1)
    assert clicked(state, 0.5, hit=1).x == (2.0, 0.5)  # what is gone is not hit
    placed = applied(state, (PRESS, -1.0, -1, False), (MOVE, -2.0, -1, True), (RELEASE, -2.0, -1, True))
    assert placed.x == (2.0, -2.0)  # a press that becomes a drag carries what it placed


def test_events_that_are_lost_or_come_twice_are_known():
    state = clicked(states.new(), 1.0)
    assert states.pointer(state, 2, PRESS, 5.0, -1, False) == state
    state = states.pointer(state, 5, PRESS, 4.0, -1, False)
    assert (state.x, state.missed, state.last_event) == ((1.0, 4.0), 2, 5)


def test_equal_clicks_are_two_observations_and_counts_are_whole():
    assert clicked(clicked(states.new(), 1.0), 1.0).x == (1.0, 1.0)
    assert clicked(states.new("poisson"), 3.4).x == (3.0,)
    assert clicked(states.new("bernoulli"), 7.0).x == (1.0,)
    assert clicked(states.new("weibull"), -1.0).x[0] > 0
    assert clicked(states.new("beta"), 1.0).x[0] < 1


@pytest.mark.parametrize("family", jm.distributions.names())
def test_every_family_has_a_window_a_slider_for_each_parameter_and_itself_among_its_rivals(family):
    state = states.new(family)
    low, high = state.window
    assert low < high
    assert 1 <= len(state.axes) <= 2
    assert set(state.axes) <= set(families.model(family).space)
    assert families.alternatives(family)[0] == family
    assert {families.kind(name) for name in families.alternatives(family)} == {families.kind(family)}
    for name in families.model(family).space:
        start, end = families.slider_ends(family, name, state.window, np.nan)
        assert start < end
    inside = [families.nearest_possible(family, x) for x in np.linspace(low, high, 7)]
    assert np.all(np.asarray(families.response(family).possible(families.data(family, np.array(inside)))))


def test_a_table_that_cannot_be_used_is_explained(tmp_path):
    for name, content, words in [
        ("empty.csv", b"", "is empty"),
        ("none.csv", b"a,b\n", "has no rows"),
        ("text.csv", b"a,b\nx,y\n", "'x' is not a number"),
        ("table.xlsx", b"PK", "unknown kind of file"),
        ("broken.parquet", b"not parquet", "cannot be read as parquet"),
    ]:
        with pytest.raises(ValueError, match=re.escape(words)):
            states.columns_of(name, content)
    table, complaints = states.columns_of("some.csv", b"a,b\n1,x\n,y\n4,z\n")
    assert list(table) == ["a"]
    assert "'b'" in complaints[0]
    state = states.draw(states.new(), table["a"], "column 'a'")
    assert state.x == (1.0, 4.0)
    assert "1 missing or infinite cells left out" in state.note
    long = states.draw(states.new(), np.arange(5000.0), "long")
    assert len(long.x) == states.MOST
    assert "a random sample of 2000 of 5000 rows" in long.note
    with pytest.raises(ValueError, match="no column 'year'; columns of numbers: weeks, event"):
        begin(io.example("remission.csv"), "normal", "year")
    with pytest.raises(ValueError, match="did you mean 'weeks'|is not a number"):
        begin(io.example("remission.csv"), "normal", "treatment")


# --- the numbers: one family, compiled once -----------------------------------------------------------------

X = (1.2, -0.4, 0.7, 2.9, 1.1, -1.6, 0.2, 1.9)


@pytest.fixture(scope="module")
def eight():
    return normal(*X)._replace(params={"loc": -0.5, "scale": 2.0})


@pytest.fixture(scope="module")
def whole(eight):
    return numbers.at_maximum(eight)


def test_density_sticks_product_and_sum(eight):
    from scipy.stats import norm

    here = numbers.at_sliders(eight)
    assert np.allclose(here.density, norm.pdf(here.grid, -0.5, 2.0), rtol=1e-12)
    assert np.allclose(here.terms, norm.logpdf(X, -0.5, 2.0), rtol=1e-12)
    assert here.product(np.float64) == pytest.approx(np.exp(here.log_likelihood), rel=1e-12)
    assert here.score["loc"] == pytest.approx(np.sum(np.array(X) + 0.5) / 4.0, rel=1e-12)
    many = eight._replace(x=X * 25, ids=tuple(range(200)))
    assert (numbers.at_sliders(many).product(np.float32), numbers.at_sliders(many).product(np.float64) > 0) == (
        0.0,
        True,
    )
    assert "0, underflow" in texts.likelihood(numbers.at_sliders(many))


def test_the_surface_is_the_log_likelihood_and_its_contours_are_chi_square(eight, whole):
    from scipy.stats import chi2, norm

    fit = jm.fit("normal", np.array(X))
    assert whole.fit.params["loc"] == pytest.approx(float(fit.params["loc"]), abs=1e-12)
    assert whole.fit.log_likelihood == pytest.approx(fit.log_likelihood, rel=1e-12)
    x, y, drop = whole.surface
    total = norm.logpdf(np.array(X)[:, None, None], x, y[:, None]).sum(0)
    assert np.allclose(drop, total - fit.log_likelihood, atol=1e-9)
    assert x[0] <= eight.params["loc"] <= x[-1]
    for k, drops in numbers.DROPS.items():
        assert np.allclose(drops, chi2.ppf(np.array(numbers.LEVELS) / 100, k) / 2, atol=5e-5)
    loc, scale = whole.curves
    variance = np.mean((np.array(X)[:, None] - loc.x) ** 2, axis=0)  # profiled over the scale
    assert np.allclose(loc.drop, -len(X) / 2 * np.log(variance / np.var(X)), atol=1e-7)
    assert (loc.how, scale.how) == ("profile", "profile")


def test_one_more_observation_compiles_nothing(eight, whole):
    from jaxmle._util.compile import programs

    numbers.at_sliders(eight), numbers.at_maximum(eight)  # other tests may have had them dropped
    before = programs()
    more = states.place(eight, 0.3)
    begin_ = time.perf_counter()
    numbers.at_sliders(more), numbers.at_maximum(more)
    assert time.perf_counter() - begin_ < 2  # some 0.06 s on a quiet machine; seconds if it compiled
    assert programs() == before


@pytest.mark.parametrize("method", ["Newton", "gradient ascent"])
def test_every_ascent_ends_at_the_maximum(eight, whole, method):
    path = ascent.ascent(eight, whole.fit, method)
    assert "to the maximum" in path.sentence
    for name, points in path.points.items():
        assert points[0] == pytest.approx(eight.params[name], rel=1e-9)
        assert points[-1] == float(whole.fit.params[name])
    if method == "gradient ascent":  # which never goes down
        height = [numbers.at_sliders(eight._replace(params={"loc": a, "scale": b})).log_likelihood
                  for a, b in zip(path.points["loc"], path.points["scale"], strict=True)]  # fmt: skip
        assert np.all(np.diff(height) > -1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["L-BFGS", "Adam"])
def test_every_other_ascent_too(eight, whole, method):
    path = ascent.ascent(eight, whole.fit, method)
    assert path.points["scale"][-1] == float(whole.fit.params["scale"])


def test_samples_spread_like_the_standard_error(eight):
    x = np.random.default_rng(3).normal(1.0, 2.0, 200)
    state = states.draw(states.new(), x, "")
    fit = jm.fit("normal", x)
    found = numbers.resample(state, fit, 1)
    for name in ("loc", "scale"):
        assert found.deviation[name] == pytest.approx(found.error[name], rel=0.2)
        assert found.covered[name] > 0.88
    assert found.without == 0
    small = numbers.resample(normal(*X[:3]), jm.fit("normal", np.array(X[:3])), 1)
    assert small.covered["loc"] < 0.9
    assert "At n = 3 the 95 % intervals cover only" in texts.spread(small, 3)


@pytest.mark.parametrize(("x", "words"), [((), "no data"), ((1.5,), "unbounded"), ((1.5, 1.5, 1.5), "unbounded")])
def test_too_little_gets_a_verdict_and_no_curve(x, words):
    found = numbers.at_maximum(normal(*x)._replace(params={"loc": 0.0, "scale": 1.0}))
    assert words in found.verdict
    assert (found.surface, found.curves, found.best, found.found) == (None, (), None, False)


def test_data_outside_the_support_are_named():
    state = normal(1.0, -2.0, 3.0)._replace(family="exponential", params={"rate": 1.0}, axes=("rate",))
    found = numbers.at_maximum(state)
    assert found.fit is None
    assert "row 1 is -2.0, outside the support of exponential" in found.verdict
    assert "outside the support" in texts.maximum(numbers.at_sliders(state), found, 3)


@pytest.mark.slow
@pytest.mark.parametrize("family", jm.distributions.names())
def test_every_family_can_be_explored(family):
    from jaxmle.explore.warm import sample

    params = numbers.start(family, ())
    state = states.draw(states.new(family), sample(family, params, 40, 1), "")._replace(params=params)
    here, found = numbers.at_sliders(state), numbers.at_maximum(state)
    assert np.isfinite(here.terms).all()
    assert found.fit is not None and found.verdict
    if found.found:
        assert all(np.nanmax(curve.drop) < 1e-6 for curve in found.curves)
    for x in ((), state.x[:1], (state.x[0],) * 4):
        assert numbers.at_maximum(state._replace(x=x, ids=tuple(range(len(x))))).verdict
