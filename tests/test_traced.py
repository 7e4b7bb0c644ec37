"""`maximize` under `vmap` calls the machine's own functions: what it says is what `fit_many` says."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle import models
from jaxmle._native import call, missing

pytestmark = pytest.mark.skipif(missing("cpu") is not None, reason="needs llvmlite")

GAMMA = models.iid(jm.distributions.gamma)
X = rng(60).gamma(2.0, 3.0, (90, 30))


def found_by(f, *args):
    return jax.tree.map(np.asarray, f(*args))


def same(found, fits, where=slice(None)):
    """Bit for bit: both ran one function."""
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(fits.params), strict=True):
        np.testing.assert_array_equal(a[where], b[where])
    for name in ("status", "steps", "log_likelihood", "decrement"):
        np.testing.assert_array_equal(getattr(found, name)[where], getattr(fits, name)[where])


@pytest.fixture(scope="module")
def every():
    """All data sets at once, compiled once."""
    with jax.enable_x64(True):
        run = jax.jit(jax.vmap(lambda x: jm.maximize(GAMMA, x)))
        run(jnp.asarray(X))
    return run


def test_a_batch_is_that_of_fit_many(every, x64):
    same(found_by(every, jnp.asarray(X)), jm.fit_many(GAMMA, X, lanes="native"))


def test_what_the_machine_leaves_goes_through_the_loop(every, x64):
    bad = X.copy()
    bad[3, 5], bad[40], bad[71] = -1.0, np.nan, 2.0  # outside the support, missing, constant
    found, fits = found_by(every, jnp.asarray(bad)), jm.fit_many(GAMMA, bad, missing="keep", retries=0)
    np.testing.assert_array_equal(found.status, fits.status)
    others = ~np.isin(np.arange(len(X)), (3, 40, 71))
    same(found, jm.fit_many(GAMMA, X), others)
    assert not found.converged[[3, 40, 71]].any()


def test_vmap_of_vmap_is_one_batch_and_rows_may_not_count(x64):
    """Bootstrap weights on shared data: a row of weight 0 may hold anything."""
    w = rng(61).integers(0, 3, (4, 30)).astype(float)
    x = X[:3].copy()
    x[1, 7], w[:, 7] = np.nan, 0.0
    one = lambda x, w: jm.maximize(GAMMA, x, w)
    found = found_by(jax.jit(jax.vmap(jax.vmap(one, (None, 0)), (0, None))), jnp.asarray(x), jnp.asarray(w))
    long = np.repeat(x, 4, 0), np.tile(w, (3, 1))
    fits = jm.fit_many(GAMMA, long[0], weights=long[1], missing="keep", lanes="native")
    same(jax.tree.map(lambda a: a.reshape(12, *a.shape[2:]), found), fits)
    assert found.converged.all()


def test_every_device_calls_for_its_share():
    """Under `shard_map`, two devices say what one says, bit for bit."""
    script = """
        import jax, jax.numpy as jnp, numpy as np
        import jaxmle as jm
        from jax.sharding import Mesh, PartitionSpec
        model = jm.models.iid(jm.distributions.gamma)
        x = np.random.default_rng(60).gamma(2.0, 3.0, (30, 20))
        fit = jax.vmap(lambda x: jm.maximize(model, x).params["shape"])
        mesh, spec = Mesh(np.array(jax.devices()), "d"), PartitionSpec("d")
        assert mesh.size == 2
        with jax.enable_x64(True):
            found = jax.jit(jax.shard_map(fit, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))(jnp.asarray(x))
        np.testing.assert_array_equal(found, jm.fit_many(model, x, lanes="native").params["shape"])
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ, "XLA_FLAGS": flags}, check=True, timeout=240
    )


def test_a_program_of_another_process_is_told_from_ones_own(x64):
    call("known", lambda operands, results: None, [jax.ShapeDtypeStruct((2,), np.float64)], jnp.ones(2))
    with pytest.raises(Exception, match="compiled in another process"):
        jax.block_until_ready(
            jax.ffi.ffi_call("jaxmle_call", [jax.ShapeDtypeStruct((2,), np.float64)])(jnp.ones(2), key="nobody's")
        )


def test_what_the_function_raises_is_raised(x64):
    def function(operands, results):
        raise ZeroDivisionError("seven")

    with pytest.raises(Exception, match=r"ZeroDivisionError\('seven'\)"):
        jax.block_until_ready(call("raises", function, [jax.ShapeDtypeStruct((2,), np.float64)], jnp.ones(2)))


def test_one_core_is_enough():
    """XLA's pool has one thread there, and it is the one that calls."""
    script = """
        import os
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import jax, numpy as np
        from jaxmle._native import call
        with jax.enable_x64(True):
            double = lambda operands, results: np.multiply(operands[0], 2, out=results[0])
            run = jax.jit(lambda x: call("double", double, [jax.ShapeDtypeStruct(x.shape, x.dtype)], x)[0].sum())
            assert run(np.ones(4_000_000)) == 8_000_000
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=120)
