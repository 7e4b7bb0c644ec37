"""Copulas: vectors with any margins and the dependence of a normal or a t vector."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxmle import spaces
from jaxmle._util.arrays import Array, ArrayLike, Bool, Data, Float, Params
from jaxmle._util.records import record
from jaxmle.distributions import Distribution, by_name, multivariate_normal, multivariate_t, normal, student_t
from jaxmle.distributions.multivariate.covariances import correlation_of
from jaxmle.distributions.real.student_t import quantile_of_log
from jaxmle.model.model import Model
from jaxmle.model.response import Known, Response, Simulate
from jaxmle.special import ndtri_exp
from jaxmle.special.elementary import floating

_LOG_2 = 0.6931471805599453


@record
class Copula:
    """The distribution of rows of a copula, which have one column for each margin; see `gaussian_copula`, `t_copula`.

    log f(x) = sum_j log f_j(x_j) + log h(z) - sum_j log h_j(z_j), z_j = H_j^-1(F_j(x_j)), h of a normal or a t vector.
    """

    margins: tuple[tuple[str, Distribution], ...]
    heavy: bool

    @property
    def has_mean(self) -> bool:
        return False

    def logpdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        columns = self.columns(y)
        inside = self.support(y, known)
        total = sum(d.logpdf(params[name], x) for (name, d), x in zip(self.margins, columns, strict=True))
        inside = inside & (total > -jnp.inf)
        z = self.scores(params, columns, inside)
        zero = jnp.zeros_like(params["correlation"][0])
        if self.heavy:
            both = {"df": params["df"], "loc": zero, "scatter": params["correlation"]}
            alone = student_t.logpdf({"df": params["df"], "loc": 0.0, "scale": 1.0}, z)
            joint = multivariate_t(z.shape[-1]).logpdf(both, z)
        else:
            joint = multivariate_normal(z.shape[-1]).logpdf({"covariance": params["correlation"], "loc": zero}, z)
            alone = normal.logpdf({"loc": 0.0, "scale": 1.0}, z)
        return jnp.where(inside, total + jnp.where(inside, joint - jnp.sum(alone, -1), 0), -jnp.inf)

    def scores(
        self, params: Params, columns: list[Float[Array, " n"]], inside: Bool[Array, " n"]
    ) -> Float[Array, "n d"]:
        """Evaluate the scores z_j = H_j^-1(F_j(x_j)), each from the smaller tail.

        The quantile is called once for all, since its derivatives are long programs.
        """
        each = list(zip(self.margins, columns, strict=True))
        below = jnp.stack([d.logcdf(params[name], x) for (name, d), x in each], -1)
        above = jnp.stack([d.logsf(params[name], x) for (name, d), x in each], -1)
        lower = below < above
        # Rounding may leave neither tail below one half.
        tail = jnp.where(inside[:, None], jnp.minimum(jnp.where(lower, below, above), -_LOG_2), -_LOG_2)
        z = quantile_of_log(params["df"], tail) if self.heavy else ndtri_exp(tail)
        return jnp.where(lower, z, -z)

    def columns(self, data: Data) -> list[Float[Array, " n"]]:
        """List the columns of the data in the order of the margins."""
        return [floating(data[name]) for name, _ in self.margins]

    def sample(self, key: Array, params: Params, shape: tuple[int, ...], known: Known) -> dict[str, Float[Array, " n"]]:
        """Draw a normal or a t vector for each row, and map it to the margins' quantiles at its probabilities."""
        matrix = floating(params["correlation"])
        loc = jnp.zeros_like(matrix[0])
        if self.heavy:
            z = multivariate_t(len(loc)).sample(key, {"df": params["df"], "loc": loc, "scatter": matrix}, shape)
            probability = jnp.exp(student_t.logcdf({"df": params["df"], "loc": 0.0, "scale": 1.0}, z))
        else:
            z = multivariate_normal(len(loc)).sample(key, {"covariance": matrix, "loc": loc}, shape)
            probability = jax.scipy.special.ndtr(z)
        return {name: d.quantile(params[name], probability[..., j]) for j, (name, d) in enumerate(self.margins)}

    def support(self, y: Data, known: Known) -> Bool[Array, " n"]:
        inside = [d.support(x) for (_, d), x in zip(self.margins, self.columns(y), strict=True)]
        return jnp.all(jnp.stack(inside), 0)

    def logcdf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        raise TypeError(_NO_TAIL)

    def logsf(self, params: Params, y: Data, known: Known) -> Float[Array, " n"]:
        raise TypeError(_NO_TAIL)

    def quantile(self, params: Params, q: ArrayLike, known: Known) -> Float[Array, " n"]:
        raise TypeError(_NO_TAIL)

    def mean(self, params: Params, known: Known) -> Array:
        raise TypeError("the mean of a copula is not known here; ask its margins")

    def range(self, known: Known) -> tuple[ArrayLike, ArrayLike]:
        raise TypeError("the rows of a copula have several columns; ask its margins for their range")


_NO_TAIL = "a copula has no distribution function and no quantile here; use logpdf and sample"


@record
class CopulaStart:
    """Start at the margins' own starts and the correlations of the normal scores there."""

    copula: Copula

    def __call__(self, data: Data, weights: Float[Array, " n"]) -> Params:
        columns, inside = self.copula.columns(data), self.copula.support(data, {})
        params: dict[str, Params] = {
            name: d.start(x, weights) for (name, d), x in zip(self.copula.margins, columns, strict=True)
        }
        z = Copula(self.copula.margins, False).scores(params, columns, inside)
        z = jnp.clip(jnp.nan_to_num(z), -5, 5)
        params["correlation"] = correlation_of(z, jnp.where(inside, weights, 0))
        return params | ({"df": jnp.full_like(z[0, 0], 8.0)} if self.copula.heavy else {})


def gaussian_copula(margins: Mapping[str, Distribution | str]) -> Model:
    """Make the model of vectors with any continuous margins and the dependence of a normal vector.

    log f(x) = sum_j log f_j(x_j) - (log |R| + z' (R^-1 - I) z) / 2, z_j = Phi^-1(F_j(x_j)), R = correlation.

    Args:
        margins: a distribution (or its name) for each column of the data, by the column's name. Their parameters are
            fitted together with the correlation: `params["height"]["loc"]`, ..., `params["correlation"]`.

    Raises:
        ValueError, TypeError: for fewer than two margins, counts, vectors, and densities with kinks or moving edges.

    Example:
        >>> import jaxmle as jm
        >>> jm.models.gaussian_copula({"height": "normal", "weight": "gamma"}).coordinate_names
        ['correlation[0]', 'height.loc', 'height.scale', 'weight.scale', 'weight.shape']

    Reference: Song 2000, *Scandinavian Journal of Statistics* 27, 305-320; Joe 2014, *Dependence Modeling with
    Copulas*, section 4.3.
    """
    return _copula(margins, False)


def t_copula(margins: Mapping[str, Distribution | str]) -> Model:
    """Make the model of vectors with any continuous margins and the dependence of a t vector: extremes occur together.

    As `gaussian_copula`, with t quantiles z_j = T_df^-1(F_j(x_j)); df -> infinity is the Gaussian copula.

    Example:
        >>> import jaxmle as jm
        >>> jm.models.t_copula({"a": "normal", "b": "logistic"}).names
        ['a.loc', 'a.scale', 'b.loc', 'b.scale', 'correlation', 'df']

    Reference: Demarta & McNeil 2005, *International Statistical Review* 73, 111-129, eq. 3.
    """
    return _copula(margins, True)


def _copula(margins: Mapping[str, Distribution | str], heavy: bool) -> Model:
    kind = "t" if heavy else "gaussian"
    if not isinstance(margins, Mapping) or len(margins) < 2:
        raise ValueError(f"a copula needs two margins or more, by the names of the data's columns; got {margins!r}")
    found = {name: by_name(d) if isinstance(d, str) else d for name, d in margins.items()}
    for name, d in found.items():
        if name in ("correlation", "df"):
            raise ValueError(
                f"a margin cannot be called {name!r}: that is a parameter of the copula; rename the column"
            )
        if not isinstance(d, Distribution):
            given = f"the model {d.label!r}" if isinstance(d, Model) else f"{d!r:.60}"
            raise TypeError(
                f"margin {name!r} is {given}; expected a distribution or its name. Parameters are held or tied in the "
                f"copula itself: models.pinned(copula, {{'{name}.shape': ...}})"
            )
        if d.discrete or d.event or d.columns or d.geometry.regularity != "smooth":
            raise ValueError(
                f"margin {name!r} is {d.name}; a copula's density needs margins of one continuous number with a smooth density"
            )
    copula = Copula(tuple(found.items()), heavy)
    response = Response(copula, outcome=tuple(found))
    space = {name: d.space for name, d in found.items()} | {"correlation": spaces.correlation(len(found))}
    space |= {"df": spaces.positive} if heavy else {}
    name = f"{kind} copula of {', '.join(d.name for d in found.values())}"
    start = CopulaStart(copula)
    return Model(response, space, start=start, simulate=Simulate(response), name=name)
