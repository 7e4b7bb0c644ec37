"""Families on an interval."""
