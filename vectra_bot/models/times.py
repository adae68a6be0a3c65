"""Units of time: nanoseconds since the Unix epoch internally, milliseconds where the schema says so."""

from datetime import UTC, datetime, timedelta

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_from_ns(ns: int) -> datetime:
    """Return *ns* since the epoch as an aware UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // NS_PER_US)


def ns_from_utc(moment: datetime) -> int:
    """Return an aware datetime as nanoseconds since the epoch."""
    delta = moment - _EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * NS_PER_US
