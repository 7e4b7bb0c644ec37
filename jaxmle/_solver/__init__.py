"""One fit as pure functions: states, steps, certificates and verdicts; a loop for one fit and lanes for many."""
