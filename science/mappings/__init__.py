"""From metrics to traits, published and frozen: one JSON document each. A correction is a new version."""
