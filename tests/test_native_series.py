"""Loops over the rows as compiled kernels: value, score and both ways to a Hessian, against JAX row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmle as jm
from jaxmle import _native, spaces
from jaxmle._solver import lanes

pytest.importorskip("llvmlite")

from cases import GARCH


def scan(step, first):
    return lambda u, x: jax.lax.scan(lambda c, now: step(u, c, now), first(u, x), x)


def garch(u, c, x):
    return 0.1 * u[0] ** 2 + 0.2 * (x - u[1] * jnp.sqrt(c)) ** 2 + 0.3 * c, jnp.log(c) + x * x / c


def moving_average(u, c, x):
    e = x - u[0] - 0.3 * u[1] * c
    return e, -e * e


def of_the_row(u, c, x):
    return c * (1 - 0.1 * u[0] ** 2 * x * x / (1 + x * x)) + x, -((x - u[1] * c) ** 2)


def threshold(u, c, x):
    new = jnp.where(x > 0, jnp.tanh(u[0]) * c + 1.0, 0.5 * c - u[1] * x)
    return new, -((x - new) ** 2)


def hidden_markov(u, c, x):
    turn = jnp.log(jnp.array([[0.9, 0.1], [0.2, 0.8]]))
    new = jax.nn.logsumexp(c[:, None] + turn, axis=0) - jnp.stack([(x - u[0]) ** 2, (x - u[1]) ** 2])
    total = jax.nn.logsumexp(new)
    return new - total, total


def kalman(u, c, x):
    mean, variance = c[0], c[1] + jnp.exp(u[0])
    total, error = variance + jnp.exp(u[1]), x - mean
    gain = variance / total
    return (mean + gain * error, (1 - gain) * variance), -0.5 * jnp.log(total) - 0.5 * error**2 / total


def counter(u, c, x):
    return (c[0] + 1, x, u[0] + 0 * c[2]), (u[0] + c[0]) * x * u[1] + c[1] * c[2]


def running(u, x):
    return (), jnp.cumsum(x * u[0]) * u[1] + jax.lax.cumsum(x * u[1], reverse=True)


def backwards(u, x):
    return jax.lax.scan(lambda c, now: (0.5 * u[0] * c + now, c * c * u[1]), u[1], x, reverse=True)


def lags(u, x):
    one = jnp.concatenate([jnp.zeros(1), x[:-1]])
    three = jnp.concatenate([x[:1], jnp.ones(2), x[:-3]])
    return (), (x - u[0] * one - u[1] * three - jnp.arange(x.shape[0]) / x.shape[0]) ** 2


SERIES = {
    "garch": scan(garch, lambda u, x: jnp.mean(x * x)),
    "moving average": scan(moving_average, lambda u, x: 0.0),
    "coefficient of the row": scan(of_the_row, lambda u, x: u[1]),
    "threshold": scan(threshold, lambda u, x: 0.3),
    "hidden markov": scan(hidden_markov, lambda u, x: jnp.log(jnp.array([0.5, 0.5])) + 0 * u),
    "kalman": scan(kalman, lambda u, x: (0.0, 1.0 + u[0] ** 2)),
    "running maximum": scan(lambda u, c, x: (jnp.maximum(c, x * u[0]), c * u[1]), lambda u, x: -1.0),
    "counter": scan(counter, lambda u, x: (0, 0.5, u[0])),
    "running sum": running, "backwards": backwards, "lags": lags,
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_value_score_and_curvature(name):
    def total(u, x):
        carry, rows = SERIES[name](u, x)
        return jnp.sum(jnp.sin(rows) + rows) + sum(jnp.sum(1.0 * k) for k in jax.tree.leaves(carry))

    def answers(u, x):
        return total(u, x), jax.grad(total)(u, x), jax.jacfwd(jax.grad(total))(u, x), jax.hessian(total)(u, x)

    leaves = (_native.Leaf((2,), np.dtype(float), True), _native.Leaf((_native.ROWS,), np.dtype(float), True))
    policy = lanes.Policy(
        begin=lambda item: item[0],
        step=lambda u, item: u,
        done=lambda u: u[0] == u[0],
        end=lambda u, i: answers(u, i[1]),
    )
    compiled = _native.build(leaves, jax.tree.structure((0, 0)), policy)
    rng = np.random.default_rng(0)
    for n in (5, 37, 5000):  # across data sets, and rows in vectors: some and a rest
        built = compiled(n)
        x, u = rng.normal(size=(2, n)), rng.normal(size=(2, 2))
        out, left = np.zeros((sum(s.size for s in jax.tree.leaves(built.shapes)), 2)), np.ones(2, np.uint8)
        built.arguments([u, x], np.ones((2, n))).fit(0, 2, out, left, None, built.scratch(n))
        assert not left.any()
        mine = built.results(out)
        with jax.enable_x64(True):
            theirs = jax.jit(jax.vmap(answers))(u, x)
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 * np.max(np.abs(b)))


def _local_level(params, x):
    def step(c, now):
        c, row = kalman(jnp.log(jnp.stack([params["level"], params["noise"]])), c, now)
        return c, row

    return jax.lax.scan(step, (x[0], jnp.ones(())), x)[1]


LOCAL_LEVEL = jm.Model(
    _local_level,
    {"level": spaces.positive, "noise": spaces.positive},
    start=lambda x, w: {"level": jnp.asarray(1.0), "noise": jnp.asarray(0.5)},
    observations="ordered",
)


@pytest.mark.parametrize(("name", "n"), [("garch", 150), ("local level", 70), ("weibull", 30)])
def test_neighbors_do_not_matter(name, n):
    """Bit for bit, for data sets that go side by side, of other lengths and other numbers of steps, some of them illegal."""
    model = {"garch": GARCH, "local level": LOCAL_LEVEL}.get(name, name)
    r = np.random.default_rng(3)
    x = np.abs(r.normal(size=(61, n))) if name == "weibull" else np.cumsum(r.normal(size=(61, n)), axis=1) % 3 - 1.5
    weights = np.arange(n) < r.integers(6, n + 1, (61, 1))
    weights[[4, 5, 40]] = False
    x[[7, 8, 9, 30], 2] = np.nan
    order = r.permutation(61)
    fits, other = (jm.fit_many(model, x[i], weights=weights[i] * 1.0) for i in (np.arange(61), order))
    alone = jm.fit_many(model, x[20:21], weights=weights[20:21] * 1.0)
    lanes = jm.fit_many(model, x, weights=weights * 1.0, lanes=8)
    assert fits.info["lanes"] == "native" and len(set(fits.steps[fits.converged].tolist())) > 1
    assert fits.converged.sum() > 15
    for a, b, one in zip(fits.solution.outcome, other.solution.outcome, alone.solution.outcome, strict=True):
        np.testing.assert_array_equal(a[order], b)
        np.testing.assert_array_equal(a[20], one[0])
    np.testing.assert_array_equal(fits.status, lanes.status)
    both = fits.converged
    np.testing.assert_allclose(fits.log_likelihood[both], lanes.log_likelihood[both], rtol=1e-10)
