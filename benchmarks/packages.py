"""Statistical packages as their users call them, one data set after the other; their starts and rules are their own.

Each entry of a table below is (task, i) -> (params of data set i, converged, steps).
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.rivals import Answer, Rival, only
from benchmarks.workloads import Task

Fitter = Callable[[Any], tuple[dict[str, Any], bool, int]]


def _rival(name: str, title: str, fitters: dict[str, Fitter], needs: str, **options: Any) -> Rival:
    def prepare(task: Task) -> Callable[[], Answer]:
        fitter = fitters[task.workload.name]

        def one(i: int) -> Any:
            own = {k: x[i] for k, x in task.own.items()} if isinstance(task.own, dict) else task.own[i]
            return fitter(own)

        def run() -> Answer:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(task.calls):
                    found = [one(i) for i in range(task.datasets)]
            params = {key: np.stack([np.asarray(f[0][key], float) for f in found]) for key in found[0][0]}
            return Answer(params, np.array([f[1] for f in found]), np.array([f[2] for f in found]))

        return run

    return Rival(name, title, prepare, needs=(needs,), works=only(fitters), **options)


# --- SciPy's own fit ---------------------------------------------------------------------------------------------


def _scipy_normal(x: Any) -> Any:
    from scipy import stats

    loc, scale = stats.norm.fit(x)
    return {"loc": loc, "scale": scale}, True, 0


def _scipy_gamma(x: Any) -> Any:
    from scipy import stats

    shape, _, scale = stats.gamma.fit(x, floc=0)
    return {"shape": shape, "scale": scale}, True, 0


def _scipy_weibull(data: Any) -> Any:
    from scipy import stats

    censored = np.isinf(data["upper"])
    sample = stats.CensoredData.right_censored(data["lower"], censored)
    shape, _, scale = stats.weibull_min.fit(sample, floc=0)
    return {"shape": shape, "scale": scale}, True, 0


def _scipy_student(x: Any) -> Any:
    from scipy import stats

    df, loc, scale = stats.t.fit(x)
    return {"df": df, "loc": loc, "scale": scale}, True, 0


# --- regressions ----------------------------------------------------------------------------------------------------


def _statsmodels_logit(data: Any) -> Any:
    import statsmodels.api as sm

    fit = sm.Logit(data["y"], data["x"]).fit(method="newton", disp=0, tol=1e-9)
    return {"beta": fit.params}, bool(fit.mle_retvals["converged"]), int(fit.mle_retvals["iterations"])


def _statsmodels_counts(data: Any) -> Any:
    import statsmodels.api as sm

    fit = sm.NegativeBinomial(data["y"], data["x"]).fit(method="bfgs", disp=0, gtol=1e-5, maxiter=500)
    beta, dispersion = fit.params[:-1], fit.params[-1]
    return {"beta": beta, "dispersion": dispersion}, bool(fit.mle_retvals["converged"]), 0


def _sklearn_logit(data: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", fit_intercept=False, tol=1e-6, max_iter=100)
    fit.fit(data["x"], data["y"])
    return {"beta": fit.coef_[0]}, bool(fit.n_iter_[0] < 100), int(fit.n_iter_[0])


def _glum_logit(data: Any) -> Any:
    from glum import GeneralizedLinearRegressor

    fit = GeneralizedLinearRegressor(family="binomial", alpha=0, fit_intercept=False, gradient_tol=1e-6, max_iter=100)
    fit.fit(data["x"], data["y"])
    return {"beta": fit.coef_}, bool(fit.n_iter_ < 100), int(fit.n_iter_)


def _blas_logit(data: Any) -> Any:
    x, y = data["x"], data["y"]
    beta = np.zeros(x.shape[1])
    for count in range(1, 101):
        probability = 1 / (1 + np.exp(-(x @ beta)))
        slope = x.T @ (y - probability)
        move = np.linalg.solve((x.T * (probability * (1 - probability))) @ x, slope)
        beta = beta + move
        if 0.5 * slope @ move <= 1e-9:
            return {"beta": beta}, True, count
    return {"beta": beta}, False, 100


# --- lifetimes ---------------------------------------------------------------------------------------------------------


def _lifelines_weibull(data: Any) -> Any:
    from lifelines import WeibullFitter

    fit = WeibullFitter().fit(data["lower"], np.isfinite(data["upper"]))
    return {"shape": fit.rho_, "scale": fit.lambda_}, True, 0


def _logits(fitter: Fitter) -> dict[str, Fitter]:
    return {"logistic": fitter, "logistic-big": fitter}


_SCIPY = {
    "normal": _scipy_normal,
    "gamma-one": _scipy_gamma,
    "gamma": _scipy_gamma,
    "weibull": _scipy_weibull,
    "student-t": _scipy_student,
}

PACKAGES = (
    _rival("scipy-fit", "SciPy stats: .fit in a loop", _SCIPY, "scipy", most=4_000),
    _rival("blas", "NumPy by hand: Newton over BLAS", _logits(_blas_logit), "numpy", most=200_000),
    _rival(
        "statsmodels",
        "statsmodels in a loop",
        {**_logits(_statsmodels_logit), "negative-binomial": _statsmodels_counts},
        "statsmodels",
        most=10_000,
    ),
    _rival("scikit-learn", "scikit-learn: newton-cholesky", {"logistic-big": _sklearn_logit}, "sklearn"),
    _rival("glum", "glum: IRLS", {"logistic-big": _glum_logit}, "glum"),
    _rival("lifelines", "lifelines: WeibullFitter in a loop", {"weibull": _lifelines_weibull}, "lifelines", most=4_000),
)
