"""Fault injection: power failures, kills, full and broken disks, corrupt files, races, faulty connections.

Each module is one experiment; its functions return figures as JSON-ready data with ``over_goal``, the goals
that were missed:

- ``power_loss``: what a model of the disk (``disk_model``) may have kept is recovered and checked;
  ``planted`` checks that this test finds bugs
- ``kills``: writers, sessions and recoveries end by ``kill -9``
- ``disk_faults``: the N-th call to the disk fails under a running session
- ``corruption``: a bit of a file is flipped, or the file is truncated
- ``compaction_race``: sessions are compacted while other processes read
- ``proxy``: a TCP proxy on loopback that delays, silences, slices, corrupts and resets connections:
  :class:`FaultProxy`, with a :class:`Way` for each direction
- ``tokens``: login tokens for tests
- ``tampering``: other programs touch a running session's files; repetitions of a session are interrupted

``scenarios`` and ``documents`` write the data, ``checks`` says what must be true of it afterwards,
``processes`` starts and reads the processes that are killed. Random choices follow from a seed. Imports
session, store and journal; starts processes, reads the clock and writes to the folder it is given.
"""

from vectra_bot.testing.faults.proxy import FaultProxy, Way
from vectra_bot.testing.faults.tokens import unsigned_token

__all__ = [
    "FaultProxy",
    "Way",
    "checks",
    "compaction_race",
    "corruption",
    "disk_faults",
    "disk_model",
    "documents",
    "kills",
    "planted",
    "power_loss",
    "processes",
    "proxy",
    "scenarios",
    "tampering",
    "tokens",
    "unsigned_token",
]
