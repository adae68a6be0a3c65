"""The wire in both directions: raw frames to typed events, commands to requests, without I/O.

The place that translates the venue's camelCase names (protocol 5, 10). Imports game and models; the one file
it reads is its own ``protocol.toml``. No clock or task.
"""
