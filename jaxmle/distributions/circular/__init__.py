"""Families of angles in radians, measured from loc.

Any finite x is an angle, and the density has period 2 pi. The distribution function starts opposite to loc: it is
P(loc - pi <= X <= x) with x taken within half a turn of loc.
"""
