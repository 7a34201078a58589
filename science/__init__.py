"""The science: events in, metrics and profiles out, and nothing else.

Everything here is pure. No clock, no disk, no network, no randomness, no log lines; integers in the fold and one
rounding at the end, so that equal events give equal bytes on every machine. It may import itself and msgspec.
"""
