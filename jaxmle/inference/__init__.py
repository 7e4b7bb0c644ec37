"""What a fit says beyond its estimate: covariances, intervals, profiles, predictions and simulated data."""
