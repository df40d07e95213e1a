"""The simulated account: runs, groups, interactions, money, webhooks, and what was asked of them.

Rule: state changes only under `lock`, at a request or at a call from a test; time changes nothing
by itself (see `runs`). `handle` never blocks: waiting is a step of the answer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from .admission import check_credit, check_inputs, check_processors, check_quota
from .answers import Answer, ApiError, Head, JsonObject, Request, Step, error_answer
from .basis import Realism
from .billing import Billing
from .clock import Clock, RealClock
from .content import write_output
from .control import control
from .direction import direct, run_error
from .endpoints import route
from .faults import Fault, apply
from .groups import Group
from .log import LogEntry, log_entry, without_secrets
from .notices import Notices
from .pricing import price_usd
from .queues import Queue
from .runs import Run, RunScript, Turn
from .scenario import Scenario
from .seeded import hex_id
from .validation import warnings_for
from .webhooks import Delivery

__all__ = ["Simulator"]


class Simulator:
    """The Task API as a state machine over a clock.

    Args:
        clock: Where time comes from; the machine by default. A `ManualClock` makes waiting free in
            process; behind a real socket it only moves when a client waits there or someone
            advances it.
        seed: Everything made up follows from it and from the request.
        latency_scale: Multiplies how long runs take, and nothing else.
        scenario: Scripted answers.
        api_keys: The keys accepted (None: any that is not empty).
        credit_usd: What the account may spend (None: no limit).
        processors: The processors this account may use (None: all).
        equal_ids: Make each interaction id equal to its run id, as in the documented examples.
        realism: How much evidence an answer carries.
        stream_seconds: When the server closes a run's event stream.
        group_stream_seconds: When it closes a group's.
        quota_per_minute: Creating POSTs allowed in 60 seconds (None: no limit).
        webhook_secrets: Each delivery carries a signature by each of them.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        seed: int = 0,
        latency_scale: float = 1.0,
        scenario: Scenario | None = None,
        api_keys: Collection[str] | None = None,
        credit_usd: float | None = None,
        processors: Collection[str] | None = None,
        equal_ids: bool = False,
        realism: Realism | None = None,
        stream_seconds: float = 570.0,
        group_stream_seconds: float = 3600.0,
        quota_per_minute: int | None = None,
        webhook_secrets: Sequence[str] = ("whsec_simulated",),
    ) -> None:
        self.clock: Clock = clock or RealClock()
        self.seed = seed
        self.latency_scale = latency_scale
        self.scenario = scenario
        self.credit_usd = credit_usd
        self.processors = processors
        self.equal_ids = equal_ids
        self.realism = realism or Realism()
        self.stream_seconds = stream_seconds
        self.group_stream_seconds = group_stream_seconds
        self.quota_per_minute = quota_per_minute
        self.webhook_secrets = tuple(webhook_secrets)
        self.lock = threading.RLock()
        self.faults: Queue[Fault] = Queue()
        self.scripts: Queue[RunScript] = Queue()
        self.billing = Billing(self._all_runs, self.clock.monotonic)
        self._api_keys = None if api_keys is None else frozenset(api_keys)
        self._listeners: list[Callable[[str], None]] = []
        self._accepted = self._groups_made = 0  # kept at a reset: no id is ever given out twice
        self._clear()

    def __repr__(self) -> str:
        return f"Simulator(runs={len(self._runs)}, clock={self.clock!r}, seed={self.seed})"

    def _clear(self) -> None:
        self._runs: dict[str, Run] = {}
        self._groups: dict[str, Group] = {}
        self._interactions: dict[str, Run] = {}
        self._log: list[LogEntry] = []
        self._creations: deque[float] = deque()
        self._epoch = self.clock.now() - self.clock.monotonic()
        self._notices = Notices(self.webhook_secrets, self.faults, self._epoch)

    def reset(self) -> None:
        """Forget all runs, groups, requests, faults and scripts; settings and time stay."""
        with self.lock:
            self.faults.clear()
            self.scripts.clear()
            self._clear()

    # -- requests ----------------------------------------------------------------------------------

    def handle(self, request: Request) -> Answer:
        """What happens after this request. The work is done now, the waiting in the answer."""
        if request.path.startswith("/_simulator/"):
            return self._guarded(partial(control, self, request))
        with self.lock:
            fault = self.faults.take(lambda f: f.matches(request))
            entry = log_entry(request, self.monotonic, fault.kind if fault else None)
            self._log.append(entry)
            ref_id = self.new_ref_id()
            process = partial(self._guarded, partial(self._process, request))
            answer = apply(fault, process, self.clock, ref_id)
        return Answer(_noting_status(answer.steps, entry))

    def _process(self, request: Request) -> Answer:
        key = request.headers.get("x-api-key", "")
        if not key or (self._api_keys is not None and key not in self._api_keys):
            raise ApiError(401, "Unauthorized: invalid or missing credentials")
        return route(self, request)

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        with self.lock:
            try:
                return work()
            except ApiError as error:
                return error_answer(error, self.new_ref_id())

    def new_ref_id(self) -> str:
        """A reference for an error, in the form of a UUID."""
        h = hex_id("ref", self.seed, len(self._log), len(self._runs))
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"

    @property
    def requests(self) -> list[LogEntry]:
        """Every request so far, oldest first, secrets replaced."""
        with self.lock:
            return list(self._log)

    # -- time --------------------------------------------------------------------------------------

    @property
    def monotonic(self) -> float:
        """Seconds on the clock's monotonic axis."""
        return self.clock.monotonic()

    @property
    def epoch(self) -> float:
        """Unix time of the monotonic axis's zero."""
        return self._epoch

    def on_change(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(run or group id)` at each change that time alone does not explain.

        Returns a function that ends this. The listener must not block.
        """
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def _changed(self, *topics: str | None) -> None:
        for topic in filter(None, topics):
            for listener in list(self._listeners):
                listener(topic)

    # -- runs --------------------------------------------------------------------------------------

    def create_runs(
        self, inputs: Sequence[JsonObject], betas: frozenset[str], group: Group | None = None
    ) -> list[Run]:
        """Accept runs, all or none. Raises ApiError (402, 403, 422, 429)."""
        where = "" if group is None else "inputs."
        check_inputs(inputs, betas, where, self._interactions.__contains__)
        check_processors(inputs, self.processors)
        check_quota(self._creations, self.quota_per_minute, self.monotonic)
        check_credit(inputs, self.credit_usd, self.billing)
        runs = [self._new_run(without_secrets(body), betas, group) for body in inputs]
        for run in runs:
            self._runs[run.run_id] = self._interactions[run.interaction_id] = run
            self._notices.expect(run)
        if group is not None:
            group.add(runs)
            self._changed(group.group_id)
        return runs

    def _new_run(self, request: JsonObject, betas: frozenset[str], group: Group | None) -> Run:
        now, seq = self.monotonic, self._accepted
        self._accepted += 1
        run_id = f"trun_{hex_id('run', self.seed, seq)}"
        run = Run(
            run_id=run_id,
            interaction_id=run_id if self.equal_ids else f"intr_{hex_id('turn', self.seed, seq)}",
            request=request,
            betas=betas,
            usd=price_usd(request["processor"]),
            created=now,
            starts=now,
            ends=now,
            planned=now,
            previous=self._interactions.get(request.get("previous_interaction_id") or ""),
            group_id=group.group_id if group else None,
            visible=now,
            warnings=warnings_for(request),
        )
        script = self.scripts.take(lambda s: s.matches(run.text, run.processor)) or RunScript()
        turn = self.scenario.turn_for(run.text, run.processor) if self.scenario else None
        direct(
            run,
            script,
            turn,
            latency_scale=self.latency_scale,
            seed=self.seed,
            ref_id=self.new_ref_id(),
        )
        return run

    def settle(self, run_id: str, outcome: str = "completed", message: str | None = None) -> None:
        """End a run now (one that stays queued, waits for action, or is simply too slow)."""
        with self.lock:
            run = self._runs[run_id]
            error = run_error(message, self.new_ref_id()) if outcome == "failed" else None
            run.settle(self.monotonic, outcome, error)
            self._notices.expect(run)
            if run.group_id is not None:
                self._groups[run.group_id].reopen(run)
            self._changed(run_id, run.group_id)

    def finish_output(self, run: Run) -> JsonObject | None:
        """The output of a run that has completed, written when first asked for."""
        for each in [*run.line(), run]:
            if each.output is None and each.status_at(self.monotonic) == "completed":
                each.output = write_output(each, self.realism, self.seed)
        return run.output

    def find_run(self, run_id: str) -> Run:
        """The run, or a 404."""
        if run_id not in self._runs:
            raise ApiError(404, "Run id not found")
        return self._runs[run_id]

    def _all_runs(self) -> list[Run]:
        with self.lock:
            return list(self._runs.values())

    def runs(self) -> list[JsonObject]:
        """Every run ever accepted, as the API shows it now, in the order accepted."""
        return [r.wire(self.monotonic, self.epoch) for r in self._all_runs()]

    # -- groups and interactions -------------------------------------------------------------------

    def create_group(self, metadata: JsonObject) -> Group:
        group_id = f"tgrp_{hex_id('group', self.seed, self._groups_made)}"
        self._groups_made += 1
        group = self._groups[group_id] = Group(group_id, metadata, self.monotonic)
        return group

    def find_group(self, group_id: str) -> Group:
        """The group, or a 404."""
        if group_id not in self._groups:
            raise ApiError(404, "TaskGroup not found")
        return self._groups[group_id]

    def context_of(self, interaction_id: str) -> list[Turn]:
        """The turns that a run continuing from this interaction inherits, oldest first."""
        with self.lock:
            run = self._interactions[interaction_id]
            return [self._turn(r) for r in (*run.line(), run)]

    def _turn(self, run: Run) -> Turn:
        output = self.finish_output(run)
        ids = run.run_id, run.interaction_id
        return Turn(*ids, run.processor, run.request["input"], output)

    # -- webhooks ----------------------------------------------------------------------------------

    def due_webhooks(self) -> list[Delivery]:
        """Take the deliveries due now; report each with `record_delivery`."""
        with self.lock:
            return self._notices.due(self.monotonic, self.clock.now())

    def record_delivery(self, delivery: Delivery, ok: bool) -> None:
        """Say whether a delivery was answered with 2xx; if not it comes again."""
        with self.lock:
            self._notices.record(delivery, ok, self.monotonic)


def _noting_status(steps: Iterator[Step], entry: LogEntry) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Head):
            entry.status = step.status
        yield step
