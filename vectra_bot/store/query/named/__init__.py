"""The SQL of the store's named queries, by subject.

Text and declarations of parameters only: nothing is read when this is imported.
"""
