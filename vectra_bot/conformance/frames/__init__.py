"""Compare a capture's frames with the exchange's: kinds, order and shapes."""
