-- One row an accepted event. The first write wins: an earlier offset has the higher version.
-- The month is that of the device's clock, which belongs to the event's identity, so a repeat falls into the same partition;
-- a device time that is missing or absurd falls into 1970, never into a partition of its own.
CREATE TABLE IF NOT EXISTS events
(
    session_id    String,
    seq           Int64,
    kind          LowCardinality(String),
    game          LowCardinality(String),
    event_id      String,
    event_digest  FixedString(64),
    schema_sha256 FixedString(64),
    t_us          Nullable(Int64),
    device_time   Nullable(DateTime64(3, 'UTC')),
    sent_time     DateTime64(3, 'UTC'),
    received_time DateTime64(3, 'UTC'),
    payload       String CODEC(ZSTD(3)),
    partition     UInt32,
    offset        UInt64,
    version       UInt64 DEFAULT 18446744073709551615 - offset,
    ingested_at   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY if(
    ifNull(device_time, toDateTime64(0, 3, 'UTC')) >= toDateTime64('2000-01-01 00:00:00', 3, 'UTC')
        AND ifNull(device_time, toDateTime64(0, 3, 'UTC')) < toDateTime64('2100-01-01 00:00:00', 3, 'UTC'),
    toYYYYMM(ifNull(device_time, toDateTime64(0, 3, 'UTC'))),
    197001
)
ORDER BY (session_id, seq)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
