"""Comparison of a capture's frames with the exchange's: which come, in which order and shape.

Imports exchange, server, venues, wire and journal. Reads a capture file or a journal and writes nothing.
"""
