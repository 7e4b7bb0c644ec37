"""Families of vectors and matrices: functions of their dimension."""
