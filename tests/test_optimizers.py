"""Our optimizers as optax citizens, and optax's own in our place: each works or raises a sentence that helps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import gaussian, rng

import jaxmle as jm
from jaxmle import Status, models, optimizers, spaces
from jaxmle.model.objective import Objective

NEWTON, FISHER, BHHH, LBFGS = optimizers.newton, optimizers.fisher_scoring, optimizers.bhhh, optimizers.lbfgs
CURVED = {"newton": NEWTON, "fisher_scoring": FISHER, "bhhh": BHHH}
OURS = {**CURVED, "lbfgs": LBFGS}
X = rng(60).normal(1.0, 2.0, 60)


def log_likelihood(params, x):
    return gaussian(x - params["loc"], params["scale"])


def information(params, x):
    return jnp.broadcast_to(jnp.diag(jnp.array([1.0, 2.0]) / params["scale"] ** 2), (x.shape[0], 2, 2))


MODEL = jm.Model(log_likelihood, {"loc": spaces.real, "scale": spaces.positive}, information=information)
BEST = {"loc": X.mean(), "scale": X.std()}


def fitted(optimizer, **options):
    return jm.fit(MODEL, X, optimizer=optimizer, **options)


def assert_best(fit):
    assert fit.converged, fit.message()
    for name, value in BEST.items():
        np.testing.assert_allclose(fit.params[name], value, rtol=1e-8)


# --- ours inside optax's parts ---------------------------------------------------------------------------

WRAPPED = {
    "alone": lambda o: o,
    "chain before": lambda o: optax.chain(optax.identity(), o),
    "chain after": lambda o: optax.chain(o, optax.scale(0.7)),
    "weight decay": lambda o: optax.chain(optax.add_decayed_weights(0.0), o),
    "clip": lambda o: optax.chain(o, optax.clip_by_global_norm(0.5)),
    "schedule": lambda o: optax.chain(o, optax.scale_by_schedule(optax.linear_schedule(0.3, 1.0, 8))),
    "apply_if_finite": lambda o: optax.apply_if_finite(o, 5),
    "MultiSteps": lambda o: optax.MultiSteps(o, 2),
}
REFUSED = {
    "masked": lambda o: optax.masked(o, {"loc": True, "scale": False}),
    "partition": lambda o: optax.partition({"ours": o, "sgd": optax.sgd(0.1)}, {"loc": "ours", "scale": "sgd"}),
}


SLOW = pytest.mark.slow
FIRST = {
    "alone",
    "chain after",
    "MultiSteps",
}  # the others wait for the slow tests, but for newton; of lbfgs also these


@pytest.mark.parametrize(
    ("name", "wrapper"),
    [
        pytest.param(n, w, marks=[] if n == "newton" or w == "alone" or (w in FIRST and n != "lbfgs") else SLOW)
        for n in OURS
        for w in WRAPPED
    ],
)
def test_wrapped_by_optax(name, wrapper):
    assert_best(fitted(WRAPPED[wrapper](OURS[name]()), max_steps=400))


@pytest.mark.parametrize("name", CURVED)
def test_hyperparameters_may_be_injected(name):
    assert_best(fitted(optax.inject_hyperparams(OURS[name])(damping=0.1), max_steps=400))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("wrapper", REFUSED)
def test_parts_of_the_parameters_are_refused_in_words(name, wrapper):
    with pytest.raises(TypeError, match=rf"{name} inside optax.masked or optax.partition .*pinned"):
        fitted(REFUSED[wrapper](OURS[name]()))


@pytest.mark.parametrize("name", CURVED)
def test_damping_is_an_option(name):
    assert_best(fitted(OURS[name](1.0), max_steps=400))


# --- ours in a plain optax loop --------------------------------------------------------------------------


def loop(optimizer, f, u, steps=60):
    state = optimizer.init(u)

    @jax.jit
    def step(u, state):
        value, grad = jax.value_and_grad(f)(u)
        updates, state = optimizer.update(grad, state, u, value=value, grad=grad, value_fn=f)
        return optax.apply_updates(u, updates), state

    for _ in range(steps):
        u, state = step(u, state)
    return u


def rosenbrock(u):
    return (1 - u["a"]) ** 2 + 100 * (u["b"] - u["a"] ** 2) ** 2


def test_newton_minimizes_a_plain_function(x64):
    u = loop(NEWTON(), rosenbrock, {"a": jnp.array(-1.2), "b": jnp.array(1.0)})
    np.testing.assert_allclose([u["a"], u["b"]], 1.0, rtol=1e-12)


def test_newton_leaves_a_saddle(x64):
    u = loop(NEWTON(), lambda u: jnp.sum(u**4 - 2 * u**2), jnp.array([0.0, 1e-9]))
    np.testing.assert_allclose(jnp.abs(u), 1.0, rtol=1e-9)


def test_newton_steps_back_from_where_nothing_is_finite(x64):
    u = loop(NEWTON(), lambda u: jnp.sum(u - jnp.log(u)), jnp.array([1e-3, 50.0]))
    np.testing.assert_allclose(u, 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", OURS)
def test_alone_in_an_optax_loop(name, x64):
    objective = Objective(MODEL, jnp.asarray(X), jnp.ones(len(X)))
    u = loop(OURS[name](), objective, {"loc": jnp.array(5.0), "scale": jnp.array(2.0)}, 200)
    np.testing.assert_allclose([u["loc"], np.exp(u["scale"])], list(BEST.values()), rtol=1e-7)


@pytest.mark.parametrize(("name", "offer"), [("bhhh", "opg"), ("fisher_scoring", "expected")])
def test_a_plain_function_lacks_scores(name, offer):
    with pytest.raises(TypeError, match=rf"{name} needs a value_fn that offers \.{offer}.*optimizers\.newton"):
        loop(OURS[name](), lambda u: jnp.sum(u**2), jnp.ones(2), 1)


def test_value_fn_is_demanded_in_words():
    o = NEWTON()
    with pytest.raises(TypeError, match="needs params and value_fn"):
        o.update(jnp.ones(2), o.init(jnp.ones(2)), jnp.ones(2))


def test_expected_information_must_be_known():
    model = jm.Model(log_likelihood, {"loc": spaces.real, "scale": spaces.positive})
    with pytest.raises(TypeError, match=r"expected information .* is not known.*'newton' or 'bhhh'"):
        jm.fit(model, X, optimizer="fisher_scoring")


# --- optax's own -----------------------------------------------------------------------------------------

OPTAX = {
    "adam": optax.adam(0.05),
    "adamw": optax.adamw(0.05, weight_decay=0.0),
    "sgd": optax.sgd(0.01),
    "momentum": optax.sgd(0.005, momentum=0.9, nesterov=True),
    "lbfgs": optax.lbfgs(),
    "adam with cosine": optax.adam(optax.cosine_decay_schedule(0.1, 2000)),
    "clipped chain": optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam(), optax.scale(-0.05)),
    "masked": optax.chain(optax.adam(0.05), optax.masked(optax.scale(0.5), {"loc": True, "scale": False})),
    "partition": optax.partition({"fast": optax.adam(0.1), "slow": optax.adam(0.02)}, {"loc": "fast", "scale": "slow"}),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=0.05),
    "MultiSteps": optax.MultiSteps(optax.adam(0.05), 2),
    "apply_if_finite": optax.apply_if_finite(optax.adam(0.05), 5),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=SLOW if n in ("momentum", "adamw", "injected", "apply_if_finite") else []) for n in OPTAX],
)
def test_optax_in_our_place(name):
    """Nominated by 1/2 S' K^-1 S, certified by Newton: as exact as Newton, and the report says how many were its."""
    fit = fitted(OPTAX[name])
    assert_best(fit)
    assert fit.decrement <= 1e-9
    assert 0 < fit.newton_steps < fit.steps
    assert "Newton's" in fit.summary()


def test_a_learning_rate_means_the_same_for_every_number_of_rows():
    """First-order methods see the mean contribution: one clipped chain for 30, 300 and 30 000 rows."""
    chain, r = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.3, momentum=0.9)), rng(62)
    sizes = (30, 300, 30_000)
    x, groups = np.concatenate([r.gamma(2.5, 1.5, n) for n in sizes]), np.repeat([0, 1, 2], sizes)
    fits, newton = jm.fit_many("gamma", x, groups=groups, optimizer=chain), jm.fit_many("gamma", x, groups=groups)
    assert fits.converged.all() and fits.steps.max() < 1000
    np.testing.assert_allclose(fits.params["shape"], newton.params["shape"], rtol=1e-8)
    np.testing.assert_allclose(fits.log_likelihood, newton.log_likelihood, rtol=1e-12)  # reported values are sums
    alone = jm.fit("gamma", x[groups == 0], optimizer=chain)
    assert alone.converged and alone.log_likelihood == pytest.approx(fits.log_likelihood[0], rel=1e-12)


def test_running_out_of_steps_is_said():
    fit = fitted(optax.sgd(1e-6), max_steps=20)
    assert fit.status is Status.MAX_STEPS and fit.attempt == 0
    assert "max_steps" in fit.message()
    assert np.isnan(fit.standard_errors()["loc"])


@pytest.mark.parametrize(
    ("optimizer", "error", "words"),
    [
        ("newtn", ValueError, r"'newtn' is not known; expected one of \['bhhh'"),
        (optax.adam, TypeError, r"call it: optax.adam\(1e-2\)"),
        (3, TypeError, "got int"),
        (optimizers.newton, TypeError, "call it"),
    ],
)
def test_what_is_no_optimizer(optimizer, error, words):
    with pytest.raises(error, match=words):
        fitted(optimizer)


@pytest.mark.slow
def test_bhhh_and_fisher_agree_with_newton_on_a_distribution():
    x = rng(61).gamma(2.0, 1.0, 200)
    newton = jm.fit("gamma", x)
    for name in ("bhhh", "fisher_scoring"):
        other = jm.fit(models.iid(jm.distributions.gamma), x, optimizer=name, max_steps=1000)
        assert other.converged
        np.testing.assert_allclose(other.params["shape"], newton.params["shape"], rtol=1e-7)
        np.testing.assert_allclose(other.covariance(), newton.covariance(), rtol=1e-6)
