"""The page of `jaxmle explore` in a real browser.

`python tests/test_explore_page.py` keeps the pictures of the page for docs/.
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
from jaxmle.explore import pointer

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


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

    # The ascent ends at the maximum that `fit` gives; samples show its spread.
    fit = jm.fit("normal", np.array(b.ask("Array.from(model('points').data.x)")))
    b.press("Ascend")
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


if __name__ == "__main__":
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    LIMIT = 250_000  # AIC of all families is awaited
    with served() as found, sync_playwright() as play:
        visit(open_page(found, play.chromium), PICTURES)
