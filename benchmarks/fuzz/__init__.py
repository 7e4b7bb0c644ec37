"""Fuzz test: odd data sets of every family and random models, judged in other arithmetic by another search."""
