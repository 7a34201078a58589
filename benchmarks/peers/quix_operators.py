"""Quix Streams with its own windows: two ``tumbling_window`` over one stream, by the participant's clock.

``current()`` gives the window after each event, as a live window is; they go into memory. Sessions come in order, so no grace is needed.
"""

import time

import work
from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Sum

OPTIONS = work.options()
DECODE = work.decoder(OPTIONS.schemas)
CLOCK = {"began": 0.0, "handled": 0}

app = Application(
    broker_address=OPTIONS.bootstrap,
    consumer_group="bench-quix-operators",
    auto_offset_reset="earliest",
    state_dir=str(OPTIONS.folder),
    loglevel="WARNING",
)
latest = {}


def decoded(value):
    """The event; the first one starts the clock, the last one ends the run."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    CLOCK["handled"] += 1
    if CLOCK["handled"] == OPTIONS.events:
        app.stop()  # after this message, with a checkpoint, as on SIGTERM
    return DECODE(value)


def keep(window, key, timestamp, headers):
    """The windows as they came last."""
    latest[key, window["start"], window["end"]] = window


def lines():
    """The windows, their times from ms to us."""
    for (key, start, end), window in latest.items():
        place = f"{(end - start) * 1000},{start // (end - start)}"
        vector = [window["events"], window["responses"], window["total"], window["largest"] or 0]
        yield from work.lines(key.decode(), {place: vector})


def main():
    """Run to the last event and its checkpoint, then write the windows."""
    topic = app.topic(OPTIONS.topic, key_deserializer="bytes", value_deserializer="bytes")
    events = app.dataframe(topic).apply(decoded)
    timed = events[events.apply(work.is_timed)].set_timestamp(lambda event, *_: event["t_us"] // 1000)
    for width_us in work.WIDTHS_US:
        window = timed.tumbling_window(width_us // 1000).agg(
            events=Count(), responses=Count("latency_us"), total=Sum("latency_us"), largest=Max("latency_us")
        )
        window.current().update(keep, metadata=True)
    app.run()
    work.tell(CLOCK["handled"], time.perf_counter() - CLOCK["began"])
    work.write(OPTIONS.result, lines())


if __name__ == "__main__":
    main()
