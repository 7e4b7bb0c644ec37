"""Mistakes of the first week: each gets its own sentence, with what was given, what was expected and what to try."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmle as jm
from jaxmle import spaces

X = np.array([0.4, 1.1, 2.7, 0.9, 1.6, 3.2])
INF = np.full(6, np.inf)


def rate(f, **more):
    return jm.Model(f, {"rate": spaces.positive}, **more)


def total(params, x):
    return jnp.sum(jnp.log(params["rate"]) - params["rate"] * x)


def column(params, x):
    return (jnp.log(params["rate"]) - params["rate"] * x)[:, None]


def numpy_inside(params, x):
    return np.log(params["rate"]) - params["rate"] * x


def branches(params, x):
    return x if params["rate"] > 1 else -x


def negative(params, x):
    return params["rate"] * x - jnp.log(params["rate"])


def other_name(params, x):
    return jnp.log(params["lam"]) - params["lam"] * x


def good(params, x):
    return jnp.log(params["rate"]) - params["rate"] * x


def loads(params, data):
    return -0.5 * (data["yield"] - params["rate"]) ** 2


def message(fit):
    """The sentence of a fit that is no maximum."""
    assert not fit.converged
    raise ValueError(fit.message())


UNUSED = jm.Model(good, {"rate": spaces.positive, "unused": spaces.real})
FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0], "dose": ["3", "n/a", "4"]})
MISTAKES = {
    "a scalar returned": (lambda: jm.fit(rate(total), X), r"total must return .* shape \[6\].*got \[\].*did you sum.*jaxmle\.rows"),
    "shape [n, 1]": (lambda: jm.fit(rate(column), X), r"column must return .* shape \[6\].*got \[6, 1\].*\[:, 0\]"),
    "NumPy on a tracer": (lambda: jm.fit(rate(numpy_inside), X), r"numpy_inside cannot be traced.*expected a pure JAX function.*use jax\.numpy"),
    "if on a tracer": (lambda: jm.fit(rate(branches), X), r"branches cannot be traced.*jnp\.where instead of if"),
    "the negative returned": (lambda: message(jm.fit(rate(negative), X)), r"unbounded.*rate -> infinity.*rises without limit.*sign .* reversed"),
    "params and space": (lambda: jm.fit(rate(other_name), X), r"other_name asks for 'lam'.*params have \['rate'\].*the same keys"),
    "a data column": (lambda: jm.fit(rate(loads), {"y": X}), r"loads asks for 'yield'.*data have \['y'\]"),
    "start and space": (lambda: jm.fit(rate(good, start=lambda x, w: {"r": 1.0}), X), r"returns \['r'\]; expected .*\['rate'\]: give both"),
    "object columns": (lambda: jm.fit("normal", FRAME["dose"]), r"column 'dose' holds text: row 0 is '3'; expected numbers.*to_numeric"),
    "objects": (lambda: jm.fit("normal", pd.Series([1.0, "n/a"])), r"holds objects: row 1 is 'n/a'; expected numbers"),
    "None among numbers": (lambda: jm.fit("normal", [1.0, None]), r"row 1 is None, a missing value; expected numbers.*missing="),
    "keys with blanks": (lambda: jm.fit_many("normal", X, groups=["a", "a", "a ", "b", "b", "b"]), r"'a' and 'a ' differ only in blanks.*strip"),
    "a blank key": (lambda: jm.fit_many("normal", X, groups=["a", "a", " ", "b", "b", "b"]), r"a key is blank \(' '\)"),
    "a missing key": (lambda: jm.fit_many("normal", X, groups=[1, 1, 1, np.nan, 2, 2]), r"key of row 3 is missing; leave"),
    "keys of two kinds": (lambda: jm.fit_many("normal", X, groups=pd.Series([1, 1, 1, "b", "b", "b"], dtype=object)), r"int and str; expected keys of one kind"),
    "percent in the data": (lambda: jm.fit("bernoulli", [100, 0, 100]), r"row 0 is 100, outside the support.*are these percentages\?"),
    "percent in a start": (lambda: jm.fit("bernoulli", [1, 0, 1], start={"probability": 70}), r"probability is 70.*outside its space interval\(0, 1\).*70\.0 percent is 0\.7"),
    "percent pinned": (lambda: jm.models.pinned("bernoulli", probability=70), r"70\.0 is outside .*\(70\.0 percent is 0\.7\)"),
    "percent as level": (lambda: jm.fit("exponential", X).interval(95), r"level=95; expected a probability.*did you mean 0\.95"),
    "event swapped": (lambda: message(jm.fit("exponential", {"lower": X, "upper": INF})), r"no events: every row is right-censored; .* swapped\?"),
    "too few": (lambda: message(jm.fit(UNUSED, X, weights=[1, 0, 0, 0, 0, 0])), r"1 observation for 2 free parameters: too few"),
    "one passed to fit_many": (lambda: jm.fit_many("gamma", X), r"data has shape \[6\].*\[datasets, n, \.\.\.\].*use fit for one data set"),
    "many passed to fit": (lambda: jm.fit("gamma", X.reshape(2, 3)), r"shape \[2\].*got \[2, 3\]: are these many data sets\?.*fit_many"),
    "a start from another model": (lambda: jm.fit("gamma", X, start=jm.fit("exponential", X)), r"a fit of exponential, with \['rate'\], expected \['scale', 'shape'\]; give"),
    "a start of many": (lambda: jm.fit("exponential", X, start={"rate": [0.5, 0.6]}), r"rate has shape \[2\]; expected \[\].*start=fits\[0\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_was_given_what_was_expected_what_to_try(name):
    call, words = MISTAKES[name]
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_no_mistake_integer_starts():
    np.testing.assert_allclose(jm.fit(rate(good), X, start={"rate": 1}).params["rate"], 1 / X.mean(), rtol=1e-9)


def test_an_unused_parameter_is_named():
    fit = jm.fit(UNUSED, X)
    assert fit.status is jm.Status.NOT_IDENTIFIED
    assert "not identified (unused)" in fit.message()


def test_a_batch_says_the_same():
    fits = jm.fit_many("bernoulli", [[0, 1, 1], [0, 100, 100]])
    assert "percentages" in fits.message(1) and "percentages" in fits[1].message()
    assert "percentages" not in fits.message(0)
