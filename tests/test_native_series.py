"""Loops over the rows as functions of the machine: value, score and both ways to a Hessian, against JAX row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmle import lanes, native

pytest.importorskip("llvmlite")


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

    leaves = (native.Leaf((2,), np.dtype(float), True), native.Leaf((native.ROWS,), np.dtype(float), True))
    policy = lanes.Policy(
        begin=lambda item: item[0],
        step=lambda u, item: u,
        done=lambda u: u[0] == u[0],
        end=lambda u, i: answers(u, i[1]),
    )
    built = native.build(leaves, jax.tree.structure((0, 0)), policy)
    rng = np.random.default_rng(0)
    for n in (5, 37):  # less than a vector of rows, some and a rest
        x, u = rng.normal(size=(2, n)), rng.normal(size=(2, 2))
        out, left = np.zeros((sum(s.size for s in jax.tree.leaves(built.shapes)), 2)), np.ones(2, np.uint8)
        built.reader([u, x], np.ones((2, n))).fit(0, 2, out, left, None, built.room(n))
        assert not left.any()
        mine = built.results(out)
        with jax.enable_x64(True):
            theirs = jax.jit(jax.vmap(answers))(u, x)
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10 * np.max(np.abs(b)))
