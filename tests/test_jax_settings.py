"""Settings of JAX that a user may have on, and processes that are forked: fits work, or say what to do."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import jaxmle as jm

X = [1.2, 3.4, 2.2, 5.1, 0.7]

SETTINGS = {
    "no transfers": lambda: jax.transfer_guard("disallow"),
    "no explicit transfers": lambda: jax.transfer_guard("disallow_explicit"),
    "NaN raises": lambda: jax.debug_nans(True),
    "nothing compiled": jax.disable_jit,
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "nothing compiled" else n for n in SETTINGS]
)
def test_fits_and_their_inference_are_the_same(name):
    def everything():
        one, many = jm.fit("exponential", X), jm.fit_many("exponential", [X, X[::-1]])
        ends = one.interval(method="profile")
        return [
            one.params["rate"],
            *many.standard_errors()["rate"],
            ends.lower["rate"],
            *one.quantile([0.1, 0.5]).value,
        ]

    plain = everything()
    with SETTINGS[name]():
        np.testing.assert_allclose(everything(), plain, rtol=1e-12)


FORKED = """
import os, jaxmle as jm
jm.fit("exponential", [1.0, 2.0])
if not (child := os.fork()):
    try:
        print(jm.fit("exponential", [1.0, 3.0]).status.name, flush=True)
        jm.fit("weibull", [1.0, 2.0, 4.0])
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_forked_child_runs_known_programs_and_refuses_new_ones():
    """A new program would wait for threads of XLA that a child does not have."""
    env = {k: v for k, v in os.environ.items() if k != "JAXMLE_CACHE"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=120, env=env
    )
    assert "CONVERGED" in done.stdout and "get_context('spawn')" in done.stdout
