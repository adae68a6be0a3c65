"""The contract of a venue: what a feed and a gateway must do, as a suite that runs against any of them.

``rig`` is what the author of a venue gives: the venue, and its other side, which the suite can see and
control; ``embedded`` is the rig of the embedded exchange. ``promises`` names what is checked, ``driver``
drives a venue as a session does, and ``check`` has the scenarios. Imports venues, exchange, wire and models;
starts tasks and reads the clock.
"""
