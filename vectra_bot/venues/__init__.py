"""Feeds and gateways: the embedded exchange, a live venue, a recording."""
