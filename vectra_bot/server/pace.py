"""The exchange's time relative to the machine's."""

from __future__ import annotations

from vectra_bot.clock import Clock
from vectra_bot.errors import ConfigError
from vectra_bot.models.times import NS_PER_S

MAX_SPEED = 1_000_000
_LATE_NS = NS_PER_S


class Pace:
    """``speed`` venue seconds pass per real second; None: as fast as the clients can follow.

    If the machine is more than a second behind, the rest of the delay is skipped and counted in
    ``forgiven_ns``: a burst of old ticks would be useless.
    """

    def __init__(self, speed: float | None, clock: Clock, venue_ns: int) -> None:
        if speed is not None and not 0 < speed <= MAX_SPEED:
            raise ConfigError(
                f"speed was {speed!r}: give max, or a number above 0 (1 is real time)"
            )
        self.speed = speed
        self.clock = clock
        self.forgiven_ns = 0
        self._venue_ns = venue_ns
        self._since_ns = clock.monotonic_ns()

    def begin(self, venue_ns: int) -> None:
        """Set the venue's time of now to *venue_ns*."""
        self._venue_ns = venue_ns
        self._since_ns = self.clock.monotonic_ns()

    def venue_now_ns(self, stepped_ns: int) -> int:
        """Return the venue's current time; at unlimited speed, that of the last step."""
        if self.speed is None:
            return stepped_ns
        passed = self.clock.monotonic_ns() - self._since_ns
        return max(stepped_ns, self._venue_ns + int(passed * self.speed))

    def wait_s(self, venue_ns: int) -> float:
        """Return the real seconds until *venue_ns*, 0 if it has passed."""
        if self.speed is None:
            return 0.0
        passed = self.clock.monotonic_ns() - self._since_ns
        ahead = (venue_ns - self._venue_ns) / self.speed - passed
        if ahead < -_LATE_NS:
            self.forgiven_ns += int(-ahead)
            self.begin(venue_ns)
        return max(0.0, ahead / NS_PER_S)
