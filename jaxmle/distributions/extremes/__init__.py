"""Families of maxima, minima and exceedances."""
