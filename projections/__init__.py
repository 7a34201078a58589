"""The views: disposable tables made from the log. Sees streams, science and telemetry."""
