"""Conformance of the exchange with captures of the venue: frames, the crowd, money, the price law, trades.

Imports exchange, server, venues and what is below them. Reads capture files and journals, writes nothing,
and reads no clock.
"""
