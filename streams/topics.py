"""The topics of the log, in one table: how many partitions, how long kept, by which key, and what they mean."""

from typing import Literal

import msgspec

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PARTITIONS = 16
MESSAGE_BYTES_MAX = 1_048_588  # Kafka's own default
LETTER_BYTES_MAX = 2 * MESSAGE_BYTES_MAX  # a dead letter holds a whole message and the reason


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it must be. ``retention_ms`` None: kept for ever."""

    name: str
    partitions: int = PARTITIONS
    retention_ms: int | None
    cleanup_policy: Literal["delete", "compact"] = "delete"
    message_bytes_max: int = MESSAGE_BYTES_MAX
    key: str
    meaning: str


INBOX = Topic(
    name="kymograph.inbox.v1",
    retention_ms=24 * HOUR_MS,
    key="session id",
    meaning="what fleets sent, before any check",
)
EVENTS = Topic(
    name="kymograph.events.v1",
    retention_ms=365 * DAY_MS,
    key="session id",
    meaning="the log: every accepted event; all else is derived from it",
)
DEAD_LETTERS = Topic(
    name="kymograph.dead-letters.v1",
    retention_ms=30 * DAY_MS,
    message_bytes_max=LETTER_BYTES_MAX,
    key="session id, or the bytes that stood where it was sought",
    meaning="what could not be accepted, whole and with the reason",
)
SESSION_METRICS = Topic(
    name="kymograph.session-metrics.v1",
    retention_ms=365 * DAY_MS,
    key="session id",
    meaning="the metrics of a session, by window and at its end",
)
TRAIT_PROFILES = Topic(
    name="kymograph.trait-profiles.v1",
    retention_ms=365 * DAY_MS,
    key="session id",
    meaning="the profile of a closed session, by mapping",
)
CONTROL = Topic(
    name="kymograph.control.v1",
    retention_ms=365 * DAY_MS,
    key="session id",
    meaning="consent and erasure; a replay reads it first, to a fixed end",
)
AUDIT = Topic(
    name="kymograph.audit.v1",
    retention_ms=365 * DAY_MS,
    key="session id",
    meaning="who read, rebuilt, verified or erased what",
)
LIVE_WINDOWS = Topic(
    name="kymograph.live-windows.v1",
    retention_ms=24 * HOUR_MS,
    key="a partition of the log",
    meaning="what happens in sessions that are under way, by 10 and 60 seconds",
)
CHANGELOG = Topic(
    name="kymograph.changelog.v3",
    retention_ms=None,
    cleanup_policy="compact",
    key="an owner's name, and a number",
    meaning="what a worker knows of its partitions: a cache that can be made again from the log",
)

TOPICS = (
    INBOX,
    EVENTS,
    DEAD_LETTERS,
    SESSION_METRICS,
    TRAIT_PROFILES,
    LIVE_WINDOWS,
    CONTROL,
    AUDIT,
    CHANGELOG,
)
