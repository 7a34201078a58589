"""TraitInferencer: the metrics of a closed session in, its profile by one mapping out."""

from hashlib import sha256

import msgspec

from science.mapping import Published
from science.measure import Measures
from science.profile import infer
from streams.records import SessionMetrics, TraitProfile


class TraitInferencer:
    """Infers by one published mapping."""

    def __init__(self, published: Published) -> None:
        """With the mapping and its norms."""
        self._published = published

    @property
    def mapping(self) -> str:
        """The mapping's name, ``id@semver``."""
        return self._published.mapping.name

    def infer(self, metrics: SessionMetrics) -> TraitProfile:
        """The profile: canonical bytes, and beside them where they come from."""
        profile = infer(msgspec.json.decode(metrics.measures, type=Measures), self._published).canonical()
        return TraitProfile(
            session_id=metrics.session_id,
            mapping=self.mapping,
            profile=profile,
            profile_digest=sha256(profile).hexdigest(),
            records_digest=metrics.records_digest,
            partition=metrics.partition,
            last_offset=metrics.last_offset,
            engine_version=metrics.engine_version,
        )
