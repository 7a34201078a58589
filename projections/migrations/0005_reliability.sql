-- One row a metric of a norm set and number of permutations: how reliable the metric is among the people of the log, beside what the
-- norm set publishes. `kymograph reliability` writes it. The figures made from more of the log win: position counts the places of
-- the log, over all partitions, up to the last event that was seen. Numbers are integers of a millionth; the floats are for people.
CREATE TABLE IF NOT EXISTS reliability
(
    norm_set                  LowCardinality(String) COMMENT 'id.vN; the sessions are those that it fits',
    metric                    LowCardinality(String),
    permutations              UInt32 COMMENT 'random halves of each person',
    game                      LowCardinality(String),
    people                    UInt64 COMMENT 'who have the metric on both halves, in the permutation that has the fewest',
    units                     UInt32 COMMENT 'resampling units of a session: the median',
    split_half_micro          Nullable(Int64) COMMENT 'Spearman-Brown, mean over the permutations',
    split_half_low_micro      Nullable(Int64) COMMENT '2.5 % point of the permutations: no interval over people',
    split_half_high_micro     Nullable(Int64) COMMENT '97.5 % point',
    split_half_reason         Nullable(String) COMMENT 'why there is no figure',
    pairs                     UInt64 COMMENT 'who have the metric in their first and in their second session',
    retest_micro              Nullable(Int64) COMMENT 'Pearson r of the two',
    retest_reason             Nullable(String) COMMENT 'why there is no figure',
    published_micro           Int64 COMMENT 'reliability of the norm set',
    published_units           UInt32 COMMENT 'of so many units; 0: the norm set does not say',
    published_retest_micro    Nullable(Int64),
    sessions                  UInt64 COMMENT 'all that were looked at = first sessions + second sessions + left out',
    first_sessions            UInt64 COMMENT 'one a person: those that are halved',
    second_sessions           UInt64,
    left_out                  Map(LowCardinality(String), UInt64) COMMENT 'sessions by reason',
    input_digest              FixedString(64) COMMENT 'SHA-256 over the events digests of the sessions that count',
    position                  UInt64,
    engine_version            LowCardinality(String),
    split_half                Nullable(Float64) ALIAS split_half_micro / 1000000,
    split_half_low            Nullable(Float64) ALIAS split_half_low_micro / 1000000,
    split_half_high           Nullable(Float64) ALIAS split_half_high_micro / 1000000,
    retest                    Nullable(Float64) ALIAS retest_micro / 1000000,
    published                 Float64 ALIAS published_micro / 1000000,
    published_retest          Nullable(Float64) ALIAS published_retest_micro / 1000000,
    version                   UInt64 DEFAULT position,
    ingested_at               DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (norm_set, metric, permutations)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
