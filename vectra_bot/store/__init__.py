"""The store: a Parquet tree built from journals, with queries, checks and repairs.

Other rooms import what ``store.api`` names. Imports journal, serde, models and fsio; reaches no engine or
wire. Reads and writes files, or objects at an address.
"""
