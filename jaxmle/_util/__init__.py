"""Helpers that know nothing of statistics: records, compilation, caching, files, tables, progress, small linear algebra."""
