-- One row a record that could not be taken: where it lay, its very bytes, what was wrong and what to do.
-- A crash may write the same dead letter again; the first stands.
CREATE TABLE IF NOT EXISTS dead_letters
(
    source_topic     LowCardinality(String),
    source_partition Int32,
    source_offset    Int64,
    key              String,
    value            String CODEC(ZSTD(3)),
    code             LowCardinality(String),
    pointer          String,
    message          String,
    suggestion       String,
    stage            LowCardinality(String),
    engine_version   LowCardinality(String),
    partition        UInt32,
    offset           UInt64,
    version          UInt64 DEFAULT 18446744073709551615 - offset,
    ingested_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (source_topic, source_partition, source_offset)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
