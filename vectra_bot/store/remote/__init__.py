"""A store in an object store: addresses, objects, upload.

Uploads closed segments and parts from a spool on this machine, several at a time in threads, through
pyarrow's file systems.
"""
