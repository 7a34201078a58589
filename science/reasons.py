"""Why a trait is not scored: the fact, and its words.

A profile's canonical bytes hold the code and the figures alone. The words are made from them, so that a better sentence changes
no profile.
"""

import msgspec

# What is wrong and what to do about it, by code (science B.6); the seed's own wording where it has one.
_WORDS: dict[str, tuple[str, str]] = {
    "R_INTEGRITY": (
        "The sequence of events is impossible: {codes} (first at event {seq}).",
        "Check the client that sent these events; the session's findings name the event of each.",
    ),
    "R_DURATION": (
        "The session lasted {lasted} s; between {shortest} s and {longest} s are required.",
        "Play a whole session at a normal pace, without leaving it open.",
    ),
    "R_QUALITY": (
        "Quality {score} of 100, {needed} required; most was lost by: {worst}.",
        "Play again undisturbed, in one window, deciding about each unit on its own.",
    ),
    "R_SAMPLE": ("{scored} {unit}, {needed} needed.", "play {more} more {of}"),
    "R_COMPLETENESS": (
        "Insufficient data completeness (required: {needed}%).",
        "play {more} more of the {planned} planned {unit}",
    ),
    "R_METRIC": ("{metric} has no value: {reason}.", "play the {unit} of {game}"),
    "R_WEIGHT": (
        "Metrics of {share} % of the trait's weight are there, {needed} % needed; missing: {missing}.",
        "Play every game that the trait rests on, to the end.",
    ),
    "R_CI": ("{metric} is {reason}: no interval can be given.", "play more {unit}, and keep some of them"),
    "R_NORMS": (
        "No reference sample fits: {played}.",
        "Play a configuration that the mapping has norms for, or publish norms for this one.",
    ),
    "R_RELIABILITY": (
        "Reliability {reached} of 100, {needed} required.",
        "play about {more} more {unit} (Spearman-Brown)",
    ),
}

# Where a trait rests on several games, the advice names each.
_SUGGESTIONS_BY_DETAIL = {
    "progress": "play every game that the trait rests on to its end; so far {progress}",
    "each": "play about this many more of each: {each} (Spearman-Brown)",
}


class Reason(msgspec.Struct, frozen=True):
    """What was observed and what is required, in micro-units where they are numbers with decimals.

    ``details`` are whole numbers and names for the words.
    """

    code: str
    observed: int | str | None
    required: int | str | None
    details: dict[str, int | str]
    metrics: list[str]

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        return _WORDS[self.code][0].format_map(self.details)

    @property
    def suggestion(self) -> str:
        """What to do about it."""
        if self.details.get("planned") == 0:  # then there is no number of units to name
            return "play the {unit}".format_map(self.details)
        for detail, suggestion in _SUGGESTIONS_BY_DETAIL.items():
            if detail in self.details:
                return suggestion.format_map(self.details)
        return _WORDS[self.code][1].format_map(self.details)
