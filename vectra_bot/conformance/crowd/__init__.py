"""Compare the exchange's crowd with recordings of real games."""
