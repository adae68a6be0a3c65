"""The command line ``vectra-bot``."""
