"""Foreign Parquet files: names and values of their columns brought to those of our records."""
