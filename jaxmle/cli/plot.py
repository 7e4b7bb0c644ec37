"""`jaxmle fit --plot FILE.png`: one picture of what was fitted."""

from pathlib import Path

import numpy as np
import polars

from jaxmle import Fit, plot
from jaxmle._util.atomic_write import whole
from jaxmle._util.optional import optional
from jaxmle.plot.panels import size

_ENDINGS = (".png", ".pdf", ".svg")


def check(path: Path) -> None:
    """Raise for a picture that cannot be written, before anything is fitted."""
    if path.suffix.lower() not in _ENDINGS:
        raise ValueError(f"--plot {path}: expected a name that ends in {', '.join(_ENDINGS)}")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
    optional("matplotlib", "plot")


def write(path: Path, results: dict[str, Fit], keys: polars.DataFrame | None, criterion: str, level: float) -> None:
    """Write the overview of a fit or of a batch; of several distributions that of the best by the criterion.

    Args:
        path: of the picture; its ending says which kind.
        results: a fit, or a batch, for each distribution.
        keys: the groups, a polars DataFrame, or None.
        criterion: `"aic"`, `"aicc"` or `"bic"`; batches are compared by its sum.
        level: of intervals and bands.
    """

    def score(result: Fit) -> float:
        total = float(np.sum(getattr(result, criterion)))
        return total if np.isfinite(total) else np.inf

    best = min(results.values(), key=score)
    labels = None if keys is None else [", ".join(map(str, row)) for row in keys.iter_rows()]
    figure = optional("matplotlib.figure", "plot").Figure(figsize=size(best), layout="constrained")
    plot.overview(best, figure, level=level, labels=labels)
    with whole(path) as name:
        figure.savefig(name, dpi=150, format=path.suffix[1:].lower())
