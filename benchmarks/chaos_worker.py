"""A worker for the chaos harness alone: `kymograph worker` without the guard that CHAOS_WITHOUT names (``agents/live.py``).

The harness must find what such a worker does. Nothing else reads the variable.
"""

import os
import sys

from agents.live import GUARDS, Live
from agents.metric_extractor import MetricExtractor
from agents.partition import Scorer
from cli.main import main
from cli.wiring import House
from streams.columns import ColumnDecoder

VARIABLE = "CHAOS_WITHOUT"


def _live(house: House) -> Live:
    """As the house makes it, but for the guard."""
    scorer = Scorer(house.codec, ColumnDecoder(), MetricExtractor(house.codec), [house.inferencer()])
    return Live(house.log, scorer, guards=GUARDS - {os.environ[VARIABLE]})


if __name__ == "__main__":
    assert os.environ[VARIABLE] in GUARDS, f"{VARIABLE} must be one of {', '.join(sorted(GUARDS))}"
    House.live = _live  # type: ignore[method-assign]  # of this process alone
    sys.exit(main())
