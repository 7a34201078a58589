"""Reference samples, published and frozen: one JSON document each, in micro-units. A correction is a new version."""
