"""Families on the whole real line."""
