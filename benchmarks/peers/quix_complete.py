"""Quix Streams doing the same work: Kymograph's chain a message, the session's frozen row in the state, the profiles to a topic.

State that is read is bytes, so the row is thawed and frozen for each event. RocksDB, changelog and checkpoints as by default.
"""

import time

import chain
import work
from quixstreams import Application, message_context

from agents.tables import freeze, thaw

OPTIONS = work.options()
CLOCK = {"began": 0.0, "handled": 0}

app = Application(
    broker_address=OPTIONS.bootstrap,
    consumer_group="bench-quix-complete",
    auto_offset_reset="earliest",
    state_dir=str(OPTIONS.folder),
    loglevel="WARNING",
)


def score(value, key, timestamp, headers, state):
    """Fold an event into its session's row; what comes out is the session's profiles, if it ends."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    CLOCK["handled"] += 1
    if CLOCK["handled"] == OPTIONS.events:
        app.stop()  # after this message, with a checkpoint, as on SIGTERM
    place, kept = message_context(), state.get_bytes("row")
    record = chain.record(place.topic, place.partition, place.offset, key=key, value=value)
    scored = chain.SCORING.advance(None if kept is None else thaw(kept), record)
    state.set_bytes("row", freeze(scored.row))
    return chain.profiles(scored)


def main():
    """Run to the last event and its checkpoint."""
    events = app.topic(OPTIONS.topic, key_deserializer="bytes", value_deserializer="bytes")
    profiles = app.topic(OPTIONS.profiles, key_serializer="bytes", value_serializer="bytes")
    scored = app.dataframe(events).apply(score, stateful=True, metadata=True, expand=True)
    scored.to_topic(profiles)
    app.run()
    work.tell(CLOCK["handled"], time.perf_counter() - CLOCK["began"])


if __name__ == "__main__":
    main()
