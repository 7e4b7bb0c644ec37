"""`fit_all`: which families suit which data, what a failure does to the others, and the table."""

import dataclasses

import numpy as np
import pytest
from cases import rng

import jaxmle as jm
from jaxmle import Status, distributions
from jaxmle.selection import _batch, _columns, _suitable

WAITS = rng(1).gamma(2.0, 3.0, 40)


def suitable(data, families=None, groups=None, weights=None):
    columns = _columns(data)
    leaf = next(iter(columns.values())) if isinstance(columns, dict) else columns
    single = groups is None and np.ndim(leaf) < 2
    return set(_suitable(_batch(columns, weights, groups, single, "status"), families))


@pytest.mark.parametrize(
    ("data", "among", "not_among"),
    [
        (WAITS, {"gamma", "normal", "exponential", "rice"}, {"beta", "poisson", "von_mises", "categorical"}),
        ([0.2, 0.7, 0.5], {"beta", "power_law", "gamma", "normal"}, {"binomial", "von_mises"}),
        ([-0.5, 1.2, 3.0], {"normal", "student_t", "pearson3"}, {"gamma", "von_mises", "skellam"}),
        ([0, 3, 1, 7], {"poisson", "negative_binomial", "skellam"}, {"geometric", "bernoulli", "normal", "binomial"}),
        ([0, 1, 1, 0], {"bernoulli", "poisson"}, {"normal"}),
        ([-2.0, 1.0, 4.0], {"skellam"}, {"poisson", "normal"}),
        ({"successes": [1, 2], "trials": [5, 5]}, {"binomial", "beta_binomial"}, {"poisson"}),
        ({"time": [1.5, 2.0], "event": [1, 0]}, {"weibull", "normal"}, {"beta"}),
        ({"lower": [0.0, 2.5], "upper": [1.5, np.inf]}, {"weibull", "lognormal"}, {"poisson"}),
        ({"hours": [1.5, 2.0]}, {"weibull"}, {"poisson"}),
        (np.array([[1.0, 2.5], [-1.0, 2.5]]), {"weibull", "normal"}, {"beta"}),
    ],
)
def test_kind_and_support_decide(data, among, not_among):
    found = suitable(data)
    assert among <= found and not found & not_among


def test_whole_measurements_and_rows_without_weight():
    assert "weibull" in suitable([3, 5, 9], "continuous") and "poisson" not in suitable([3, 5, 9], "continuous")
    assert "gamma" in suitable([1.5, -2.5], weights=[1, 0])
    assert "gamma" in suitable([1.5, -2.5], groups=["a", "b"])
    with pytest.raises(ValueError, match="no family of counts has all rows"):
        jm.fit_all([1.5, 2.5], "counts")


def test_one_data_set_by_aic():
    names = ["gamma", "exponential", "pareto", "normal", "beta"]
    found = jm.fit_all(WAITS, names)
    table = jm.compare({name: jm.fit(name, WAITS) for name in names[:-1]})
    assert found.best == table.best == next(iter(found)) and len(found) == 4
    np.testing.assert_array_equal(np.sort(found.comparison.aic), np.sort(table.aic))
    assert found[found.best].params.keys() == distributions.by_name(found.best).space.keys()
    columns = found.columns()
    assert list(columns["model"]) == list(found) and (np.diff(columns["aic"][:-1]) >= 0).all()
    # A family whose support does not hold the rows has no fit; one at an edge of the data has no criterion.
    assert "outside the support of beta" in found.failures["beta"] and found["pareto"].status == Status.AT_DATA_EDGE
    with pytest.raises(KeyError, match="beta has no fit: row "):
        found["beta"]
    text = repr(found)
    assert (
        text.startswith("Families by aic\nmodel ") and "beta: row " in text and "pareto: maximum at a data edge" in text
    )
    assert found.to_pandas()["model"][0] == found.best


def test_many_data_sets_have_a_best_each():
    x = np.stack([rng(k).gamma(2.0, 3.0, 30) for k in range(5)])
    x[3, 0] = -1.0  # this data set suits the normal alone
    found = jm.fit_all(x, ["exponential", "gamma", "normal"], criterion="bic")
    each = [jm.fit_all(row, ["exponential", "gamma"], criterion="bic").best for row in x[:3]]
    assert list(found.best[:3]) == each and found.best[3] == "normal"
    assert found["gamma"].status[3] == Status.OUTSIDE_SUPPORT
    assert found.columns()["key"].tolist() == np.repeat(np.arange(5), 3).tolist()
    text = repr(found)
    assert text.startswith("Families by bic of 5 data sets\nmodel ") and "best for" in text
    rows = jm.fit_all(x[:2].ravel(), ["exponential", "gamma"], groups=np.repeat(["a", "b"], 30))
    assert rows.comparison.keys.tolist() == ["a", "b"] and "key" in rows.columns()


def test_every_failure_is_kept_to_itself():
    def no_start(x, weights):
        raise RuntimeError("no start here")

    broken = dataclasses.replace(distributions.gamma, name="broken", start=no_start)
    seen = []
    found = jm.fit_all(WAITS, ["exponential", broken], progress=lambda *counts: seen.append(counts))
    assert list(found) == ["exponential"] and "no start here" in found.failures["broken"]
    assert sorted(seen)[-1] == (2, 1, 2)
    with pytest.raises(ValueError, match="none of 1 families could be fitted; broken: .*no start here"):
        jm.fit_all(WAITS, [broken])


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: jm.fit_all(WAITS, ["weibul"]), ValueError, "Did you mean 'weibull'"),
        (lambda: jm.fit_all(WAITS, []), ValueError, "families holds no name"),
        (lambda: jm.fit_all(WAITS, criterion="waic"), ValueError, "criterion='waic'; expected one of 'aic'"),
        (lambda: jm.fit_all(WAITS, start={"rate": 1.0}), TypeError, "fit_all takes no start"),
        (lambda: jm.fit_all([1, 2], ["poisson", "normal"]), ValueError, r"counts \(poisson\) with those"),
        (lambda: jm.fit_all({"a": [1.0], "b": [2.0]}), ValueError, "the columns are: a, b"),
    ],
)
def test_mistakes_are_told(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("data", [WAITS, rng(2).poisson(3.0, 60), rng(3).beta(2.0, 3.0, 50)])
def test_the_whole_catalogue(data):
    found = jm.fit_all(data)
    assert not found.failures and len(found) == len(suitable(data))
    # No verdict is missing: whatever has no criterion says why.
    unsure = [name for name, fit in found.items() if np.isnan(found.comparison.aic[found.comparison.names.index(name)])]
    assert all(found[name].message() for name in unsure) and len(unsure) < 0.3 * len(found)
    lost = [Status.MAX_STEPS, Status.STALLED, Status.NO_FINITE_START]
    assert sum(fit.status in lost for fit in found.values()) <= 1
