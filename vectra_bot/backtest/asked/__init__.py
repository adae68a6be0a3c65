"""What a user asks of a backtest: options, variants, and the calls that play them and return a result."""
