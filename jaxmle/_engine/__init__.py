"""How fits are made to happen: data at the door, batches, plans, backends, workers, retries; `solve` is the one entry."""
