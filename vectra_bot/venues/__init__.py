"""Venue adapters, each a feed and a gateway: the embedded exchange, a live venue, a recording.

Imports exchange, wire, journal, models and clock; one of two rooms that import python-socketio. ``live``
and what it is made of (``link``, ``connection``, ``login`` ...) open connections, start the task that
supervises them and read the clock; ``credentials`` reads a variable, a private file or the keyring;
``embedded`` may pace itself by the clock and write a log of requests; ``replay`` reads a file or a journal.
"""
