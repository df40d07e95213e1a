"""When the next creating POST may leave. The API counts by the minute, as the simulator does, or by less."""

from __future__ import annotations

import math
from collections import deque

import pytest

from langchain_parallel._core.effects import NoResponse
from langchain_parallel._core.send_quota import AT_FIRST, AT_ONCE, FEWEST, MINUTE, SendQuota

from .helpers import answer


class Api:
    """A quota, and how requests fare that take a while on their way."""

    def __init__(self, quota: int, *, window: float = MINUTE, says: bool = True) -> None:
        self.quota, self.window, self.says = quota, window, says
        self.time, self.refused = 0.0, 0
        self.taken: deque[float] = deque()

    def take(self) -> int:
        while self.taken and self.taken[0] <= self.time - self.window:
            self.taken.popleft()
        if len(self.taken) < self.quota:
            self.taken.append(self.time)
            return 0
        self.refused += 1
        return max(1, math.ceil(self.taken[0] + self.window - self.time))

    def send_all(self, runs: int, per_minute: float = 2_000, latency: float = 0.05) -> None:
        """Send as the gate allows, each until it is taken."""
        gate, on_their_way = SendQuota(), deque[tuple[float, int]]()
        left = runs
        while left or on_their_way:
            pause = gate.pause(self.time, per_minute) if left else math.inf
            if pause <= 0:
                gate.enter()
                on_their_way.append((self.time + latency, self.take()))
                left -= 1
                continue
            back = on_their_way[0][0] if on_their_way else math.inf
            self.time = min(back, self.time + pause)
            assert self.time < math.inf
            if self.time == back:
                asked = on_their_way.popleft()[1]
                header = {"retry-after": str(asked)} if self.says else {}
                gate.leave(self.time, answer(429, **header) if asked else answer(200))
                left += bool(asked)


@pytest.mark.parametrize("quota", [100, 300, 1_000])
@pytest.mark.parametrize("says", [True, False])
def test_few_are_turned_away_and_little_time_is_lost(quota: int, says: bool) -> None:
    api = Api(quota, says=says)
    api.send_all(5 * quota)
    assert api.refused <= (0.2 * quota if says else 0.3 * quota)
    assert api.time <= 6 * MINUTE


def test_the_documented_quota_is_kept_without_a_word_of_the_api() -> None:
    api = Api(2_000)
    api.send_all(5_000)
    assert api.refused == 0
    assert api.time <= 2.2 * MINUTE


def test_a_thousand_leave_within_a_second_or_two() -> None:
    api = Api(2_000)
    api.send_all(1_000)
    assert api.time <= 2.0


def test_what_a_caller_says_is_kept() -> None:
    api = Api(2_000)
    api.send_all(100, per_minute=30)
    assert 3 * MINUTE <= api.time <= 3.2 * MINUTE


def test_a_small_quota_does_not_stop_it() -> None:
    api = Api(3)
    api.send_all(12)
    assert api.time <= 8 * MINUTE


def test_after_one_hiccup_it_finds_its_way_back() -> None:
    gate, time = SendQuota(), 0.0
    gate.enter()
    gate.leave(time, answer(429, retry_after="60"))
    assert gate.learned == FEWEST
    for _ in range(20):
        time += MINUTE
        gate.pause(time, 2_000)
    assert gate.learned == math.inf


@pytest.mark.parametrize("header", [{}, {"retry_after": "1"}])
def test_after_a_short_one_it_does_so_within_seconds(header: dict[str, str]) -> None:
    gate, time = SendQuota(), 0.0
    gate.enter()
    gate.leave(time, answer(429, **header))
    time += 1.0
    assert gate.pause(time, 2_000) <= 0
    gate.enter()
    gate.leave(time, answer(200))
    for _ in range(15):
        time += 1.0
        gate.pause(time, 2_000)
    assert gate.learned == math.inf


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize(("quota", "window"), [(5, 1.0), (20, 1.0), (30, 5.0), (100, 10.0)])
def test_an_api_that_counts_by_the_second_holds_it_no_lower_for_minutes(
    quota: int, window: float, says: bool
) -> None:
    api = Api(quota, window=window, says=says)
    api.send_all(30 * quota)
    assert api.time <= 1.7 * 30 * window
    assert api.refused <= AT_FIRST + 2 * quota


def test_what_was_not_sent_does_not_count() -> None:
    gate = SendQuota()
    for _ in range(3 * AT_ONCE):
        gate.enter()
        gate.leave(0.0, None)
        gate.enter()
        gate.leave(0.0, NoResponse(sent=False))
    assert gate.pause(0.0, 1) == 0.0
    gate.enter()
    gate.leave(0.0, NoResponse(sent=True))
    assert gate.pause(1.0, 1) == MINUTE - 1.0
