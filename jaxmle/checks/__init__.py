"""Checks of derivatives and of the contract of a log-likelihood; the entry is `jaxmle.check`."""
