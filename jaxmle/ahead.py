"""Compiling before there are data."""

from typing import Any

import jax
import numpy as np

from jaxmle._data import is_constant
from jaxmle.fit import fit, fit_many

_MOST = 1 << 16
"From so many data sets on a batch's size is part of no program."


def compile_ahead(model: Any, data: Any, datasets: int | None = None, **options: Any) -> None:
    """Compiles what `fit` or `fit_many` will need, so that the first real call does not wait for it.

    Together with `cache` (or `JAXMLE_CACHE`) other processes, too, find the programs ready.

    Args:
        model: as in `fit`.
        data: one data set like those to come, leaves [n, ...]; of its values only shapes and types count. Programs of
            the lanes hold for its number of rows, functions of the machine for any.
        datasets: how many there will be in a call of `fit_many`, about; None for `fit`.
        **options: as they will be given to `fit` or `fit_many`, without weights, start and groups.

    Example:
        >>> import jaxmle as jm, numpy as np
        >>> jm.compile_ahead("exponential", np.ones(50), datasets=1000)
        >>> jm.fit_many("exponential", np.random.default_rng(1).exponential(size=(1000, 50))).converged.all()
        np.True_
    """
    if not options.keys().isdisjoint({"weights", "start", "groups"}):
        raise TypeError("compile_ahead takes the options of fit and fit_many without weights, start and groups")
    leaves = [x for x in jax.tree.leaves(data, is_leaf=is_constant) if not is_constant(x)]
    n = len(leaves[0])
    if datasets is None:
        return fit(model, data, weights=np.zeros(n), **options).standard_errors() and None
    size = min(int(datasets), _MOST)

    def spread(x: Any) -> Any:
        return x if is_constant(x) else np.broadcast_to(np.asarray(x), (size, *np.shape(x)))

    many = jax.tree.map(spread, data, is_leaf=lambda x: is_constant(x) or not isinstance(x, dict))
    fit_many(model, many, weights=np.zeros(n), **options).standard_errors()
