"""Recovery of killed sessions, from what their journals prove; no code that a journal names runs.

``killed`` finishes one session and the sessions of a store, ``process`` limits the time of each in a separate
process, ``tail`` reads the end of a long journal without the rest, ``stores`` has the steps of
``vectra-bot store recover``. Imports engine, journal and store; writes journals and files, starts processes.
"""
