"""Pictures: what is drawn, not its pixels. The numbers in them against closed forms and published tables."""

import dataclasses
import inspect
import re

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import jaxmle as jm
from jaxmle.cli.app import app
from jaxmle.inference.ascent import ascent
from jaxmle.plot.diagnostics import _ranks
from jaxmle.plot.sample import Sample, out_of_view, sample_of, view
from jaxmle.plot.simulated_bands import simulated_band

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

ONE = ("density", "cdf", "qq", "pp", "residuals", "survival", "profile", "contours", "history")
MANY = ("forest", "histograms", "verdicts", "estimates_map")
WEEKS = np.array([6.0, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35])
RELAPSE = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], bool)


@pytest.fixture(autouse=True)
def closed():
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before, "a picture changed matplotlib's settings"


@pytest.fixture(scope="module")
def normal():
    return jm.fit("normal", np.random.default_rng(1).normal(3.0, 2.0, 21))


@pytest.fixture(scope="module")
def remission():
    return jm.fit("exponential", {"lower": WEEKS, "upper": np.where(RELAPSE, WEEKS, np.inf)})


@pytest.fixture(scope="module")
def kicks():
    return jm.fit("poisson", [0, 1, 2, 3, 4], weights=[109, 65, 22, 3, 1])


@pytest.fixture(scope="module")
def coins():
    return jm.fit_many("bernoulli", [[0.0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]])


def options(name):
    return {"points": 11} if name == "contours" else {"parameter": "loc"} if name == "profile" else {}


# --- every picture ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE)
def test_draws_on_the_axes_given_and_names_them(name, normal):
    _, ax = plt.subplots()
    assert normal.plot(name, ax=ax, **options(name)) is ax
    assert len(plt.get_fignums()) == 1
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left")
    assert ax.get_lines() or ax.collections


@pytest.mark.parametrize("name", MANY)
def test_draws_many_on_the_axes_given(name, coins):
    _, ax = plt.subplots()
    more = {"shape": (2, 2)} if name == "estimates_map" else {}
    assert coins.plot(name, ax=ax, **more) is ax
    assert len(plt.get_fignums()) == 1
    assert ax.get_xlabel() and ax.get_title(loc="left")


@pytest.mark.parametrize("name", [*ONE, *MANY])
def test_refuses_what_it_cannot_draw(name, normal, coins):
    wrong = coins if name in ONE else normal
    more = {"shape": (2, 2)} if name == "estimates_map" else {}
    with pytest.raises(ValueError, match=f"{name} draws (one|many)"):
        wrong.plot(name, **more)


def test_every_picture_is_public_and_tells_its_source():
    assert {*ONE, *MANY, "overview"} == set(jm.plot.__all__)
    for name in jm.plot.__all__:
        function = getattr(jm.plot, name)
        text = inspect.getdoc(function)
        assert "Example:" in text and "Args:" in text and "Returns:" in text
        assert "Source:" in text or name == "overview"
        assert {"ax", "figure"} & set(inspect.signature(function).parameters)


def test_says_what_to_draw_in_place(normal, coins, tmp_path):
    own = jm.fit(jm.Model(lambda p, x: -((x - p["a"]) ** 2), {"a": jm.spaces.real}, name="mine"), [1.0, 2.0])
    with pytest.raises(TypeError, match=r"mine is a log-likelihood of your own; draw contours"):
        jm.plot.density(own)
    with pytest.raises(ValueError, match=r"two free parameters.*draw profile"):
        jm.plot.contours(coins[0])
    loaded = jm.load(normal.save(tmp_path / "fit.npz"))
    with pytest.raises(RuntimeError, match=r"density: this needs the data.*forest"):
        loaded.plot("density")
    with pytest.raises(ValueError, match=r"no picture 'pie'.*density"):
        normal.plot("pie")
    with pytest.raises(ValueError, match=r"no free parameter 'slope'.*'loc', 'scale'"):
        normal.plot("profile", parameter="slope")
    with pytest.raises(ValueError, match="2 axes; this picture has 1"):
        jm.plot.forest(coins, ax=plt.subplots(1, 2)[1])
    with pytest.raises(ValueError, match="band='wide'"):
        normal.plot("qq", band="wide")
    vectors = jm.fit(jm.distributions.multivariate_normal(2), np.random.default_rng(0).normal(size=(9, 2)))
    with pytest.raises(TypeError, match="one of vectors; draw contours"):
        jm.plot.cdf(vectors)


# --- data and the fitted distribution --------------------------------------------------------------------


def bars(ax):
    """Heights and edges of a histogram."""
    (patch,) = [p for p in ax.patches if hasattr(p, "get_data")]
    return patch.get_data()[:2]


def test_density_has_area_one_and_the_fitted_curve(normal):
    ax = jm.plot.density(normal, bins=7)
    height, edges = bars(ax)
    assert len(height) == 7
    assert np.sum(height * np.diff(edges)) == pytest.approx(1)
    (curve,) = [line for line in ax.get_lines() if line.get_label() == "normal"]
    np.testing.assert_allclose(curve.get_ydata(), normal.pdf(curve.get_xdata()).value)
    assert "n = 21" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_density_of_censored_rows_has_kaplan_meiers_mass(remission):
    height, edges = bars(jm.plot.density(remission))
    assert np.sum(height * np.diff(edges)) == pytest.approx(1 - 0.4482, abs=1e-4)


def test_counts_have_stems(kicks):
    ax = jm.plot.density(kicks)
    dots = next(line for line in ax.get_lines() if line.get_label() == "poisson")
    np.testing.assert_allclose(dots.get_ydata(), kicks.pdf(dots.get_xdata()).value)
    np.testing.assert_allclose([bar.get_height() for bar in ax.containers[0]], np.array([109, 65, 22, 3, 1]) / 200)


def test_cdf_draws_both_and_its_band_covers_the_curve(remission):
    ax = jm.plot.cdf(remission)
    first, curve = ax.get_lines()[:2]
    assert [first.get_label(), curve.get_label()] == ["Kaplan-Meier", "exponential"]
    assert first.get_ydata()[-1] == pytest.approx(1 - 0.4482, abs=1e-4)
    ends = ax.collections[0].get_paths()[0].vertices
    assert ends[:, 1].min() >= 0 and ends[:, 1].max() <= 1
    assert ends[:, 1].min() <= curve.get_ydata().min()


def test_survival_marks_every_censoring_time(remission):
    ax = jm.plot.survival(remission)
    marks = next(line for line in ax.get_lines() if line.get_label() == "censored")
    np.testing.assert_array_equal(marks.get_xdata(), np.unique(WEEKS[~RELAPSE]))
    np.testing.assert_allclose(marks.get_ydata()[[0, -1]], [0.857, 0.448], atol=6e-4)


def test_heavy_tails_cut_the_view_and_say_so():
    x = np.concatenate([np.random.default_rng(0).normal(size=98), [1e6, -1e7]])
    sample = Sample(jm.models.iid(jm.distributions.cauchy).response, x, x, np.ones(100), {})
    low, high = view(sample, np.linspace(-3, 3, 64))
    assert -30 < low < -3 and 3 < high < 30
    assert out_of_view(sample, low, high) == "2 out of view"


# --- does it fit? ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("band", ["pointwise", "simultaneous"])
def test_bands_cover_new_samples_at_their_level(band):
    rng = np.random.default_rng(0)
    draws = np.sort(rng.uniform(size=(4000, 15)), axis=1)
    low, high = simulated_band(draws[:2000], band, 0.9)
    inside = (draws[2000:] >= low) & (draws[2000:] <= high)
    share = inside.mean(0) if band == "pointwise" else inside.all(1).mean()
    np.testing.assert_allclose(share, 0.9, atol=0.035)  # 4 Monte-Carlo errors of both halves together


def test_a_band_of_refits_is_narrower_than_one_of_known_parameters(normal):
    ranks = _ranks(normal.solution, sample_of(normal, "qq"), "qq", "pointwise", 0.95, 500, 0)
    known = np.sort(np.random.default_rng(0).uniform(size=(500, 21)), axis=1)
    low, high = simulated_band(known, "pointwise", 0.95)
    assert ((ranks.band[1] - ranks.band[0]) < (high - low))[3:-3].all()
    np.testing.assert_allclose(ranks.u, normal.cdf(np.sort(normal.solution.batch.data_set(0)[0])).value, atol=1e-12)
    assert ranks.failed == 0


def test_qq_says_which_band_and_how_many_refits(normal):
    ax = jm.plot.qq(normal, band="simultaneous", level=0.9)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "90 % simultaneous" in labels and "n = 21; 500 refits" in labels


def test_weighted_counts_have_a_residual_for_each_unit(kicks):
    ranks = _ranks(kicks.solution, sample_of(kicks, "qq"), "qq", None, 0.95, 0, 0)
    assert len(ranks.p) == 200
    assert len(np.unique(ranks.values)) == 200
    assert abs(ranks.values.mean()) < 0.25 and abs(ranks.values.std() - 1) < 0.2


# --- the log-likelihood ----------------------------------------------------------------------------------


def drop(x, loc, scale):
    """How far the normal log-likelihood is below its maximum; its largest value over the scale for scale=None."""
    n, s2 = len(x), np.mean((x - loc) ** 2)
    v = s2 if scale is None else scale**2
    return -0.5 * n * (np.log(v) + s2 / v) + 0.5 * n * (np.log(x.var()) + 1)


def test_profile_is_the_closed_form_with_its_interval(normal):
    ax = jm.plot.profile(normal, "loc")
    curve = next(line for line in ax.get_lines() if line.get_label() == "profile")
    x = normal.solution.batch.data_set(0)[0]
    np.testing.assert_allclose(curve.get_ydata(), [drop(x, loc, None) for loc in curve.get_xdata()], atol=1e-7)
    ends = normal.interval(0.95, "profile")
    drawn = sorted(p.vertices[0, 0] for p in ax.collections[0].get_paths())
    np.testing.assert_allclose(drawn, [ends.lower["loc"], ends.upper["loc"]], atol=1e-3)
    assert "95 %: drop of 1.92" in [line.get_label() for line in ax.get_lines()]


def test_profile_at_the_boundary_is_one_sided(coins):
    """None of three: (1 - p)^3 has fallen by exp(-1.9207) at p = 0.4728."""
    ax = jm.plot.profile(coins[1])
    assert "[0, 0.4728]" in ax.get_title(loc="left")
    assert "boundary" in ax.get_title(loc="left")


def test_contours_lie_at_half_chi_square_quantiles(normal):
    ax = jm.plot.contours(normal, points=41)
    lines = next(c for c in ax.collections if c.get_label() == "_contours")
    np.testing.assert_allclose(-lines.levels, [2.9957, 2.3026, 0.6931], atol=1e-4)
    x = normal.solution.batch.data_set(0)[0]
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        values = [drop(x, *point) for point in path.vertices[::7]]
        np.testing.assert_allclose(values, level, atol=0.03)
    way = next(line for line in ax.get_lines() if line.get_label() == "ascent")
    assert way.get_xdata()[-1] == pytest.approx(float(normal.params["loc"]))
    with pytest.raises(ValueError, match="twice"):
        jm.plot.contours(normal, ("loc", "loc"))


def test_more_parameters_are_profiled_or_called_a_slice():
    """Two independent normals: at their best others contribute nothing, so the contours are those of one alone."""

    def log_likelihood(params, data):
        z = (data - params["loc"]) / params["scale"]
        return jnp.sum(-0.5 * z**2 - jnp.log(params["scale"]), axis=-1)

    space = {"loc": jm.spaces.real(shape=2), "scale": jm.spaces.positive(shape=2)}
    x = np.random.default_rng(2).normal([0.0, 5.0], [1.0, 2.0], (30, 2))
    fit = jm.fit(jm.Model(log_likelihood, space, name="pair"), x)
    ax = jm.plot.contours(fit, ("loc[1]", "scale[1]"), points=9, path=False)
    assert "others at their best" in ax.get_title(loc="left")
    lines = next(c for c in ax.collections if c.get_label() == "_contours")
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        np.testing.assert_allclose([drop(x[:, 1], *point) for point in path.vertices], level, atol=0.4)
    sliced = jm.plot.contours(fit, ("loc[1]", "scale[1]"), points=9, sliced=True, path=False)
    assert "slice" in sliced.get_title(loc="left")


def test_history_ends_within_the_tolerance(normal):
    ax = jm.plot.history(normal)
    way = ascent(normal.solution)
    assert way.steps[-1] == normal.steps == ax.get_lines()[0].get_xdata()[-1]
    assert way.decrement[-1] < 1e-9
    assert (np.diff(way.log_likelihood) > -1e-9).all()
    np.testing.assert_allclose(way.u[-1], normal.solution.outcome.u[0], atol=1e-8)


def test_a_solution_is_drawn_like_its_fit(normal, coins):
    for fit, name in ((normal, "cdf"), (coins, "forest")):
        (a, b) = (getattr(jm.plot, name)(x) for x in (fit, fit.solution))
        assert a.get_title(loc="left") == b.get_title(loc="left")
        for one, two in zip(a.get_lines(), b.get_lines(), strict=True):
            np.testing.assert_array_equal(one.get_xydata(), two.get_xydata())


def test_draws_in_a_part_of_a_figure(coins):
    part = plt.figure().subfigures(1, 2)[0]
    assert all(ax.figure is part for ax in coins.plot(figure=part).values())


def test_what_did_not_converge_says_so(normal):
    outcome = normal.solution.outcome._replace(status=np.array([jm.Status.MAX_STEPS]))
    short = jm.Fit(dataclasses.replace(normal.solution, outcome=outcome))
    ax = jm.plot.cdf(short)
    assert "ran out of steps" in ax.get_title(loc="left")
    assert [line.get_label() for line in ax.get_lines()] == ["empirical"]
    with pytest.raises(ValueError, match="needs a fitted distribution.*ran out of steps"):
        jm.plot.qq(short)


@pytest.mark.parametrize("picture", [jm.plot.qq, jm.plot.pp, jm.plot.residuals, jm.plot.profile])
def test_a_refusal_says_what_the_fit_says(picture):
    none = jm.fit("normal", [1.0, 1.0, 1.0])
    assert "scale -> 0" in none.message()
    with pytest.raises(ValueError, match=re.escape(none.message())):
        picture(none)


# --- many ------------------------------------------------------------------------------------------------


def test_forest_has_a_line_for_each_and_sorts(coins):
    ax = jm.plot.forest(coins, labels=["u", "v", "w", "x"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["v", "x", "u", "w"]
    ends = coins.interval()
    drawn = np.array([p.vertices[:, 0] for p in ax.collections[0].get_paths()])
    order = [1, 3, 0, 2]
    np.testing.assert_allclose(drawn, np.stack([ends.lower["probability"], ends.upper["probability"]], 1)[order])
    with pytest.raises(ValueError, match="2 labels for 4"):
        jm.plot.forest(coins, labels=["u", "v"])


def test_verdicts_count_each_kind(coins):
    ax = jm.plot.verdicts(coins)
    assert [bar.get_width() for bar in ax.patches] == [1, 3]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["maximum on the boundary", "converged"]
    assert len({bar.get_hatch() for bar in ax.patches}) == 2


def test_maps_lie_row_by_row_and_leave_out_what_has_no_maximum(coins):
    ax = jm.plot.estimates_map(coins, (2, 2))
    image = ax.images[0].get_array()
    np.testing.assert_allclose(image.filled(-1), [[2 / 3, -1], [2 / 3, 1 / 3]])
    assert "1 without a maximum" in ax.get_title(loc="left")
    with pytest.raises(ValueError, match="6 pixels; the batch has 4"):
        jm.plot.estimates_map(coins, (2, 3))


def test_histograms_count_certified_fits(coins):
    ax = jm.plot.histograms(coins, bins=3)
    assert bars(ax)[0].sum() == 3


# --- what suits the fit ----------------------------------------------------------------------------------


def test_overviews(remission, kicks, normal, coins, monkeypatch):
    assert list(normal.plot()) == ["density", "cdf", "qq", "profile"]
    assert set(coins.plot()) == {"forest probability", "histogram probability", "verdicts"}
    figure = plt.figure(figsize=(9, 6))
    assert all(ax.figure is figure for ax in coins.plot(figure=figure).values())
    monkeypatch.setattr("jaxmle.plot.panels.draw_or_explain", lambda *_, **__: None)
    assert list(remission.plot()) == ["survival", "density", "qq", "profile"]
    space = {"a": jm.spaces.real, "b": jm.spaces.real}
    own = jm.fit(jm.Model(lambda p, x: -((x - p["a"]) ** 2) - p["b"] ** 2, space, name="mine"), [1.0, 2.0])
    assert list(jm.plot.overview(own)) == ["contours", "history"]


def test_the_command_line_draws(tmp_path):
    table = tmp_path / "coins.csv"
    table.write_text("coin,heads\na,0\na,1\na,1\nb,0\nb,0\nb,0\nc,1\nc,1\nc,0\nd,0\nd,0\nd,1\n")
    words = ["fit", str(table), "-d", "bernoulli", "--value", "heads", "--by", "coin", "--plot"]
    out = tmp_path / "coin.png"
    result = CliRunner().invoke(app, [*words, str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG") and f"wrote {out}" in result.stderr
    refused = CliRunner().invoke(app, [*words, str(tmp_path / "coin.txt")])
    assert refused.exit_code == 2 and "expected a name that ends in .png" in refused.stderr
