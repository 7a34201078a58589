"""The version of this engine, as it stands beside every result (never inside the canonical bytes)."""

from importlib.metadata import version

ENGINE_VERSION = version("kymograph")
