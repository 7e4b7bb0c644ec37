"""Pictures of fits; needs matplotlib (`pip install '.[plot]'`).

For one fit: `density`, `cdf`, `qq`, `pp`, `residuals`, `survival`, `profile`, `contours`, `history`. For many: `forest`,
`histograms`, `estimates_map`, `verdicts`. `overview`, which is `fit.plot()`, draws what suits the fit. Each takes axes
(`ax=`; `overview` a figure), returns axes, and changes nothing global. Colors are Okabe & Ito's; lines also differ in style.
"""

from jaxmle.plot.batch import estimates_map, forest, histograms, verdicts
from jaxmle.plot.diagnostics import pp, qq, residuals
from jaxmle.plot.distribution import cdf, density
from jaxmle.plot.lifetimes import survival
from jaxmle.plot.likelihood import history, profile
from jaxmle.plot.likelihood_contours import contours
from jaxmle.plot.panels import overview

__all__ = [
    "cdf",
    "contours",
    "density",
    "estimates_map",
    "forest",
    "histograms",
    "history",
    "overview",
    "pp",
    "profile",
    "qq",
    "residuals",
    "survival",
    "verdicts",
]
