"""Public names of `jaxmle.comparison` under the path that the documentation shows: `from jaxmle.compare import two_groups`."""

from jaxmle.comparison.criteria import Comparison, Contrast, compare, two_groups
from jaxmle.comparison.hypothesis_tests import likelihood_ratio, score_test, wald_test

__all__ = ["Comparison", "Contrast", "compare", "likelihood_ratio", "score_test", "two_groups", "wald_test"]
