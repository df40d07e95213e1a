"""Locks across the processes that one user runs on one machine, or that share a folder (`PARALLEL_LOCK_DIR`).

Rule: a lock is one byte of one file, at the place that its name gives, which the operating system frees when
the process dies. A process takes it with the lock of its own (`process.py`) in hand, for these locks do not
exclude calls of one process; the file stays open, for closing it would free them all.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import sys
import tempfile
from pathlib import Path

import anyio

from .._core.calls import Call, Calls
from .process import ForgottenInChild

FOLDER = "PARALLEL_LOCK_DIR"
"""The environment variable that names another folder for the file of the locks."""

_FLOCK = "hhqqi4x"
"""`struct flock` of Linux on 64 bits: kind, whence, start, length, process."""
_LOG = logging.getLogger("langchain_parallel")


class _LockFile(ForgottenInChild):
    def forget(self) -> None:
        super().forget()
        self.handle: int | None = None
        self.is_missing = False
        """It cannot be had on this machine."""

    def open(self) -> int | None:
        """The file's handle; None where there is no place for one."""
        with self.guard:
            if self.handle is None and not self.is_missing:
                try:
                    self.handle = _open_file()
                except OSError as error:
                    # Where handles are short, there may be one for the next lock.
                    self.is_missing = error.errno not in (errno.EMFILE, errno.ENFILE)
                    _LOG.warning(
                        "No lock file can be made (%s): nothing keeps two processes of this machine from "
                        "researching one batch at the same time.",
                        error.strerror,
                    )
            return self.handle


_FILE = _LockFile()


def open_machine_locks() -> Calls[None]:
    """Open the file of the locks before one is taken: an event loop must not wait for a disk."""
    if _FILE.handle is None and not _FILE.is_missing:
        yield Call(_FILE.open, lambda: anyio.to_thread.run_sync(_FILE.open))


def try_machine_lock(name: str) -> bool:
    """Take a lock unless another process of this user has it. Where no file can be made, it is taken."""
    handle = _FILE.open()
    return handle is None or _lock_byte(handle, _place_of(name))


def free_machine_lock(name: str) -> None:
    """Free a lock."""
    handle = _FILE.open()
    if handle is not None:
        _unlock_byte(handle, _place_of(name))


def find_lock_holder(name: str) -> int | None:
    """The id of the other process that has a lock; None where the system does not say."""
    handle = _FILE.open()
    return None if handle is None else _find_holder(handle, _place_of(name))


def _open_file() -> int:
    """Open the file of the locks.

    Raises:
        OSError: There is no place for it, or it is another user's.
    """
    folder = os.environ.get(FOLDER, "")
    path = (Path(folder) if folder else _own_folder()) / "langchain_parallel.locks"
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def _own_folder() -> Path:
    """A folder among the temporary ones that only this user can write to."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"langchain_parallel-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != user):
        raise PermissionError(errno.EPERM, "the folder for it is another user's")
    return folder


def _place_of(name: str) -> int:
    """A byte of the file; two names share one about never."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2


if sys.platform == "win32":
    import msvcrt

    def _lock_byte(handle: int, place: int) -> bool:
        os.lseek(handle, place, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock_byte(handle: int, place: int) -> None:
        os.lseek(handle, place, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    def _find_holder(handle: int, place: int) -> int | None:
        return None

else:
    import fcntl
    import struct

    def _lock_byte(handle: int, place: int) -> bool:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def _unlock_byte(handle: int, place: int) -> None:
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, place)

    def _find_holder(handle: int, place: int) -> int | None:
        if sys.platform != "linux" or sys.maxsize < 2**32:  # elsewhere, the C structure is another
            return None
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, place, 1, 0)
        try:
            kind, _, _, _, process = struct.unpack(
                _FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked)
            )
        except OSError:
            return None
        return process if kind != fcntl.F_UNLCK and process > 0 else None
