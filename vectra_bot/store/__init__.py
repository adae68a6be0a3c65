"""The Parquet tree built from journals; other packages use what ``store.api`` exports."""
