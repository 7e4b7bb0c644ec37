"""Comparisons of fits of the same data: criteria, hypothesis tests and the rules of what may be compared."""
