"""Families of positive numbers."""
