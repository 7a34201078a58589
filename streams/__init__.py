"""The log: where events lie, as which bytes, and under what promises. Sees science and telemetry."""
