-- One row a metric of a closed session, and one row with the metric '' for the session itself, which holds the canonical
-- measures once. A later closing event in the log wins. Numbers are integers of a millionth; the floats are for people.
CREATE TABLE IF NOT EXISTS session_metrics
(
    session_id     String,
    metric         LowCardinality(String),
    value_micro    Nullable(Int64),
    n              Int64,
    se_micro       Nullable(Int64),
    unit           LowCardinality(String),
    reason         Nullable(String),
    measures       String CODEC(ZSTD(3)),
    events_digest  String,
    definitions    String,
    records_digest FixedString(64),
    partition      UInt32,
    first_offset   UInt64,
    last_offset    UInt64,
    engine_version LowCardinality(String),
    value          Nullable(Float64) ALIAS value_micro / 1000000,
    se             Nullable(Float64) ALIAS se_micro / 1000000,
    version        UInt64 DEFAULT last_offset,
    ingested_at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (session_id, metric)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
