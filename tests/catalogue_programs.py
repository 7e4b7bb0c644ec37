"""Programs of the distributions that the tests of the catalogue share, compiled once each."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import TABLE, TRIALS

from jaxmle import distributions

NAMES = list(TABLE)
RECORDS = {name: distributions.by_name(name) for name in NAMES}


def by_cost(names):
    return [pytest.param(n, marks=pytest.mark.slow) if TABLE[n].costly else n for n in names]


CONTINUOUS = [n for n in NAMES if not RECORDS[n].discrete]
COUNTS = [n for n in NAMES if RECORDS[n].discrete]
SMOOTH = [n for n in NAMES if RECORDS[n].geometry.regularity == "smooth"]
INFORMED = [n for n in NAMES if RECORDS[n].geometry.information is not None]
Q = np.array([1e-9, 1e-4, 0.03, 0.2, 0.45, 0.77, 0.95, 0.9999])


N = 64


def rows(x):
    """x as N rows."""
    return jnp.asarray(np.resize(np.asarray(x, float), N))


def full(params):
    """Params for each of N rows."""
    return jax.tree.map(lambda v: jnp.full(N, v), params)


def data(d, x):
    x = jnp.asarray(x, float)
    return {"successes": x, "trials": jnp.full(x.shape, TRIALS)} if d.columns else x


def extra(d):
    return {"trials": TRIALS} if d.columns else {}


@functools.lru_cache
def program(name, what):
    """One compiled program: `values` (logpdf, logcdf, logsf and the slopes of the last two, [5, N]), `quantile`, `start`, or
    `pieces` (log-density and its first and second derivatives along each coordinate, [p, 3, N])."""
    d = RECORDS[name]
    keys = list(d.space)

    def values(params, x):
        tails = lambda x: jnp.stack([d.logcdf(params, data(d, x)), d.logsf(params, data(d, x))])
        ends, slopes = (tails(x), None) if d.discrete else jax.jvp(tails, (x,), (jnp.ones_like(x),))
        return jnp.stack([d.logpdf(params, data(d, x)), *ends, *(ends if slopes is None else slopes)])

    def pieces(u, x):
        def at(u):
            return d.logpdf({k: d.space[k].forward(v) for k, v in zip(keys, u, strict=True)}, data(d, x))

        def along(unit):
            once = lambda u: jax.jvp(at, (u,), (unit,))
            (value, slope), (_, curve) = jax.jvp(once, (u,), (unit,))
            return jnp.stack([value, slope, curve])

        return jax.vmap(along)(jnp.broadcast_to(jnp.eye(len(keys))[:, :, None], (len(keys), *u.shape)))

    f = {
        "values": values,
        "quantile": lambda params, q: d.quantile(params, q, **extra(d)),
        "start": lambda x, w: d.start(data(d, x), w),
        "pieces": pieces,
    }[what]
    return jax.jit(f)


@functools.lru_cache
def case(name):
    """The record, its params, N points from both tails, and there logpdf, logcdf, logsf and the slopes of the last two."""
    with jax.enable_x64(True):
        d, params = RECORDS[name], full(TABLE[name].params)
        x = program(name, "quantile")(params, rows(np.concatenate([Q, 1 - Q])))
        return d, params, np.asarray(x), np.asarray(program(name, "values")(params, x))


def close(value, want, rel):
    np.testing.assert_allclose(np.asarray(value), want, rtol=rel, atol=0)
