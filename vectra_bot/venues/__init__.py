"""Venue adapters, each a feed and a gateway: the embedded exchange, a live venue, a recording.

Imports exchange, wire, journal, models and clock; one of two rooms that import python-socketio. ``live``
opens connections, starts the task that supervises them and reads the clock; ``embedded`` may pace itself by
the clock and write a log of requests; ``replay`` reads a file or a journal.
"""
