"""Special functions made for scores and Hessians: every derivative keeps its digits, in float64 and float32."""

from jaxmle.special.bessel import log_iv
from jaxmle.special.elementary import (
    expm1_ratio,
    log1mexp,
    log1mexpexp,
    log1p_ratio,
    log1pmx,
    log_diff,
    log_ndtr,
    ndtri_exp,
    xlog1py,
    xlogx_excess,
    xlogy,
)
from jaxmle.special.gamma import (
    betaln,
    digamma,
    gamma_excess,
    gammaln,
    gammaln_difference,
    log_rising,
    polygamma,
    trigamma,
)
from jaxmle.special.hurwitz import log_zeta
from jaxmle.special.incomplete import (
    betainc,
    gammainc,
    gammaincc,
    log_betainc,
    log_betainc_odds,
    log_gammainc,
    log_gammaincc,
)
from jaxmle.special.inverses import betaincinv, gammainccinv, gammaincinv
from jaxmle.special.owens import log_owens_rest, log_owens_t, owens_t

__all__ = [
    "betainc",
    "betaincinv",
    "betaln",
    "digamma",
    "expm1_ratio",
    "gamma_excess",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "gammaln_difference",
    "log1mexp",
    "log1mexpexp",
    "log1p_ratio",
    "log1pmx",
    "log_betainc",
    "log_betainc_odds",
    "log_diff",
    "log_gammainc",
    "log_gammaincc",
    "log_iv",
    "log_ndtr",
    "log_owens_rest",
    "log_owens_t",
    "log_rising",
    "log_zeta",
    "ndtri_exp",
    "owens_t",
    "polygamma",
    "trigamma",
    "xlog1py",
    "xlogx_excess",
    "xlogy",
]
