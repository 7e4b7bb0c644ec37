"""Scalar expressions of a fit: nodes, graphs and programs."""
