"""TraitInferencer: the metrics of a closed session in, its profile by one mapping out."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from science.columns.infer import infer_all
from science.mapping import Published
from science.measure import Measures
from science.profile import Profile, infer
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
        measures = msgspec.json.decode(metrics.measures, type=Measures)
        return self._record(metrics, infer(measures, self._published))

    def infer_all(
        self, metrics: Sequence[SessionMetrics], measures: Sequence[Measures]
    ) -> list[TraitProfile]:
        """The profiles of many sessions, by columns; ``measures`` are those that the records hold."""
        profiles = infer_all(measures, self._published)
        return [self._record(*one) for one in zip(metrics, profiles, strict=True)]

    def _record(self, metrics: SessionMetrics, inferred: Profile) -> TraitProfile:
        profile = inferred.canonical()
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
