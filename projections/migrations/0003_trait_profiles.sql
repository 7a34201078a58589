-- One row a trait of a profile; each holds the canonical profile whole, so that any row can be verified by itself.
-- A later closing event in the log wins. Numbers are integers of a millionth; the floats are for people.
CREATE TABLE IF NOT EXISTS trait_profiles
(
    session_id         String,
    trait              LowCardinality(String),
    mapping            LowCardinality(String),
    status             LowCardinality(String),
    score_micro        Nullable(Int64),
    ci_low_micro       Nullable(Int64),
    ci_high_micro      Nullable(Int64),
    t_micro            Nullable(Int64),
    reliability_micro  Nullable(Int64),
    quality_micro      Nullable(Int64),
    completeness_micro Nullable(Int64),
    provisional        Bool,
    reasons            Array(LowCardinality(String)),
    profile            String CODEC(ZSTD(3)),
    profile_digest     FixedString(64),
    records_digest     FixedString(64),
    mapping_hash       String,
    partition          UInt32,
    last_offset        UInt64,
    engine_version     LowCardinality(String),
    score              Nullable(Float64) ALIAS score_micro / 1000000,
    ci_low             Nullable(Float64) ALIAS ci_low_micro / 1000000,
    ci_high            Nullable(Float64) ALIAS ci_high_micro / 1000000,
    t                  Nullable(Float64) ALIAS t_micro / 1000000,
    reliability        Nullable(Float64) ALIAS reliability_micro / 1000000,
    quality            Nullable(Float64) ALIAS quality_micro / 1000000,
    completeness       Nullable(Float64) ALIAS completeness_micro / 1000000,
    version            UInt64 DEFAULT last_offset,
    ingested_at        DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (session_id, trait, mapping)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
