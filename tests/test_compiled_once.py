"""Nothing is compiled twice, and the programs kept are bounded."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle import models, optimizers, spaces
from jaxmle._util import compile


def counted(calls):
    """A log-likelihood that counts how often it is traced."""

    def log_likelihood(params, x):
        calls.append(1)
        return -0.5 * ((x - params["loc"]) / params["scale"]) ** 2 - jnp.log(params["scale"])

    return log_likelihood


def start_at_moments(x, weights):
    return {"loc": jnp.average(x, weights=weights), "scale": jnp.std(x)}


def equal_models(f):
    return [
        jm.Model(f, {"loc": spaces.interval(-9.0, high), "scale": spaces.positive}, start=start_at_moments)
        for high in (9.0, 9.0, 10.0)
    ]


@pytest.mark.parametrize("verb", ["fit", "fit_many"])
def test_an_equal_model_compiles_nothing(verb):
    calls = []
    f = counted(calls)
    data = rng(7).normal(size=(5, 20))
    run = functools.partial(jm.fit_many, lanes=3) if verb == "fit_many" else lambda m, x, **o: jm.fit(m, x[0], **o)
    first, rebuilt, moved = equal_models(f)
    run(first, data)
    once = len(calls)
    assert once < 60
    calls.clear()
    for again in (rebuilt, moved):
        run(again, data + 0.1, tolerance=1e-7, max_steps=50)
    checked = len(calls)
    assert checked <= 2  # the door proves the shape by an abstract trace; nothing is compiled
    calls.clear()
    models_pinned = [models.pinned(first, scale=s) for s in (1.0, 2.0, 3.0)]
    run(models_pinned[0], data)
    calls.clear()
    for again in models_pinned[1:]:
        run(again, data)
    assert len(calls) <= 2


@pytest.mark.parametrize("limit", [2, 5])
def test_programs_kept_are_bounded(monkeypatch, limit):
    """A loop of `fit` over data of many lengths holds few programs, and few of the kernel's memory maps."""
    monkeypatch.setattr(compile, "_LIMIT", limit)
    for each in compile._PROGRAMS:  # of other tests; the bound is looked at where a program is added
        each.clear_cache()
    for n in range(3, 12):
        assert jm.fit("exponential", np.linspace(0.5, 1.5, n)).params["rate"] == pytest.approx(1.0, rel=1e-9)
        assert compile.programs() <= limit


def test_maximize_traces_once_under_jit():
    calls = []
    f = counted(calls)
    model, rebuilt, _ = equal_models(f)
    run = jax.jit(lambda m, x: jm.maximize(m, x).params["loc"])
    run(model, jnp.arange(5.0))
    calls.clear()
    run(rebuilt, jnp.arange(5.0) + 1)
    assert not calls


def test_optimizer_factories_are_cached():
    assert optimizers.newton() is optimizers.newton()
    assert optimizers.newton(0.1) is optimizers.newton(0.1)
    assert optimizers.newton(0.1) is not optimizers.newton()
    assert optimizers.bhhh() is optimizers.bhhh()
    assert optimizers.lbfgs() is optimizers.by_name("lbfgs")
    assert optimizers.fisher_scoring() is optimizers.by_name("fisher_scoring")


def test_models_compare_by_value():
    f = counted([])
    first, rebuilt, moved = equal_models(f)
    assert first == rebuilt
    assert hash(first) == hash(rebuilt)
    assert first != moved
    assert first != dataclasses.replace(first, name="another")
