"""Why a trait is not scored: the fact, and its words.

A profile's canonical bytes hold the code and the figures alone. The words are made from them, so that a better sentence changes
no profile.
"""

import msgspec

# What is wrong and what to do about it, by code; the seed's own wording where it has one.
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
    "R_METRIC": ("{metric} has no value: {reason}.", "play more {unit} of {game}"),
    "R_WEIGHT": (
        "Metrics of {share} % of the trait's weight are there, {needed} % needed; missing: {missing}.",
        "Play every game that the trait rests on, to the end.",
    ),
    "R_CI": ("{metric} is {reason}: no interval can be given.", "play more {unit}"),
    "R_NORMS": (
        "No reference sample fits: {played}.",
        "Play a configuration that the mapping has norms for, or publish norms for this one.",
    ),
    "R_RELIABILITY": (
        "Reliability {reached} of 100, {needed} required.",
        "play about {more} more {unit} (Spearman-Brown)",
    ),
}

# A refusal that has this detail is put into these words; the first that fits counts.
_WORDS_BY_DETAIL: dict[tuple[str, str], tuple[str, str]] = {
    # where a trait rests on several games, the advice names each
    ("R_COMPLETENESS", "progress"): (
        _WORDS["R_COMPLETENESS"][0],
        "play every game that the trait rests on to its end; so far {progress}",
    ),
    ("R_RELIABILITY", "each"): (
        _WORDS["R_RELIABILITY"][0],
        "play about this many more of each: {each} (Spearman-Brown)",
    ),
    ("R_RELIABILITY", "beyond"): (
        _WORDS["R_RELIABILITY"][0],
        "However many {beyond} are played, this trait reaches no more by these norms.",
    ),
    ("R_NORMS", "status"): (
        "The reference sample is {status}; this mapping stands on samples of status reference alone.",
        "Ask for a mapping that allows such norms, or wait for a larger sample.",
    ),
    ("R_NORMS", "device"): (
        "The reference sample played with {devices}, this session with {device}.",
        "Play with {devices}, or publish norms for {device}.",
    ),
}

# What helps against one observation alone, where the advice of its code does not.
_ADVICE: dict[tuple[str, str, str], str] = {
    ("R_COMPLETENESS", "planned", "0"): "play the {unit}",
    ("R_METRIC", "reason", "game_not_played"): "play the {unit} of {game}",
    ("R_METRIC", "reason", "one_pair"): "play {unit} of {game} with more pairs",
    ("R_CI", "reason", "censored"): "play more {unit}, and keep some of them",
    ("R_QUALITY", "worst", "clock"): "Play again on a device whose clock runs steadily.",
    ("R_QUALITY", "worst", "clock_set_back"): "Play again on a device whose clock runs steadily.",
}


class Reason(msgspec.Struct, frozen=True, gc=False):
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
        return self._words[0].format_map(self.details)

    @property
    def suggestion(self) -> str:
        """What to do about it."""
        for (code, detail, value), advice in _ADVICE.items():
            if code == self.code and str(self.details.get(detail)) == value:
                return advice.format_map(self.details)
        if self.code == "R_WEIGHT" and "no_norms" in str(self.details["missing"]):
            return _WORDS["R_NORMS"][1]
        return self._words[1].format_map(self.details)

    @property
    def _words(self) -> tuple[str, str]:
        for (code, detail), words in _WORDS_BY_DETAIL.items():
            if code == self.code and detail in self.details:
                return words
        return _WORDS[self.code]
