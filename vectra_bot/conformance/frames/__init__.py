"""A capture's frames against the exchange's own: what comes, in which order and shape."""
