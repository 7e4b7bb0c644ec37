"""Special functions made for scores and Hessians: every derivative keeps its digits, in float64 and float32."""

from jaxmle.special._elementary import (
    log1mexp,
    log1mexpexp,
    log1p_ratio,
    log1pmx,
    log_ndtr,
    xlog1py,
    xlogx_excess,
    xlogy,
)
from jaxmle.special._gamma import (
    betaln,
    digamma,
    gammaln,
    gammaln_difference,
    log_rising,
    polygamma,
    trigamma,
)
from jaxmle.special._incomplete import (
    betainc,
    gammainc,
    gammaincc,
    log_betainc,
    log_betainc_odds,
    log_gammainc,
    log_gammaincc,
)

__all__ = [
    "betainc",
    "betaln",
    "digamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammaln_difference",
    "log1mexp",
    "log1mexpexp",
    "log1p_ratio",
    "log1pmx",
    "log_betainc",
    "log_betainc_odds",
    "log_gammainc",
    "log_gammaincc",
    "log_ndtr",
    "log_rising",
    "polygamma",
    "trigamma",
    "xlog1py",
    "xlogx_excess",
    "xlogy",
]
