"""One process a folder: the embedded engine shares its files with nobody, and says who has them.

The lock is the operating system's (``flock``), so it ends with its owner, however the owner ends. The process id in the
file is only for the message. One process may hold a folder many times.
"""

import fcntl
import os
import threading
from pathlib import Path

from projections.store import StoreInUse, StoreUnavailable

LOCK_FILE = "kymograph.lock"

_guard = threading.Lock()
_holds: dict[Path, tuple[int, int]] = {}  # folder: file descriptor, how many hold it


def hold(folder: Path) -> Path:
    """Take the folder for this process, making it where it is missing; the path to ``release``. Raises StoreInUse."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder.resolve()
        with _guard:
            descriptor, holders = _holds.get(place) or (_lock(place), 0)
            _holds[place] = (descriptor, holders + 1)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {folder} of the store cannot be used: {error}. Choose a folder that can be written"
        ) from error
    return place


def release(place: Path) -> None:
    """Give back one hold; with the last one the folder is free."""
    with _guard:
        descriptor, holders = _holds[place]
        if holders > 1:
            _holds[place] = (descriptor, holders - 1)
            return
        del _holds[place]
        os.close(descriptor)


def _lock(place: Path) -> int:
    descriptor = os.open(place / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).strip()
        os.close(descriptor)
        raise StoreInUse(str(place), int(owner) if owner.isdigit() else 0) from None
    except OSError:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
