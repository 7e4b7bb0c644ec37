"""The explorer: its state and numbers without a browser, and the page itself in a real one.

`python tests/test_explore.py` keeps the pictures of the page for docs/.
"""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxmle as jm
from jaxmle import io
from jaxmle.explore import begin, climb, families, numbers, pointer
from jaxmle.explore import state as states
from jaxmle.explore import text as texts
from jaxmle.explore.state import MOVE, PRESS, RELEASE

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


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
    path = climb.climb(eight, whole.fit, method)
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
    path = climb.climb(eight, whole.fit, method)
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


# --- the page, in a real browser ------------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
LIMIT = 60_000


class Browser:
    """A page of the explorer: what one does, and what the models in the page say."""

    def __init__(self, page, url):
        self.page, self.url = page, url
        self.complaints, self.requests = [], [url]
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.goto(url)
        self.until("model('density')?.tags.includes('listening')")

    def ask(self, expression, argument=None):
        return self.page.evaluate(f"(given) => {{ {HELP} return {expression} }}", argument)

    def until(self, condition, argument=None):
        self.page.wait_for_function(f"(given) => {{ {HELP} return {condition} }}", arg=argument, timeout=LIMIT)

    def place(self, x, y=0.5, moved=False):
        """Where an x of the axis is on the screen; y is the share of the height, from the top."""
        found = self.ask("[box().left + frame().x_scale.compute(given), box().top + frame().bbox.top]", x)
        return found[0], found[1] + y * self.ask("frame().bbox.height")

    def dot(self, i):
        return self.ask("""[box().left + frame().x_scale.compute(model('points').data.x[given]),
                            box().top + frame().y_scale.compute(model('points').data.y[given])]""", i)  # fmt: skip

    def press(self, label):
        self.page.get_by_role("button", name=label).click()

    def params(self):
        return self.ask("[0, 1].map((i) => model('slider ' + i).value)")


HELP = """
const model = (name) => Bokeh.documents[0]?.get_model_by_name(name)
const view = () => Bokeh.index.find_one(model('density'))
const frame = () => view().frame
const box = () => view().canvas_view.events_el.getBoundingClientRect()
const says = (name) => (model(name)?.text ?? '').replace(/<[^>]*>/g, ' ')
"""


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("bokeh", reason="the explorer needs bokeh")
    pytest.importorskip("playwright", reason="the test of the page needs playwright")
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    with served() as url:
        yield url


class served:
    """`jaxmle explore` as a program of its own."""

    def __enter__(self):
        command = [sys.executable, "-m", "jaxmle", "explore", "--port", "0", "--no-browser"]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if "the explorer is at" in line:
                assert any("compiling" in each for each in lines)
                url = re.search(r"http://127\.0\.0\.1:\d+/", line)
                assert url, line
                return url[0]
        raise AssertionError("".join(lines))

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def open_page(address, chromium, size=(1400, 900)):
    browser = chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
    return Browser(browser.new_page(viewport={"width": size[0], "height": size[1]}), address)


def test_the_page(address, tmp_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        visit(open_page(address, play.chromium), tmp_path)


def test_it_listens_on_the_loopback_address_only(address):
    port = int(re.search(r":(\d+)/", address)[1])
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=10)  # another address of this machine
    with socket.create_connection(
        ("127.0.0.1", port), timeout=10
    ) as wire:  # nor does it answer a page of somebody else
        lines = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
        wire.sendall("\r\n".join([*lines, "Origin: http://elsewhere.example", "", ""]).encode())
        assert wire.recv(64).startswith(b"HTTP/1.1 403")


def visit(b, folder):
    """All that one does on the page, in order; pictures go to the folder."""
    page = b.page
    assert "click the plot" in b.ask("says('maximum')")

    # 20 clicks, 50 ms apart, are 20 observations.
    where = np.concatenate([np.linspace(-3.0, 3.6, 12), np.linspace(-1.7, 2.0, 8) + 0.05])
    for x in where:
        page.mouse.click(*b.place(x, 0.45))
        page.wait_for_timeout(50)
    b.until("model('points').data.x.length == 20 && says('maximum').includes('n = 20')")
    assert b.ask("Array.from(model('events').data.number)") == list(range(1, 41))
    data = b.ask("Array.from(model('points').data.x)")
    assert np.allclose(data, where, atol=0.03)
    assert "lost" not in b.ask("says('notes')")

    # As fast as the machine can, on one spot: neither tap nor double tap matters.
    for _ in range(6):
        page.mouse.click(*b.place(-5.0, 0.3))
    b.until("model('points').data.x.length == 26")
    assert b.ask("model('events').data.number.at(-1)") == 52
    b.press("Clear")
    b.until("model('points').data.x.length == 0")
    for x in where:
        page.mouse.click(*b.place(x, 0.45))
    b.until("model('points').data.x.length == 20 && says('maximum').includes('n = 20')")

    # A drag moves one, a click on it removes it.
    start, end = b.dot(0), b.place(-4.0)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, start[1])
    page.mouse.move(end[0], start[1])
    page.mouse.up()
    b.until("Math.abs(model('points').data.x[0] + 4) < 0.03")
    assert b.ask("model('points').data.x.length") == 20
    page.mouse.click(*b.dot(0))
    b.until("model('points').data.x.length == 19 && says('maximum').includes('n = 19')")

    # Every click is answered: the observation at once, its fit and all that follows soon. A tenth of a second each on a
    # quiet machine; the bounds leave room for one that runs other tests.
    seen, answered = [], []
    for i in range(8):
        x, y = b.place(-2.5 + 0.6 * i, 0.2)
        begun = time.perf_counter()
        page.mouse.click(x, y)
        b.until("model('points').data.x.length == given", 20 + i)
        seen.append(time.perf_counter() - begun)
        b.until("says('maximum').includes('n = ' + given)", 20 + i)
        answered.append(time.perf_counter() - begun)
    for what, times in (("seen", seen), ("answered", answered)):
        print(f"a click is {what} after {1000 * min(times):.0f} to {1000 * max(times):.0f} ms")
    assert min(seen) < 0.3
    assert min(answered) < 2.0

    # Sliders and boxes move the curve.
    before = b.ask("Array.from(model('curve').data.y)")
    page.locator(".noUi-handle").first.focus()
    for _ in range(30):
        page.keyboard.press("ArrowLeft")
    b.until("model('curve').data.y[150] != given", before[150])
    box = page.locator("input[type=text]:visible").nth(1)
    box.fill("2.6")
    box.press("Enter")
    b.until("Math.abs(model('slider 1').value - 2.6) < 1e-9 && says('maximum').includes('2.6')")
    box.fill("-1")
    box.press("Enter")
    b.until("says('notes').includes('outside its space')")

    # The climb ends at the maximum that `fit` gives; samples show its spread.
    fit = jm.fit("normal", np.array(b.ask("Array.from(model('points').data.x)")))
    b.press("Climb")
    b.until("says('notes').includes('to the maximum')")
    assert np.allclose(b.params(), [float(fit.params["loc"]), float(fit.params["scale"])], rtol=1e-6)
    b.press("Resample")
    b.until("says('spread').includes('200 samples')")
    if folder == PICTURES:
        b.until("!says('criteria').includes('follow')")
    page.wait_for_timeout(400)
    page.screenshot(path=folder / "explorer.png")
    page.set_viewport_size({"width": 1100, "height": 800})
    page.wait_for_timeout(600)
    page.screenshot(path=folder / "explorer_small.png")
    page.set_viewport_size({"width": 1400, "height": 900})

    # A file loads; one that cannot be read is explained, and the page lives on.
    chooser = page.locator("input[type=file]")
    chooser.set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": b"a,b\nx,y\n"})
    b.until("says('notes').includes('has no column of numbers')")
    chooser.set_input_files(io.example("remission.csv"))
    b.until("says('maximum').includes('n = 42')")
    assert b.ask("model('column').value") == "weeks"
    weeks = io.numeric(io.read_table(io.example("remission.csv")), "weeks")
    assert np.allclose(sorted(b.ask("Array.from(model('sticks').data.x)")), sorted(weeks))

    # Families switch; data that one cannot have are explained; the coin's maximum is the share of heads.
    page.locator("select").first.select_option(label="coin (bernoulli)")
    b.until("says('maximum').includes('outside the support of bernoulli')")
    b.press("Clear")
    b.until("model('points').data.x.length == 0")
    for label in ("Heads", "Heads", "Tails", "Heads", "Heads", "Tails", "Heads", "Heads", "Tails", "Heads"):
        b.press(label)
    b.until("says('coin').includes('7  heads') && says('maximum').includes('0.7')")
    b.until("model('likelihood').visible && !model('surface').visible")
    page.wait_for_timeout(400)
    page.screenshot(path=folder / "explorer_coin.png")

    assert b.complaints == []
    assert all(request.split("//")[1].startswith(b.url.split("//")[1]) for request in b.requests), b.requests


def test_the_command_says_what_it_does_and_what_is_wrong():
    from typer.testing import CliRunner

    from jaxmle.cli.app import app

    text = CliRunner().invoke(app, ["explore", "--help"], env={"COLUMNS": "160"}).stdout
    assert "127.0.0.1" in text
    assert "--no-browser" in text
    pytest.importorskip("bokeh", reason="the explorer needs bokeh")
    refused = CliRunner().invoke(app, ["explore", "nowhere.csv"])
    assert (refused.exit_code, "no file nowhere.csv" in refused.stderr) == (2, True)


def test_the_listener_names_all_that_the_server_reads():
    for name in ("number", "kind", "x", "hit", "moved"):
        assert re.search(rf"\b{name}: \[", pointer.LISTEN)


if __name__ == "__main__":
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    LIMIT = 250_000  # AIC of all families is awaited
    with served() as found, sync_playwright() as play:
        visit(open_page(found, play.chromium), PICTURES)


def test_the_page_opens_twice_and_for_nobody_else():
    """Two tabs have a document each; a page elsewhere, with a name that it points here (DNS rebinding), is refused."""
    pytest.importorskip("bokeh", reason="the explorer needs bokeh")
    with served() as url:
        port = int(re.search(r":(\d+)/", url)[1])

        def status(path, host, origin=None):
            wire = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"Host": host} | ({"Origin": origin} if origin else {})
            if path == "/ws":
                headers |= {
                    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                }  # fmt: skip
            wire.request("GET", path, headers=headers)
            return wire.getresponse().status

        here, alias, foreign = f"127.0.0.1:{port}", f"localhost:{port}", f"evil.example:{port}"
        assert [status("/", host) for host in (here, here, alias, foreign, "127.0.0.1:1")] == [200, 200, 200, 403, 403]
        for host, origin, expected in [
            (here, f"http://{here}", 101), (alias, f"http://{alias}", 101), (here, "http://evil.example", 403),
            (foreign, f"http://{foreign}", 403), (here, f"http://{alias}", 403),
        ]:  # fmt: skip
            assert status("/ws", host, origin) == expected, (host, origin)
