"""What records of the log came to, counted: so that what went in is what came out."""

from collections import Counter


class Counts:
    """``outcomes`` are of records; the others are what came of them: sessions ``closed`` by how, ``profiles`` by mapping and status, dead
    ``letters`` by code.
    """

    __slots__ = ("closed", "letters", "outcomes", "profiles")

    def __init__(self) -> None:
        """Nothing yet."""
        self.outcomes: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.profiles: Counter[tuple[str, str]] = Counter()
        self.letters: Counter[str] = Counter()

    def add(self, other: "Counts") -> None:
        """Add what another counted."""
        self.outcomes.update(other.outcomes)
        self.closed.update(other.closed)
        self.profiles.update(other.profiles)
        self.letters.update(other.letters)
