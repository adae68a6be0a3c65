"""The Parquet tree built from journals; others use what ``store.api`` names."""
