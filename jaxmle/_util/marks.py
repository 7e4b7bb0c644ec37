"""Marks on values of a traced program that compilers of it may look for; XLA and derivatives see nothing of them."""

from typing import Any

from jax.ad_checkpoint import checkpoint_name

CONTRIBUTIONS = "jaxmle contributions"
"The rows of a log-likelihood: their sum decides whether a point is one, so that whatever is NaN in them has to stay."


def mark_contributions(rows: Any) -> Any:
    """Mark the rows of a log-likelihood, of themselves and not of their derivatives."""
    return checkpoint_name(rows, CONTRIBUTIONS)
