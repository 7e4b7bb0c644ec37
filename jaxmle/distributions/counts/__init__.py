"""Families of counts and other whole numbers."""
