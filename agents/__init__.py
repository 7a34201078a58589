"""The actors: what drives the science over the log. Sees projections, streams, science and telemetry."""
