"""A run with a broker of its own that judges itself: its result on one JSON line, and its exit by it."""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.brokers import broker_unavailable_reason

INFRASTRUCTURE = 3


def judged(name: str, run: Callable[[Path], dict[str, Any]], folder: Path | None = None) -> int:
    """Run in a folder, which is deleted unless it is given; 0 where the result ``is_right``, 3 where no broker can run."""
    reason = broker_unavailable_reason()
    if reason is not None:
        print(f"{name}: {reason}", file=sys.stderr)
        return INFRASTRUCTURE
    # A SIGTERM unwinds, so that no worker, feed or broker is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with nullcontext(folder) if folder else TemporaryDirectory(prefix=f"kymograph-{name}-") as place:
        result = run(Path(place))
    print(json.dumps(result), flush=True)
    return int(not result["is_right"])
