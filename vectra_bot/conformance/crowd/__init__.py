"""The crowd of the exchange against recordings of real games."""
