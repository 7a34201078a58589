"""What a likelihood is, as a plain loop over the choices: the oracle of the fits."""

from collections.abc import Sequence

from simulators.balloon_choices import Mind, log_logistic


def plain_log_likelihood(mind: Mind, pumps: Sequence[int], exploded: Sequence[int]) -> float:
    """The sum over choices. At the last opportunity of a kept balloon the answer was to stop."""
    total, pumped, burst = 0.0, 0, 0
    for count, is_burst in zip(pumps, exploded, strict=True):
        logit = mind(pumped, burst)
        for place in range(1, count + 2 - is_burst):
            total += log_logistic(logit(place) if place <= count else -logit(place))
        pumped, burst = pumped + count, burst + is_burst
    return total
