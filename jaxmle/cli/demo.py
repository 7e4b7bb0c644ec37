"""`jaxmle demo`: a tour on published data."""

import textwrap
from typing import Any

import jax.numpy as jnp
import numpy as np
from rich.console import Console

import jaxmle as jm
from jaxmle import io
from jaxmle.cli import tables


def run(console: Console) -> None:
    """Run the tour; every number is computed as it is shown."""
    for title, part in (
        ("1. A coin", _coin),
        ("2. Aspirin and heart attacks", _aspirin),
        ("3. Ball bearings", _bearings),
        ("4. Thirteen aircraft", _aircraft),
        ("5. Remissions, some still going on", _remission),
        ("6. Mites, accidents and horse kicks", _counts),
        ("7. A derivative worked out by hand", _derivative),
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


def _aspirin(console: Console) -> None:
    table = io.read_table(io.example("aspirin.csv"))
    data = {"successes": io.numeric(table, "attacks"), "trials": io.numeric(table, "physicians")}
    _say(
        console,
        "Heart attacks among 22 071 physicians who took aspirin or a placebo every other day (Steering Committee 1989). "
        "Each group with a probability of its own, and both with one:",
    )
    both = {name: np.tile(x, 2) for name, x in data.items()}
    fits = jm.fit_many("binomial", both, groups=["aspirin", "placebo", "together", "together"])
    probability, best = fits.params["probability"], fits.log_likelihood
    console.print()
    for name, p in zip(("aspirin", "placebo", "together"), probability, strict=True):
        console.print(f"  {name:<9}{100 * p:.4f} %", markup=False)
    console.print()
    _say(
        console,
        f"The risk without aspirin is {probability[1] / probability[0]:.3f} times as high; likelihood ratio of one common "
        f"risk {2 * (best[0] + best[1] - best[2]):.3f} on 1 degree of freedom (5 % point: 3.841).",
    )


def _bearings(console: Console) -> None:
    revolutions = io.numeric(io.read_table(io.example("ball_bearings.csv")), "revolutions")
    _say(
        console,
        "Millions of revolutions until 23 ball bearings failed (Lieblein and Zelen 1956). Two distributions of lifetimes, and the "
        "log-likelihood of each:",
    )
    console.print()
    for name in ("weibull", "lognormal"):
        fit = jm.fit(name, revolutions)
        shown = ", ".join(f"{p} {float(x):.4g}" for p, x in fit.params.items())
        console.print(f"  {name:<11}{fit.log_likelihood:.3f}   {shown}", markup=False)
    console.print()
    _say(
        console,
        "A Weibull shape of 2.1 means that worn bearings fail faster; the lognormal fits a little better. With 23 "
        "bearings nobody can be sure which distribution is right.",
    )


def _counts(console: Console) -> None:
    names = ("mites", "accidents", "horse_kicks")
    frames = [io.read_table(io.example(f"{name}.csv")) for name in names]
    x, weights = (np.concatenate([io.numeric(t, t.columns[k]) for t in frames]) for k in (0, -1))
    groups = np.repeat(names, [t.height for t in frames])
    _say(
        console,
        "Mites on 150 apple leaves (Bliss and Fisher 1953), accidents of 647 women (Greenwood and Yule 1920), deaths by "
        "horse kick in 200 corps-years of the Prussian army (Bortkiewicz 1898). A table of counts is values and weights; "
        "all three fitted at once by the negative binomial:",
    )
    fits = jm.fit_many("negative_binomial", x, weights=weights, groups=groups)
    console.print(f"\n{fits.summary()}\n", markup=False)
    _say(
        console,
        "Mites gather, and accidents befall some more than others. Kicks do neither: their variance is below their mean, "
        f"and the fit says so: {fits['horse_kicks'].message()}.",
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
    tables.show(console, each, keys, 0.95, None, [])
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
    counts = tables.event_counts(relapse, None, codes, len(fits))
    tables.show(console, fits, keys, 0.95, counts, [])
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
