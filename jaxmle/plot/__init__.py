"""Pictures of fits; needs matplotlib: `pip install 'jaxmle[plot]'`.

For one fit: `density`, `cdf`, `qq`, `pp`, `residuals`, `survival`, `profile`, `contours`, `history`. For many: `forest`,
`histograms`, `estimates_map`, `verdicts`. `overview`, which is `fit.plot()`, draws what suits the fit. Each takes axes
(`ax=`; `overview` a figure), returns axes, and changes nothing global. Colors are Okabe & Ito's; lines also differ in style.
"""

from jaxmle.plot._checks import pp, qq, residuals
from jaxmle.plot._contours import contours
from jaxmle.plot._distribution import cdf, density
from jaxmle.plot._likelihood import history, profile
from jaxmle.plot._many import estimates_map, forest, histograms, verdicts
from jaxmle.plot._overview import overview
from jaxmle.plot._survival import survival

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
