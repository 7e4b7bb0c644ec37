"""`jaxmle demo`: a one-minute tour on shipped data."""

import textwrap
from typing import Any

import jax.numpy as jnp
import numpy as np
from rich.console import Console

import jaxmle as jm
from jaxmle import _table, io


def run(console: Console) -> None:
    """Runs the tour; every number is computed as it is shown."""
    for title, part in (
        ("1. A coin", _coin),
        ("2. Thirteen aircraft", _aircraft),
        ("3. Remissions, some still going on", _remission),
        ("4. A derivative worked out by hand", _derivative),
    ):
        console.rule(f"[bold]{title}", align="left")
        part(console)
        console.print()
    _say(console, "Next: jaxmle fit --help, jaxmle distributions, and from Python: import jaxmle as jm")


def _say(console: Console, text: str) -> None:
    console.print(textwrap.fill(" ".join(text.split()), 96), markup=False)


def _coin(console: Console) -> None:
    heads = io.numeric(io.read_table(io.example("coin.csv")), "heads")
    fit = jm.fit("bernoulli", heads)
    _say(console, f"{len(heads)} tosses, {heads.sum():g} heads. Which probability makes that most probable?")
    console.print(f"\n{fit.summary()}\n", markup=False)
    none = jm.fit("bernoulli", np.zeros(20))
    _say(
        console,
        f"And 0 heads in 20 tosses? The fit says so instead of inventing an error: {none.message()}. The interval is "
        f"one-sided, [0, {float(none.interval().upper['probability']):.4f}].",
    )


def _aircraft(console: Console) -> None:
    table = io.read_table(io.example("air_conditioning.csv"))
    hours = io.numeric(table, "hours")
    codes, keys = io.group_codes(table, ["plane"])
    _say(
        console,
        "Hours between failures of the air-conditioning of 13 Boeing 720s (Proschan 1963). Pooled, the failure rate "
        "seems to fall with age:",
    )
    pooled = jm.fit("weibull", hours)
    shape, error = float(pooled.params["shape"]), float(pooled.standard_errors()["shape"])
    console.print(f"\n  Weibull shape {shape:.4f}, standard error {error:.4f} (below 1: a falling rate)\n")
    _say(console, "But each aircraft may have a rate of its own. All thirteen at once, each with its own verdict:")
    each = jm.fit_many("exponential", hours, groups=codes)
    console.print()
    _table.show(console, each, keys, 0.95, None, [])
    one = jm.fit("exponential", hours)
    ratio = 2 * (float(np.sum(each.log_likelihood)) - float(one.log_likelihood))
    console.print()
    _say(
        console,
        f"Likelihood ratio of one common rate: {ratio:.3f} on 12 degrees of freedom (5 % point: 21.026). The rates "
        "differ; a mixture of constant rates only looks like one that falls. That was Proschan's discovery.",
    )


def _remission(console: Console) -> None:
    table = io.read_table(io.example("remission.csv"))
    weeks, relapse = io.numeric(table, "weeks"), io.binary(table, "event")
    codes, keys = io.group_codes(table, ["treatment"])
    _say(
        console,
        "Weeks in remission of 42 leukemia patients under 6-MP or placebo (Freireich et al. 1963). Who is still in "
        "remission tells us only that the time is longer:",
    )
    data = {"lower": weeks, "upper": np.where(relapse, weeks, np.inf)}
    fits = jm.fit_many(jm.models.censored(jm.distributions.weibull), data, groups=codes)
    console.print()
    counts = _table.event_counts(relapse, None, codes, len(fits))
    _table.show(console, fits, keys, 0.95, counts, [])
    scale = fits.params["scale"]
    console.print()
    _say(console, f"The treatment stretches the typical remission {scale[0] / scale[1]:.1f}-fold.")


def _derivative(console: Console) -> None:
    def log_likelihood(params: Any, x: Any) -> Any:
        z = (x - params["loc"]) / params["scale"]
        return -0.5 * z**2 - jnp.log(params["scale"]) - 0.5 * jnp.log(2 * jnp.pi)

    def score(params: Any, x: Any) -> Any:
        z = (x - params["loc"]) / params["scale"]
        return {"loc": z / params["scale"], "scale": (z**2 + 1) / params["scale"]}

    model = jm.Model(log_likelihood, {"loc": jm.spaces.real, "scale": jm.spaces.positive}, name="normal")
    x = np.array([2.3, 1.9, 2.5, 2.8, 1.7])
    _say(
        console,
        "A model of your own is one function; a hand-derived score can be checked against the exact one. "
        "Here someone wrote d/d scale = (z**2 + 1) / scale; it should be (z**2 - 1) / scale:",
    )
    console.print(f"\n{jm.check(model, {'loc': 2.0, 'scale': 0.5}, x, score=score)}", markup=False)
