"""Rewriting of expressions, each by one identity."""
