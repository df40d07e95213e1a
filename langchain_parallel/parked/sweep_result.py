"""What a sweep reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SweepResult:
    """What a sweep found. Threads by their ids."""

    threads: int = 0
    """Threads that wait for runs, as far as is known before asking."""
    still_active: int = 0
    """Of those, the ones whose runs all go on."""
    resumed: list[str] = field(default_factory=list)
    gone_on: list[str] = field(default_factory=list)
    """Threads that had gone on without this sweep, or that somebody else is at."""
    action_required: list[str] = field(default_factory=list)
    """Threads with a run that waits for a person; they stay parked."""
    failed: dict[str, BaseException] = field(default_factory=dict)
    """By thread: why a run of it could not be asked for, or it could not go on. The next sweep tries again.
    One that went on although the API does not know one of its runs is here, too.
    """
    unasked: int = 0
    """Threads that were left to the next sweep, for the API could not be reached."""

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            name: value if isinstance(value, int) else len(value)
            for name, value in vars(self).items()
        }
