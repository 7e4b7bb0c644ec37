"""The fuzz test runs by hand; here, that it fits and judges a few hundred data sets, and finds what it is made to find."""

import dataclasses

import numpy as np

import jaxmle as jm
from benchmarks.fuzz import judge, subjects
from benchmarks.fuzz.__main__ import Tally, batch, main, report, run_batch
from jaxmle.result.fit import Fit


def test_a_few_hundred_fits():
    tally = main(["--fits", "400", "--sets", "100", "--families", "exponential", "--seed", "3"])
    assert tally.fits == 400
    assert not [key for key in tally.failures if not key[0].startswith("open")], report(tally, 0.0, 3)


def test_a_batch_is_the_same_for_the_same_seed():
    (first, kinds), (second, _), (other, _) = batch("weibull", 1, 5), batch("weibull", 1, 5), batch("weibull", 2, 5)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert len(set(kinds)) > 5


def test_a_wrong_maximum_and_a_wrong_value_are_found():
    data = np.random.default_rng(0).exponential(2.0, (3, 20))
    fits = jm.fit_many("exponential", data)
    subject = subjects.family("exponential")
    assert judge.judge(subject, data, fits) == []
    outcome = fits.solution.outcome
    worse = {"rate": np.asarray(fits.params["rate"]) * [1.0, 1.01, 1.0]}
    moved = fits.solution
    moved = dataclasses.replace(moved, outcome=outcome._replace(value=outcome.value - np.array([0.0, 0.0, 1e-5])))
    fits = Fit(moved)
    fits.params = worse
    found = {(f.index, f.kind) for f in judge.judge(subject, data, fits)}
    assert found == {(1, "better point, converged"), (1, "log-likelihood off"), (2, "log-likelihood off")}


def test_a_random_expression_is_a_model():
    tally = Tally()
    run_batch(tally, "expression:4", 0, 1, False, 20)
    assert tally.fits == 20 and not [kind for kind, _ in tally.failures if kind.startswith("crash")]
