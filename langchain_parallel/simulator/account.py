"""The simulated account: runs, groups, interactions, money and webhooks, without HTTP.

Rule: state changes only under `lock`, by a request or by a call from a test; time alone changes nothing
(see `simulated_run`). Nothing here blocks.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, TypeVar

from .admission import check_credit, check_inputs, check_processors, check_quota
from .basis import EvidenceSettings
from .billing import BilledAnswer, Billing
from .clock import Clock, RealClock
from .content import write_output
from .deterministic_ids import hex_id
from .faults import Fault
from .http_messages import ApiError, Cut, JsonObject, Response, Step, Wait
from .late_requests import LateRequest, LateRequests
from .order_queue import OrderQueue
from .pricing import price_usd
from .problems import Loc, Problem, invalid_request
from .request_log import LogEntry, without_secrets
from .run_plan import plan_run, run_error
from .scenario import Scenario, ScriptedAnswer, ScriptedTurn
from .simulated_run import ContextTurn, Run, RunScript, input_text
from .task_group import Group, Listing
from .validation import warnings_for
from .webhook_outbox import (
    SIMULATED_SECRET,
    Delivery,
    WebhookOutbox,
    WebhookScheme,
    signing_keys,
)

_UNPACKED = 2_000
"""Outputs that are kept as they are; older ones are packed, or a hundred thousand would take 4 GB."""
ScriptT = TypeVar("ScriptT", ScriptedTurn, ScriptedAnswer)


@dataclass(eq=False, repr=False)
class Account:
    """Everything about a simulated account but its HTTP surface, which `Simulator` adds."""

    clock: Clock = field(default_factory=RealClock)
    _: KW_ONLY
    seed: int = 0
    latency_scale: float = 1.0
    scenario: Scenario | None = None
    api_keys: Collection[str] | None = None
    credit_usd: float | None = None
    processors: Collection[str] | None = None
    equal_ids: bool = False
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    listing: Listing = field(default_factory=Listing)
    stream_seconds: float = 570.0
    quota_per_minute: int | None = None
    webhook_secrets: Sequence[str] = (SIMULATED_SECRET,)
    webhook_scheme: WebhookScheme = "standard"

    def __post_init__(self) -> None:
        self._signing_keys = [
            key
            for secret in self.webhook_secrets
            for key in signing_keys(secret, self.webhook_scheme)
        ]
        self.lock: threading.RLock = threading.RLock()
        self.faults: OrderQueue[Fault] = OrderQueue()
        self.scripts: OrderQueue[RunScript] = OrderQueue()
        self.billing: Billing = Billing(
            lambda: [*self.all_runs(), *self._chats], lambda: self._sold, self.clock.monotonic
        )
        self._listeners: list[Callable[[str], None]] = []
        # A reset keeps them, so that no id is used twice.
        self._run_count = self._group_count = self._sold_count = 0
        self._clear()

    def __repr__(self) -> str:
        runs = len(self._runs)
        return f"{type(self).__name__}(runs={runs}, clock={self.clock!r}, seed={self.seed})"

    def _clear(self) -> None:
        self._runs: dict[str, Run] = {}
        self._groups: dict[str, Group] = {}
        self._chats: list[Run] = []
        self._unpacked: deque[Run] = deque()
        """Those whose outputs were written last, oldest first."""
        self._interactions: dict[str, Run] = {}
        self._log: list[LogEntry] = []
        self.forgotten: set[tuple[str | None, str]] = set()
        """What was removed from a memory: its key, and the run's id."""
        self._late = LateRequests()
        self._used: set[int] = set()
        """Which turns and answers of the scenario have been given, by their `id()`."""
        self._sold: list[BilledAnswer] = []
        self._creations: defaultdict[str, deque[float]] = defaultdict(deque)
        self._epoch = self.clock.now() - self.clock.monotonic()
        self._webhooks = WebhookOutbox(self._signing_keys, self.faults, self._epoch)
        for each in self.scenario.interactions if self.scenario else ():
            self.add_interaction(each.id, each.input, each.output)

    def reset(self) -> None:
        """Remove all runs, groups, answers, requests, faults and scripts. Settings and time stay."""
        with self.lock:
            self.faults.clear()
            self.scripts.clear()
            self._clear()

    def new_ref_id(self) -> str:
        """A reference for an error, in the form of a UUID."""
        h = hex_id("ref", self.seed, len(self._log), len(self._runs))
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"

    @property
    def requests(self) -> list[LogEntry]:
        """Every request so far, oldest first, with its secrets replaced."""
        with self.lock:
            return list(self._log)

    # -- time --------------------------------------------------------------------------------------

    @property
    def monotonic(self) -> float:
        """Seconds on the clock's monotonic axis; while a late request is processed, its time."""
        moment = self._late.moment
        return self.clock.monotonic() if moment is None else moment

    @property
    def epoch(self) -> float:
        """Unix time of the monotonic axis's zero."""
        return self._epoch

    def catch_up(self) -> None:
        """Process the late requests that are due by now."""
        with self.lock:
            self._late.process_due(self.clock.monotonic())

    def later(self, seconds: float, process: Callable[[], Response]) -> Response:
        """Process a request in so many seconds, whoever waits for the response then."""
        late = LateRequest(self.monotonic + seconds, process)
        self._late.add(late)

        def steps() -> Iterator[Step]:
            while True:
                with self.lock:
                    self.catch_up()
                    is_waiting, response = late in self._late, late.response
                if response is not None:
                    yield from response.steps
                    return
                yield Wait(late.at) if is_waiting else Cut()  # a reset has removed it

        return Response(steps())

    @property
    def has_late_requests(self) -> bool:
        """Whether a request has come that is yet to be processed."""
        with self.lock:
            self.catch_up()
            return bool(self._late)

    def on_change(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(run or group id)` at each change that is not a mere effect of time.

        The listener must not block. Returns a function that removes it.
        """
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    def _notify(self, *topics: str | None) -> None:
        for topic in filter(None, topics):
            for listener in list(self._listeners):
                listener(topic)

    # -- runs --------------------------------------------------------------------------------------

    def create_runs(self, inputs: Sequence[JsonObject], group: Group | None = None) -> list[Run]:
        """Accept all of these runs or none. Raises ApiError (402, 403, 422, 429)."""
        places: list[Loc] = [("inputs", i) if group else () for i in range(len(inputs))]
        check_inputs(inputs, places, self._interactions.__contains__)
        self._check_scripted(inputs, places)
        check_processors(inputs, self.processors)
        check_quota(self._creations["run"], self.quota_per_minute, self.monotonic)
        needed = sum(price_usd(body["processor"]) for body in inputs)
        check_credit(needed, self.credit_usd, self.billing)
        runs = [self._new_run(without_secrets(body), group) for body in inputs]
        for run in runs:
            self._runs[run.run_id] = self._interactions[run.interaction_id] = run
            self._webhooks.watch(run)
        if group is not None:
            group.add(runs)
            self._notify(group.group_id)
        return runs

    def _new_run(self, request: JsonObject, group: Group | None) -> Run:
        count = self._run_count
        self._run_count += 1
        run_id = f"trun_{hex_id('run', self.seed, count)}"
        run = Run(
            run_id=run_id,
            interaction_id=run_id if self.equal_ids else f"intr_{hex_id('turn', self.seed, count)}",
            request=request,
            usd=price_usd(request["processor"]),
            created=self.monotonic,
            previous=self._interactions.get(request.get("previous_interaction_id") or ""),
            group_id=group.group_id if group else None,
            warnings=warnings_for(request),
        )
        script = self.scripts.take(lambda s: s.matches(run.text, run.processor)) or RunScript()
        plan_run(
            run,
            script,
            self._next_of(self._turns_for(request)),
            latency_scale=self.latency_scale,
            seed=self.seed,
            ref_id=self.new_ref_id(),
        )
        return run

    def _turns_for(self, request: JsonObject) -> list[ScriptedTurn]:
        """The scenario's turns for a request."""
        if self.scenario is None:
            return []
        text = input_text(request["input"])
        return self.scenario.turns_for(request, text, self._continued(request))

    def _continued(self, request: JsonObject) -> set[str]:
        """The ids of what a request continues from: the interaction's, and that of its scripted turn."""
        previous = self._interactions.get(request.get("previous_interaction_id") or "")
        if previous is None:
            return set()
        of_turn = previous.turn.id if previous.turn else None
        return {previous.interaction_id, *([of_turn] if of_turn else ())}

    def _next_of(self, found: Sequence[ScriptT]) -> ScriptT | None:
        """The first that is not used up: a pattern never is; of whole requests, the last stays."""
        fresh = [each for each in found if id(each) not in self._used]
        chosen = fresh[0] if fresh else found[-1] if found else None
        if chosen is not None and getattr(chosen, "pattern", None) is None:
            self._used.add(id(chosen))
        return chosen

    def _check_scripted(self, inputs: Sequence[JsonObject], places: Sequence[Loc]) -> None:
        """Raise a 422 for what a strict scenario does not have."""
        if self.scenario is None or not self.scenario.strict:
            return
        missing = [
            Problem((*place, "input"), self.scenario.refusal(body, self._continued(body)))
            for body, place in zip(inputs, places, strict=True)
            if not self._turns_for(body)
        ]
        if missing:
            raise invalid_request(missing)

    def scripted_answer(self, path: str, request: JsonObject) -> Mapping[str, Any] | None:
        """What the scenario has for a call that is answered at once. Raises ApiError (422)."""
        if self.scenario is None:
            return None
        found = self._next_of(self.scenario.answers_for(path, request))
        if found is None and self.scenario.strict:
            raise invalid_request([Problem((), self.scenario.refuse("this request"))])
        return found.answer if found else None

    def sell(self, kind: str, usd: float) -> str:
        """Bill an answer that is given at once, and return its id. Raises ApiError (402, 429).

        `kind` is the beginning of the id, such as `search`; each has a quota of its own.
        """
        check_quota(self._creations[kind], self.quota_per_minute, self.monotonic)
        check_credit(usd, self.credit_usd, self.billing)
        answer_id = f"{kind}_{hex_id(kind, self.seed, self._sold_count)}"
        self._sold_count += 1
        self._sold.append(BilledAnswer(kind, answer_id, usd))
        return answer_id

    def create_chat(self, request: JsonObject) -> Run:
        """Accept a turn of a chat: billed, and continued from, as a run is; it can be retrieved by no id.

        `request` is one as a run's, with `chat:` before the model's name. Raises ApiError (402, 422, 429).
        """
        previous = request["previous_interaction_id"]
        if previous is not None and previous not in self._interactions:
            raise invalid_request([Problem(("previous_interaction_id",), "unknown interaction")])
        self._check_scripted([request], [()])
        check_quota(self._creations["chat"], self.quota_per_minute, self.monotonic)
        check_credit(price_usd(request["processor"]), self.credit_usd, self.billing)
        chat = self._new_run(request, None)
        if self.equal_ids:
            chat.interaction_id = chat.run_id.replace("trun_", "intr_")
        chat.run_id = ""
        self._chats.append(chat)
        self._interactions[chat.interaction_id] = chat
        return chat

    def settle(self, run_id: str, outcome: str = "completed", message: str | None = None) -> None:
        """End a run now: one that stays queued, waits for a person, or takes too long."""
        with self.lock:
            run = self._runs[run_id]
            error = run_error(message, self.new_ref_id()) if outcome == "failed" else None
            run.settle(self.monotonic, outcome, error)
            self._webhooks.watch(run)
            if run.group_id is not None:
                self._groups[run.group_id].reopen(run)
            self._notify(run_id, run.group_id)

    def finish_output(self, run: Run) -> JsonObject | None:
        """Return the output of a completed run. The first call writes it."""
        for each in [*run.ancestors(), run]:
            if not each.has_output and each.status_at(self.monotonic) == "completed":
                each.write(write_output(each, self.evidence, self.seed))
                self._unpacked.append(each)
        while len(self._unpacked) > _UNPACKED:
            self._unpacked.popleft().pack()
        return run.output

    def find_run(self, run_id: str, *, known: bool = False) -> Run:
        """Return the run; `known`: if it can be retrieved yet. Raises ApiError (404)."""
        run = self._runs.get(run_id)
        if run is None or (known and run.known > self.monotonic):
            raise ApiError(404, "Run id not found")
        return run

    def all_runs(self) -> list[Run]:
        """Every accepted run, in the order accepted."""
        with self.lock:
            self.catch_up()
            return list(self._runs.values())

    def chats(self) -> list[Run]:
        """All turns of chats, oldest first: no id leads to them."""
        with self.lock:
            return list(self._chats)

    def runs(self) -> list[JsonObject]:
        """Every accepted run as the API shows it now, in the order accepted."""
        return [r.to_json(self.monotonic, self.epoch) for r in self.all_runs()]

    # -- groups and interactions -------------------------------------------------------------------

    def create_group(self, metadata: JsonObject) -> Group:
        group_id = f"tgrp_{hex_id('group', self.seed, self._group_count)}"
        self._group_count += 1
        group = self._groups[group_id] = Group(group_id, metadata, self.monotonic)
        return group

    def find_group(self, group_id: str) -> Group:
        """Return the group. Raises ApiError (404)."""
        if group_id not in self._groups:
            raise ApiError(404, "TaskGroup not found")
        return self._groups[group_id]

    def add_interaction(
        self, interaction_id: str, input: str, output: Mapping[str, Any] | str
    ) -> None:
        """Make known what was asked and answered elsewhere, such as an event of a monitor.

        A run can continue from it. It is no run itself, and is not billed. `output` is one as a task's, or
        its text.
        """
        if isinstance(output, str):
            output = {"type": "text", "content": output, "basis": []}
        with self.lock:
            now = self.monotonic
            elsewhere = self._interactions[interaction_id] = Run(
                run_id="",
                interaction_id=interaction_id,
                request={"input": input, "processor": "elsewhere"},
                usd=0.0,
                created=now,
                starts=now,
                ends=now,
            )
            elsewhere.write(dict(output))

    def context_of(self, interaction_id: str) -> list[ContextTurn]:
        """The turns that a run continuing from this interaction builds on, oldest first."""
        with self.lock:
            run = self._interactions[interaction_id]
            self.finish_output(run)
            return [
                ContextTurn(r.run_id, r.interaction_id, r.processor, r.request["input"], r.output)
                for r in (*run.ancestors(), run)
            ]

    # -- webhooks ----------------------------------------------------------------------------------

    def due_webhooks(self) -> list[Delivery]:
        """Take the deliveries that are due. Report the result of each to `record_delivery`."""
        with self.lock:
            self.catch_up()
            return self._webhooks.due(self.monotonic, self.clock.now())

    def record_delivery(self, delivery: Delivery, ok: bool) -> None:
        """Say whether the response to a delivery was 2xx. If not, it is repeated later."""
        with self.lock:
            self._webhooks.record(delivery, ok, self.monotonic)

    @property
    def has_pending_webhooks(self) -> bool:
        """Whether a run is yet to be announced, or a delivery to be made or repeated."""
        with self.lock:
            return self._webhooks.has_pending
