"""Laws of `check`: right derivatives pass, and every seeded mistake is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from derivatives import (
    CASES,
    GAMMA,
    GAMMA_AT,
    GAMMA_DATA,
    NORMAL,
    NORMAL_AT,
    NORMAL_DATA,
    WEIBULL,
    WEIBULL_AT,
    WEIBULL_DATA,
    N,
    X,
    gamma_hessian,
    gamma_score,
    message,
    normal_hessian,
    normal_information,
    normal_score,
    weibull_contributions,
)
from jax.scipy.special import digamma

from jaxmle.checks.check import check

# --- right derivatives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_right_derivatives_pass(name):
    model, at, data, score, hessian = CASES[name]
    report = check(model, at, data, score, hessian)
    assert report.ok, str(report)
    assert all(e["verdict"] == "ok" and e["relative_error"] < 1e-8 for e in report.score + report.hessian)
    assert {e["parameter"] for e in report.score} == set(model.value_names)
    assert not [r for r in report.rows if r["verdict"] == "warn"], str(report)


@pytest.mark.parametrize("name", CASES)
def test_right_values_pass_with_weights(name):
    model, at, data, score, hessian = CASES[name]
    w = np.arange(N) % 3 * 1.0
    index = np.repeat(np.arange(N), w.astype(int))
    repeated = jax.tree.map(lambda x: x[index], data)
    with jax.enable_x64(True):
        total, curvature = score(at, repeated), hessian(at, repeated)
    total = np.sum(total, axis=0) if name == "weibull" else total
    report = check(model, at, data, total, curvature, weights=w)
    assert report.ok, str(report)
    assert not [r for r in report.rows if r["verdict"] == "warn"], str(report)


def test_values_computed_in_float32_are_a_warning():
    with jax.enable_x64(False):
        total = jax.tree.map(jnp.float32, gamma_score(GAMMA_AT, GAMMA_DATA))
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, total)
    assert report.ok
    assert "float32" in message(report)


def test_flat_nested_and_contributions_agree():
    total = {k: np.asarray(v) for k, v in normal_score(NORMAL_AT, NORMAL_DATA).items()}
    flat = np.concatenate([total["beta"], [total["scale"]]])
    H = normal_hessian(NORMAL_AT, NORMAL_DATA)
    nested = {
        "beta": {"beta": H[:2, :2], "scale": H[:2, 2]},
        "scale": {"beta": H[2, :2], "scale": H[2, 2]},
    }

    def each(params, d):
        r, s = d["y"] - d["x"] @ params["beta"], params["scale"]
        return {"beta": d["x"] * (r / s**2)[:, None], "scale": r**2 / s**3 - 1 / s}

    for score in (total, flat, list(flat), each, each(NORMAL_AT, NORMAL_DATA)):
        assert check(NORMAL, NORMAL_AT, NORMAL_DATA, score, nested).ok


# --- seeded mistakes -----------------------------------------------------------------------------------------


def in_score(score, name, change):
    def wrong(params, d):
        out = dict(score(params, d))
        out[name] = change(out[name], params, d, out)
        return out

    return wrong


def n_of(d):
    return len(d["y"]) if isinstance(d, dict) else len(d)


MISTAKES = [
    ("scale", "wrong sign", lambda s, p, d, o: -s),
    ("scale", "factor 2", lambda s, p, d, o: 2 * s),
    ("scale", "factor 1/2", lambda s, p, d, o: s / 2),
    ("scale", "1/n", lambda s, p, d, o: s / n_of(d)),
    ("scale", "1/n", lambda s, p, d, o: s / N),
    ("scale", "log(scale)", lambda s, p, d, o: s * p["scale"]),
    ("scale", "with respect to scale**2", lambda s, p, d, o: s / (2 * p["scale"])),
    ("scale", "with respect to 1/scale", lambda s, p, d, o: -s * p["scale"] ** 2),
    ("scale", "the whole derivative is missing", lambda s, p, d, o: 0 * s),
    ("scale", "base 10", lambda s, p, d, o: s / np.log(10)),
    ("scale", "digits", lambda s, p, d, o: s * 1.0 + 1e-5 * abs(s) * np.sin(1e3 * s)),
    ("scale", "not finite", lambda s, p, d, o: s + np.nan),
    ("scale", "is missing: add -n", lambda s, p, d, o: s + n_of(d)),
    ("scale", "counted once", lambda s, p, d, o: s + (n_of(d) - 1) / p["scale"]),
]


@pytest.mark.parametrize("case", ["normal", "gamma"])
@pytest.mark.parametrize(("parameter", "word", "change"), MISTAKES, ids=lambda x: x if isinstance(x, str) else "")
def test_score_mistakes_are_named(case, parameter, word, change):
    model, at, data, score, _ = CASES[case]
    report = check(model, at, data, in_score(score, parameter, change))
    found = [r for r in report.rows if r["name"] == f"score of {parameter}"]
    assert len(found) == 1, message(report)
    assert word in found[0]["message"]
    assert report.ok == (word == "digits")
    assert [e["parameter"] for e in report.score if e["verdict"] != "ok"] == [parameter]


def test_missing_terms_are_named():
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: s + len(d["y"]) / p["scale"])
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, wrong)
    assert "does not depend on the data is missing: add -n/scale" in report["score of scale"]["message"]
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: s + 2 * len(d["y"]) / p["scale"])
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, wrong)
    assert "wrong sign: -n/scale is right" in report["score of scale"]["message"]
    wrong = in_score(gamma_score, "scale", lambda s, p, x, o: s - x.sum() / p["scale"] ** 2)
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "depends on the data is missing: add sum(data)/scale**2" in report["score of scale"]["message"]
    wrong = in_score(gamma_score, "shape", lambda s, p, x, o: s + len(x) * digamma(p["shape"]))
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "does not depend on the data is missing or extra" in report["score of shape"]["message"]
    wrong = in_score(gamma_score, "shape", lambda s, p, x, o: s + jnp.sin(x).sum())
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, wrong)
    assert "depends on the data is missing, extra or wrong" in report["score of shape"]["message"]


def test_unweighted_score_is_named():
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, gamma_score, weights=np.arange(N) % 3 * 1.0)
    assert "the weights are missing" in message(report)


def test_swapped_entries_and_reversed_signs():
    def swapped(params, x):
        out = gamma_score(params, x)
        return {"shape": out["scale"], "scale": out["shape"]}

    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, swapped)
    assert "swapped: this is the exact entry of scale" in report["score of shape"]["message"]
    assert "swapped: this is the exact entry of shape" in report["score of scale"]["message"]
    negative = check(
        GAMMA,
        GAMMA_AT,
        GAMMA_DATA,
        lambda p, x: jax.tree.map(lambda s: -s, gamma_score(p, x)),
        lambda p, x: jax.tree.map(lambda s: -s, gamma_hessian(p, x)),
    )
    assert "score of the negative log-likelihood" in negative["score of scale, shape"]["message"]
    assert "Hessian of the negative log-likelihood" in message(negative)


def test_an_agreement_by_accident_at_the_maximum_does_not_pass():
    y = NORMAL_DATA["y"]
    beta = np.linalg.lstsq(X, y)[0]
    at = {"beta": beta, "scale": np.sqrt(np.mean((y - X @ beta) ** 2))}
    wrong = in_score(normal_score, "scale", lambda s, p, d, o: -s)
    report = check(NORMAL, at, NORMAL_DATA, wrong)
    assert abs(report.score[2]["analytic"]) < 1e-10
    assert "wrong sign" in report["score of scale"]["message"]
    assert "nearby" in report["score of scale"]["message"]


def changed_hessian(change):
    def wrong(params, d):
        return change(normal_hessian(params, d), params, d)

    return wrong


def put(H, i, j, value, both=True):
    H = H.copy()
    H[i, j] = value
    if both:
        H[j, i] = value
    return H


HESSIANS = [
    ("negated", "Hessian of the negative log-likelihood", lambda H, p, d: -H),
    ("asymmetric", "not symmetric: entry (beta[0], scale)", lambda H, p, d: put(H, 0, 2, 2 * H[0, 2], False)),
    ("asymmetric names the right one", "(scale, beta[0]) is right", lambda H, p, d: put(H, 0, 2, 9.0, False)),
    ("missing cross term", "(beta[1], scale): the analytic value is 0", lambda H, p, d: put(H, 1, 2, 0.0)),
    ("factor", "(scale, scale): an extra factor 2", lambda H, p, d: put(H, 2, 2, 2 * H[2, 2])),
    ("sign of one", "(beta[0], scale): wrong sign", lambda H, p, d: put(H, 0, 2, -H[0, 2])),
    ("missing term", "add n/scale**2", lambda H, p, d: put(H, 2, 2, H[2, 2] - len(d["y"]) / p["scale"] ** 2)),
    ("permuted", "entries swapped", lambda H, p, d: H[::-1, ::-1]),
    ("covariance", "inverse of the information", lambda H, p, d: -np.linalg.inv(H)),
    (
        "expected",
        "expected information",
        lambda H, p, d: -np.asarray(normal_information(p, d)).sum(0),
    ),
    (
        "log scale",
        "second derivative with respect to log(scale)",
        lambda H, p, d: put(H, 2, 2, p["scale"] ** 2 * H[2, 2] + p["scale"] * normal_score(p, d)["scale"]),
    ),
    ("chain rule", "(beta[0], scale): an extra factor scale", lambda H, p, d: put(H, 0, 2, p["scale"] * H[0, 2])),
]


@pytest.mark.parametrize(("name", "words", "change"), HESSIANS, ids=[h[0] for h in HESSIANS])
def test_hessian_mistakes_are_named(name, words, change):
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, hessian=changed_hessian(change))
    assert not report.ok
    assert words in message(report), str(report)


def test_values_are_diagnosed_at_one_point():
    total = normal_score(NORMAL_AT, NORMAL_DATA)
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": -total["scale"]})
    assert "wrong sign" in report["score of scale"]["message"]
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": total["scale"] / N})
    assert "1/n" in report["score of scale"]["message"]
    report = check(NORMAL, NORMAL_AT, NORMAL_DATA, {**total, "scale": total["scale"] + 0.1234})
    assert "wrong by 0.1234" in report["score of scale"]["message"]


def test_rows_in_another_order_and_transposed():
    values = weibull_contributions(WEIBULL_AT, WEIBULL_DATA)
    report = check(WEIBULL, WEIBULL_AT, WEIBULL_DATA, values[::-1])
    assert "another order" in report["score contributions"]["message"]
    report = check(WEIBULL, WEIBULL_AT, WEIBULL_DATA, values.T)
    assert "transposed" in report["score shape"]["message"]


def test_malformed_derivatives_are_named():
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, {"shape": 1.0}, np.eye(3))
    assert "no entry for scale" in report["score"]["message"]
    assert "expected [p, p] = [2, 2]" in report["hessian"]["message"]
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, {"shape": 1.0, "scale": np.ones(3)}, lambda p, x: 1 / 0)
    assert "score of scale has shape [3]" in report["score"]["message"]
    assert "ZeroDivisionError" in report["hessian"]["message"]


def test_data_fixed_inside_the_score_is_a_warning():
    fixed = gamma_score
    report = check(GAMMA, GAMMA_AT, GAMMA_DATA, lambda p, x: fixed(p, GAMMA_DATA))
    assert report.ok
    assert "fixed in the function" in report["score on other data"]["message"]
