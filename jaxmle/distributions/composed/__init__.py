"""Distributions made from others: functions from a record to a record."""
