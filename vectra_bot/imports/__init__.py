"""Other people's data: captures, recordings, journals, foreign Parquet files, stores of schema 1.0.0."""
