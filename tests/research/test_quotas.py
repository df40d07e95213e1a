"""A quota is over all threads of a user, or of all: reserved before a run is sent, and never passed."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres import PostgresStore
from langgraph.types import Command

from langchain_parallel import ParallelClient, create_research_graph
from langchain_parallel._core.calls import adrive, drive
from langchain_parallel._graph import quota_accounts
from langchain_parallel._graph.quota_accounts import Amounts, KeptAccount, Memory
from langchain_parallel._graph.quotas import Account, Quotas, beyond_quota
from langchain_parallel.errors import CreditExhausted, InvalidRequest, QuotaExceeded
from langchain_parallel.options import Limits, Quota, RequestOptions
from langchain_parallel.parked import delete_user_records
from langchain_parallel.research import aquota_use, quota_use
from langchain_parallel.simulator import (
    Fault,
    ManualClock,
    RunScript,
    Simulator,
    SimulatorTransport,
)

from .harness import Mode, Session, client_of, invoke, script

MORE: Any = {"action": "follow_up", "question": "More?", "reason": "thin"}
YES: Any = {"decisions": [{"type": "approve"}]}
A_DAY = 24 * 3600.0


def called_by(user: str | None, thread: str = "thread") -> Any:
    """The config of a call that comes through a LangGraph server."""
    given = {"thread_id": thread, "langgraph_request_id": "r"}
    return {"configurable": {**given, **({"langgraph_auth_user_id": user} if user else {})}}


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def limited(mode: Mode, *quotas: Quota, verdicts: Any = (), **limits: Any) -> Session:
    how: Any = {"quotas": quotas, "max_runs_per_question": 20, "on_exceed": "stop", **limits}
    options = {"evaluate": script(*verdicts), "processor": "lite", "limits": Limits(**how)}
    return Session(mode, options=options, store=InMemoryStore())


def asked_of(session: Session, config: Any) -> Any:
    (interrupt,) = session.graph().get_state(config).interrupts
    return interrupt.value


def answer(session: Session, given: Any, config: Any) -> Any:
    return invoke(session.mode, session.graph(), Command(resume=given), config)


# --- over threads --------------------------------------------------------------------------------


def test_it_is_one_users_over_all_threads(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.01))
    for nth in range(2):
        session.ask("How large is it?", config=called_by("anna", f"thread {nth}"))
    out = session.ask("How large is it?", config=called_by("anna", "another"))
    assert out["verdict"]["action"] == "stop"
    assert out["verdict"]["reason"] == (
        "The runs of this user may cost $0.01 each day (UTC); $0.01 is used and $0.00 is reserved, "
        "so $0.005 more has to wait until 2025-06-16T00:00:00Z."
    )
    assert len(session.runs) == 2
    assert session.ask("How large is it?", config=called_by("boris", "his"))["answer"]


@pytest.mark.parametrize(
    ("every", "seconds"), [("hour", 3600.0), ("day", A_DAY), ("month", 31 * A_DAY)]
)
def test_it_begins_anew_with_each_period(mode: Mode, every: Any, seconds: float) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all", every=every))
    for nth in range(3):
        session.ask("How large is it?", config=on(f"a {nth}"))
    assert len(session.runs) == 1
    session.simulator.clock.advance(seconds)  # type: ignore[attr-defined]
    for nth in range(3):
        session.ask("How large is it?", config=on(f"b {nth}"))
    assert len(session.runs) == 2


def test_several_hold_together(mode: Mode) -> None:
    session = limited(
        mode, Quota(max_cost_usd=0.01, per="all"), Quota(max_cost_usd=0.005, per="user")
    )
    for user in ("anna", "anna", "boris", "clara"):
        session.ask("How large is it?", config=called_by(user, f"{user} {len(session.runs)}"))
    assert len(session.runs) == 2  # one of anna's, and one of boris's


def test_a_run_cannot_pass_its_cost_on_to_another_one(mode: Mode) -> None:
    """Behind a server the state can be edited, and a run's key says where its price is."""
    session = limited(mode, Quota(max_cost_usd=0.11, per="all"))
    session.options["wait"] = "park"
    config, keys = called_by("anna"), []
    for processor in ("pro", "lite"):
        session.ask(f"How large? ({processor})", config=config, processor=processor)
        keys.append(session.state()["pending"]["key"])
    session.simulator.clock.advance(3_600.0)  # type: ignore[attr-defined]
    pending = session.state()["pending"]
    session.graph().update_state(config, {"pending": {**pending, "key": keys[0]}})
    with suppress(InvalidRequest):
        session.ask(None, config=config)
    out = session.ask("How large is it?", config=called_by("anna", "another"), processor="pro")
    assert out["verdict"]["action"] == "stop"
    assert len(session.runs) == 2


def test_failed_runs_give_their_price_back(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"))
    session.simulator.scripts.add(RunScript("failed"))
    session.ask("How large is it?", config=on("a"))
    assert session.ask("How large is it?", config=on("b"))["answer"]
    session.ask("How large is it?", config=on("c"))
    assert len(session.runs) == 2


def test_what_was_refused_gives_its_price_back(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"), max_cost_usd=1.0)
    broke = Fault("payment_required", method="POST", path="*/runs")
    session.simulator.faults.add(broke)
    session.ask("How large is it?", config=on("a"))
    assert session.ask("How large is it?", config=on("b"))["answer"]


@pytest.mark.parametrize("question", ["How large is it?", None])
def test_what_was_refused_and_is_sent_later_counts(mode: Mode, question: str | None) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"))
    session.simulator.faults.add(Fault("payment_required", method="POST", path="*/runs"))
    with suppress(CreditExhausted):
        session.ask("How large is it?", config=on("a"))
    session.simulator.faults.clear()
    assert session.ask(question, config=on("a"))["answer"]
    assert not session.ask("How large is it?", config=on("b"))["turns"]
    assert len(session.runs) == 1


def test_an_unknown_price_fits_into_no_quota(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=9.0, per="all"))
    session.options |= {
        "request": RequestOptions(allow_unknown_processor=True),
        "client": client_of(mode, session.simulator, allow_unknown_processor=True),
    }
    out = session.ask("How large is it?", processor="core9x")
    assert "what core9x costs is not known" in out["verdict"]["reason"]
    assert session.runs == []


def test_a_replay_of_what_was_paid_is_free_when_the_quota_is_used_up(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"))
    session.ask("How large is it?")
    history = session.graph().get_state_history(session.config)
    before = next(one for one in history if one.next == ("submit",))
    assert session.ask(None, config=before.config)["answer"]
    assert len(session.runs) == 1


def test_branches_take_no_dollar_twice(mode: Mode) -> None:
    fork = {"action": "branch", "questions": [{"question": f"Side {n}?"} for n in range(4)]}
    session = limited(mode, Quota(max_cost_usd=0.015, per="all"), verdicts=[fork])
    out = session.ask("How large is it?")
    assert len(session.runs) == 1  # all four are reviewed together
    assert "so $0.02 more has to wait" in out["verdict"]["reason"]


# --- who pays, and who approves ------------------------------------------------------------------


def test_without_a_user_there_is_no_quota_per_user(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=1.0))
    with pytest.raises(InvalidRequest, match=r"quota per user, and this call has no user") as got:
        session.ask("How large is it?")
    assert "Quota(per=function)" in str(got.value)
    assert session.runs == []


@pytest.mark.parametrize("who", [None, "", 7])
def test_a_function_says_who_pays(mode: Mode, who: Any) -> None:
    def team(config: Any) -> Any:
        return config["configurable"].get("team", who)

    session = limited(mode, Quota(max_cost_usd=0.005, per=team))
    for name in ("red", "red", "blue"):
        config = on(f"{name} {len(session.runs)}")
        config["configurable"]["team"] = name
        session.ask("How large is it?", config=config)
    assert len(session.runs) == 2
    with pytest.raises(InvalidRequest, match="for `per`"):
        session.ask("How large is it?", config=on("nobody's"))


def test_whoever_asked_pays_also_where_another_approves_it(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.01), approve_above="lite", approvers=["boss"])
    session.ask("How large is it?", config=called_by("anna"), processor="base")
    answer(session, YES, called_by("boss"))
    assert len(session.runs) == 1
    assert not session.ask("And then?", config=called_by("anna", "other"))["turns"]
    assert session.ask("And then?", config=called_by("boss", "third"))["answer"]


def test_whoever_asked_pays_also_where_a_webhook_resumed_the_thread_as_nobody(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.01), verdicts=[MORE])
    session.options["wait"] = "park"
    session.ask("How large is it?", config=called_by("anna"))
    session.simulator.clock.advance(10_000)  # type: ignore[attr-defined]
    answer(session, 1, called_by(None))
    assert len(session.runs) == 2
    assert not session.ask("And then?", config=called_by("anna", "other"))["turns"]


def test_another_number_of_quotas_holds_from_the_next_step_on(mode: Mode) -> None:
    """The operator deploys anew while a run is on its way."""
    first = Quota(max_cost_usd=0.01)
    session = limited(mode, first, verdicts=[MORE])
    session.options["wait"] = "park"
    session.ask("How large is it?", config=called_by("anna"))
    session.simulator.clock.advance(10_000)  # type: ignore[attr-defined]
    both = [first, Quota(max_cost_usd=0.0, per="all")]
    session.options["limits"] = Limits(quotas=both, max_runs_per_question=20, on_exceed="stop")
    out = answer(session, 1, called_by("anna"))
    assert "All runs together may cost $0.00" in out["verdict"]["reason"]
    assert len(session.runs) == 1


def test_past_a_quota_a_person_is_asked_who_sees_what_is_used(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"), on_exceed="ask")
    session.ask("How large is it?", config=on("a"))
    session.ask("How large is it?", config=on("b"))
    request = asked_of(session, on("b"))
    assert request["quotas"] == [
        {
            "per": "all",
            "who": "",
            "every": "day",
            "max_cost_usd": 0.005,
            "used_usd": 0.005,
            "reserved_usd": 0.0,
            "resets_at": "2025-06-16T00:00:00Z",
        }
    ]
    assert "has to wait until" in request["reasons"][0]
    assert answer(session, YES, on("b"))["answer"]  # in one's own process
    session.ask("How large is it?", config=on("c"))
    assert asked_of(session, on("c"))["quotas"][0]["used_usd"] == 0.01


def test_behind_a_server_only_an_approver_approves_it(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005), on_exceed="ask", approvers=["boss"])
    session.ask("How large is it?", config=called_by("anna", "a"))
    session.ask("How large is it?", config=called_by("anna", "b"))
    answer(session, YES, called_by("anna", "b"))
    assert "You may not approve" in asked_of(session, called_by("anna", "b"))["refused"][0]
    assert len(session.runs) == 1
    answer(session, YES, called_by("boss", "b"))
    assert len(session.runs) == 2


def test_a_yes_to_a_price_is_none_to_a_quota(mode: Mode) -> None:
    """Nobody may raise it here, and it was used up while the asker thought about the price."""
    session = limited(mode, Quota(max_cost_usd=0.012), on_exceed="ask", approve_above="lite")
    session.ask("How large is it?", config=called_by("anna", "a"), processor="base")
    session.ask("How large is it?", config=called_by("anna", "b"))
    out = answer(session, YES, called_by("anna", "a"))
    assert "Nobody may raise it here" in out["verdict"]["reason"]
    assert [run["processor"] for run in session.runs] == ["lite"]


# --- at the same time ----------------------------------------------------------------------------


@contextmanager
def kept_in(where: str, tmp_path: Path, uri: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """What a graph is compiled with."""
    with ExitStack() as stack:
        if where == "store":
            yield {"checkpointer": InMemorySaver(), "store": InMemoryStore()}
        elif where == "checkpointer":
            yield {"checkpointer": InMemorySaver()}
        elif where == "memory":
            yield {}
        elif where == "sqlite":
            path = str(tmp_path / "saver.db")
            yield {"checkpointer": stack.enter_context(SqliteSaver.from_conn_string(path))}
        else:
            saver = stack.enter_context(PostgresSaver.from_conn_string(uri()))
            more = {}
            if where == "postgres store":
                more["store"] = stack.enter_context(PostgresStore.from_conn_string(uri()))
            yield {"checkpointer": saver, **more}


PLACES = ["store", "checkpointer", "memory", "sqlite", "postgres", "postgres store"]


@pytest.mark.grid
@pytest.mark.parametrize("where", PLACES)
def test_wherever_it_is_kept_it_is_used_up_and_never_passed(
    where: str, tmp_path: Path, postgres_uri: Callable[[], str]
) -> None:
    simulator, whose = Simulator(ManualClock()), f"in {where}"
    quota = Quota(max_cost_usd=0.015, per=lambda _: whose)
    client: Any = client_of("sync", simulator)
    limits = Limits(quotas=[quota], on_exceed="stop")
    with kept_in(where, tmp_path, postgres_uri) as kept:
        made: Any = create_research_graph(processor="lite", client=client, limits=limits)
        graph = made.compile(**kept)
        for nth in range(5):
            graph.invoke({"question": f"Number {nth}?"}, on(f"{where} {nth}"))
    assert len(simulator.runs()) == 3


SPENDERS = 12


def test_many_who_spend_at_once_use_it_up_and_never_pass_it(mode: Mode) -> None:
    session = limited(mode, Quota(max_cost_usd=0.0301, per="all"))
    graph = session.graph()

    def ask(nth: int) -> Any:
        return graph.invoke({"question": f"Number {nth}?"}, on(f"thread {nth}"))

    async def all_of_them() -> None:
        given = [({"question": f"Number {nth}?"}, on(f"thread {nth}")) for nth in range(SPENDERS)]
        await asyncio.gather(*(graph.ainvoke(*one) for one in given))

    if mode == "sync":
        with ThreadPoolExecutor(SPENDERS) as pool:
            list(pool.map(ask, range(SPENDERS)))
    else:
        asyncio.run(all_of_them())
    assert len(session.runs) == 6  # $0.03 of $0.0301
    assert session.simulator.billing.total_usd == pytest.approx(0.03)


def test_what_one_quota_refuses_is_taken_out_of_the_others() -> None:
    session = limited(
        "async", Quota(max_cost_usd=0.01, per="all"), Quota(max_cost_usd=0.005, per="user")
    )
    graph = session.graph()

    async def all_of_them() -> None:
        given = [({"question": "How large?"}, called_by("anna", f"{n}")) for n in range(SPENDERS)]
        await asyncio.gather(*(graph.ainvoke(*one) for one in given))

    asyncio.run(all_of_them())
    assert len(session.runs) == 1
    assert session.ask("How large is it?", config=called_by("boris"))["answer"]


class Elsewhere(BaseStore):
    """A store that this package knows nothing of, in which another process enters its run just after ours."""

    supports_ttl = False

    def __init__(self, rivals: int) -> None:
        self.inner, self.rivals, self.leaves = InMemoryStore(), rivals, False

    def batch(self, ops: Any) -> Any:
        return [self._do(op) for op in ops]

    async def abatch(self, ops: Any) -> Any:
        return self.batch(ops)

    def _do(self, op: Any) -> Any:
        [done] = self.inner.batch([op])
        value = getattr(op, "value", None)
        is_entry = isinstance(value, dict) and "entry" in value and not value["entry"]["settled"]
        if is_entry and self.rivals:
            self.rivals -= 1
            entry = {"entry": {"usd": 0.005, "settled": False}}
            self.inner.put(op.namespace, f"another's {self.rivals}", entry)
        elif getattr(op, "value", 1) is None and self.leaves:  # it gives way, as we do
            self.inner.delete(op.namespace, f"another's {self.rivals}")
        return done


@pytest.mark.parametrize(("leaves", "runs"), [(False, 0), (True, 1)])
def test_two_processes_that_enter_in_the_same_moment_never_pass_it(
    mode: Mode, leaves: bool, runs: int
) -> None:
    session = limited(mode, Quota(max_cost_usd=0.005, per="all"))
    store: Any = Elsewhere(rivals=1)
    store.leaves = leaves
    session.store = store
    session.ask("How large is it?")
    assert len(session.runs) == runs


# --- killed --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The end of a process, as far as its graph can tell."""


class Dying(httpx.BaseTransport):
    """A process that is killed before or after it has sent the paid request."""

    def __init__(self, simulator: Simulator, *, sent: bool) -> None:
        self._inner, self._sent = SimulatorTransport(simulator), sent

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        paid = request.method == "POST" and request.url.path.endswith("/runs")
        if paid and not self._sent:
            raise Killed
        response = self._inner.handle_request(request)
        if paid:
            raise Killed
        return response


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("sent", [True, False])
def test_a_killed_process_leaves_one_reservation_which_counts(sent: bool, store: bool) -> None:
    session = limited("sync", Quota(max_cost_usd=0.0101, per="all"))
    if not store:
        session.store = None
    clock: Any = session.simulator.clock
    transport = Dying(session.simulator, sent=sent)
    dying = ParallelClient("key-of-a-test", transport=transport, clock=clock)
    alive, session.options["client"] = client_of("sync", session.simulator), dying
    with pytest.raises(Killed):
        session.ask("How large is it?", config=on("a"))
    session.options["client"] = alive
    session.ask("How large is it?", config=on("b"))
    assert not session.ask("How large is it?", config=on("c"))["turns"]  # a's counts
    assert session.ask(None, config=on("a"))["answer"]
    assert len(session.runs) == 2
    clock.advance(A_DAY)
    assert session.ask("How large is it?", config=on("d"))["answer"]


def test_a_run_that_was_sent_is_found_however_much_is_used() -> None:
    """Its process was killed, and there was no quota yet."""
    session = limited("sync")
    clock: Any = session.simulator.clock
    transport = Dying(session.simulator, sent=True)
    dying = ParallelClient("key-of-a-test", transport=transport, clock=clock)
    alive, session.options["client"] = client_of("sync", session.simulator), dying
    with pytest.raises(Killed):
        session.ask("How large is it?")
    session.options |= {
        "client": alive,
        "limits": Limits(quotas=[Quota(max_cost_usd=0.0, per="all")]),
    }
    assert session.ask(None)["answer"]
    session.options["limits"] = Limits(quotas=[Quota(max_cost_usd=0.005, per="all")])
    assert not session.ask("How large is it?", config=on("b"))["turns"]  # it counts from now on
    assert len(session.runs) == 1


def test_a_run_that_is_resumed_after_midnight_counts_on_the_day_it_was_sent() -> None:
    session = limited("sync", Quota(max_cost_usd=0.005, per="all"))
    clock: Any = session.simulator.clock
    transport = Dying(session.simulator, sent=True)
    dying = ParallelClient("key-of-a-test", transport=transport, clock=clock)
    alive, session.options["client"] = client_of("sync", session.simulator), dying
    with pytest.raises(Killed):
        session.ask("How large is it?", config=on("a"))
    session.options["client"] = alive
    clock.advance(A_DAY)
    assert session.ask(None, config=on("a"))["answer"]
    assert session.ask("How large is it?", config=on("b"))["answer"]
    assert not session.ask("How large is it?", config=on("c"))["turns"]


def test_what_a_killed_process_never_sent_is_given_back_once_that_is_known() -> None:
    session = limited("sync", Quota(max_cost_usd=0.005, per="all"))
    clock: Any = session.simulator.clock
    transport = Dying(session.simulator, sent=False)
    dying = ParallelClient("key-of-a-test", transport=transport, clock=clock)
    alive, session.options["client"] = client_of("sync", session.simulator), dying
    with pytest.raises(Killed):
        session.ask("How large is it?")
    session.options["client"] = alive
    assert session.ask("And who leads?")["answer"]  # it overtakes the first one
    assert len(session.runs) == 1


# --- read, and refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("store", [True, False])
def test_what_is_used_can_be_read(mode: Mode, store: bool) -> None:
    kept: Any = InMemoryStore() if store else InMemorySaver()
    quota = Quota(max_cost_usd=1.0, every="month")
    read = (
        quota_use(quota, kept_in=kept, who="anna")
        if mode == "sync"
        else asyncio.run(aquota_use(quota, kept_in=kept, who="anna"))
    )
    assert (read["who"], read["used_usd"], read["reserved_usd"]) == ("anna", 0.0, 0.0)
    assert read["resets_at"].endswith("-01T00:00:00Z")


def test_a_users_account_is_deleted_with_the_users_records(mode: Mode) -> None:
    quotas = (Quota(max_cost_usd=0.005), Quota(max_cost_usd=9.0, per="all"))
    session = limited(mode, *quotas)
    session.ask("How large is it?", config=called_by("anna"))
    kept: Any = session.store
    assert len(kept.search(("langchain_parallel", "quotas"))) == 2
    delete_user_records(kept, "anna")
    [left] = kept.search(("langchain_parallel", "quotas"))
    assert left.value["sheet"]["settled"] == 0.005  # that of all


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_cost_usd": -1}, "max_cost_usd must be a number from 0 up"),
        ({"max_cost_usd": float("nan")}, "max_cost_usd must be a number from 0 up"),
        ({"max_cost_usd": "5"}, "max_cost_usd must be a number from 0 up"),
        ({"max_cost_usd": 5.0, "per": "team"}, "per is 'team'; 'user' or 'all' is allowed"),
        ({"max_cost_usd": 5.0, "per": None}, "per is None; 'user' or 'all' is allowed"),
        ({"max_cost_usd": 5.0, "every": "week"}, "every is 'week'; 'hour' or 'day' or 'month'"),
        ({"max_cost_usd": 5.0, "every": str}, "every is "),
    ],
)
def test_a_wrong_quota_is_refused_by_name(given: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Quota(**given)


@pytest.mark.parametrize("given", [5.0, "5", [5.0], [None], Quota(max_cost_usd=1), {"a": 1}])
def test_quotas_are_a_list_of_them(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="quotas"):
        Limits(quotas=given)


# --- the account itself --------------------------------------------------------------------------

AT = datetime(2025, 12, 31, 23, 45, 12, 345_678, tzinfo=timezone.utc).timestamp()
FEBRUARY = datetime(2026, 2, 28, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("every", "now", "name", "starts", "ends"),
    [
        ("hour", AT, "all hour 2025-12-31T23Z ", "2025-12-31T23:00:00", "2026-01-01T00:00:00"),
        ("day", AT, "all day 2025-12-31T00Z ", "2025-12-31T00:00:00", "2026-01-01T00:00:00"),
        ("month", AT, "all month 2025-12-01T00Z ", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
        (
            *("month", FEBRUARY, "all month 2026-02-01T00Z "),
            *("2026-02-01T00:00:00", "2026-03-01T00:00:00"),
        ),
    ],
)
def test_an_account_is_of_a_whole_period(
    every: Any, now: float, name: str, starts: str, ends: str
) -> None:
    account = Account.at(Quota(max_cost_usd=1.0, per="all", every=every), "", now)
    assert (account.name, account.per, account.owner) == (name, "all", None)
    assert account.starts.isoformat() == f"{starts}+00:00"
    assert account.ends.isoformat() == f"{ends}+00:00"
    assert account.use(Amounts(0.12345678, 0.30000012)) == {
        "per": "all",
        "who": "",
        "every": every,
        "max_cost_usd": 1.0,
        "used_usd": 0.123457,
        "reserved_usd": 0.3,
        "resets_at": f"{ends}Z",
    }


@pytest.mark.parametrize(
    ("per", "name", "owner"),
    [("user", "user", "anna"), ("all", "all", None), (lambda config: "anna", "function", None)],
)
def test_an_account_is_a_users_own_only_with_a_quota_per_user(
    per: Any, name: str, owner: str | None
) -> None:
    account = Account.at(Quota(max_cost_usd=1.0, per=per), "anna", AT)
    assert (account.per, account.owner) == (name, owner)


@pytest.mark.parametrize(
    ("used", "reserved", "most", "runs", "fits"),
    [
        (0.0, 0.0, 0.005, 1, True),
        (0.0, 0.0, 0.0049, 1, False),
        (0.005, 0.0, 0.005, 0, True),
        (0.1, 0.2, 0.305, 1, True),  # sums of floats
        (0.1, 0.2, 0.304, 1, False),
        (0.005, 0.005, 0.02, 2, True),
        (0.005, 0.005, 0.02, 3, False),
    ],
)
def test_runs_fit_up_to_the_last_cent(
    used: float, reserved: float, most: float, runs: int, fits: bool
) -> None:
    account = Account.at(Quota(max_cost_usd=most, per="all"), "", AT)
    why = beyond_quota(account.use(Amounts(used, reserved)), ["lite"] * runs)
    assert (why is None) is fits


@pytest.mark.parametrize(
    ("per", "words"),
    [
        ("user", "The runs of this user may cost $0.00 each day (UTC); $0.00 is used and $0.00 is"),
        ("all", "All runs together may cost $0.00 each day (UTC); "),
        (lambda config: "anna", "The runs of anna may cost $0.00 each day (UTC); "),
    ],
)
def test_a_refusal_says_whose_quota_it_is(per: Any, words: str) -> None:
    account = Account.at(Quota(max_cost_usd=0.0, per=per), "anna", AT)
    use = account.use(Amounts(0.0, 0.0))
    assert str(beyond_quota(use, ["lite"])).startswith(words)
    both = beyond_quota(use, ["lite", "core9x", "core8x", "core9x"])
    assert str(both).endswith(", and what core8x and core9x costs is not known.")


class OtherStore(Elsewhere):
    """A store of another kind, which no lock keeps others out of."""

    def __init__(self) -> None:
        super().__init__(rivals=0)


class OtherSaver(BaseCheckpointSaver[str]):
    """A checkpointer of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = InMemorySaver()

    def put(self, *args: Any) -> Any:
        return self.inner.put(*args)

    def get_tuple(self, config: Any) -> Any:
        return self.inner.get_tuple(config)

    def list(self, config: Any, **how: Any) -> Any:
        return self.inner.list(config, **how)

    async def aput(self, *args: Any) -> Any:
        return self.inner.put(*args)

    async def aget_tuple(self, config: Any) -> Any:
        return self.inner.get_tuple(config)

    async def alist(self, config: Any, **how: Any) -> Any:
        for found in self.inner.list(config, **how):
            yield found


HOLDERS = [Memory, InMemoryStore, InMemorySaver, OtherStore, OtherSaver]


@pytest.mark.parametrize("kind", HOLDERS)
def test_an_account_adds_up_what_is_settled_and_what_is_reserved(mode: Mode, kind: Any) -> None:
    account = KeptAccount(kind(), "all day", None)
    assert account.is_exclusive is (kind not in (OtherStore, OtherSaver))
    seen: list[Amounts] = []

    def done(calls: Any) -> Any:
        return drive(calls) if mode == "sync" else asyncio.run(adrive(calls))

    def enter(key: str, usd: float | None, *, fits: bool = True) -> Amounts | None:
        def look(others: Amounts) -> bool:
            seen.append(others)
            return fits

        left: Amounts | None = done(account.enter(key, usd, look))
        return left

    def now() -> tuple[float, float]:
        amounts = done(account.amounts())
        return round(amounts.used, 6), round(amounts.reserved, 6)

    assert now() == (0.0, 0.0)
    assert enter("a", 0.3) is None
    assert now() == (0.0, 0.3)
    assert enter("b", 0.05) is None
    assert enter("a", 0.3) is None  # once more: it does not count beside itself
    assert enter("x", None) is None  # of unknown price
    assert seen == [(0.0, 0.0), (0.0, 0.3), (0.0, 0.05), (0.0, 0.35)]
    assert now() == (0.0, 0.35)
    assert enter("c", 0.5, fits=False) == (0.0, 0.35)
    assert now() == (0.0, 0.35)
    done(account.settle("a", 0.1))
    assert now() == (0.1, 0.05)
    done(account.settle("b", None))
    assert now() == (0.1, 0.0)
    assert enter("d", 0.2) is None
    done(account.remove("d"))
    assert now() == (0.1, 0.0)
    assert enter("e", 0.2) is None
    assert enter("e", 0.2, fits=False) is not None  # it fits no longer
    assert now() == (0.1, 0.0)


@pytest.mark.parametrize("kind", HOLDERS)
def test_accounts_in_one_place_are_not_mixed_up(kind: Any) -> None:
    holder = kind()
    one, other = KeptAccount(holder, "one"), KeptAccount(holder, "other")
    drive(one.enter("a", 0.3, lambda others: True))
    drive(other.enter("a", 0.2, lambda others: others == (0.0, 0.0)))
    assert drive(one.amounts()) == (0.0, 0.3)
    assert drive(other.amounts()) == (0.0, 0.2)


@pytest.mark.parametrize("kind", HOLDERS[:3])
def test_what_was_taken_out_is_not_settled(kind: Any) -> None:
    account = KeptAccount(kind(), "all day")
    drive(account.remove("a"))
    drive(account.settle("a", 0.3))
    assert drive(account.amounts()) == (0.0, 0.0)


def test_where_there_is_no_quota_nothing_is_looked_up() -> None:
    nothing: Any = None  # neither clients nor records
    quotas = Quotas(nothing, nothing)
    run: Any = SimpleNamespace(door=SimpleNamespace(limits=Limits()), key="key")
    drive(quotas.reserve(run, "tgrp_1", may_exceed=False))
    drive(quotas.settle(run, "tgrp_1", "key", 0.1))
    drive(quotas.release(run, "tgrp_1"))


def test_a_copy_of_a_tool_uses_the_same_accounts() -> None:
    nothing: Any = None
    quotas = Quotas(nothing, nothing)
    assert copy.deepcopy(quotas) is quotas


class KeptRecords:
    """The records of one thread."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, config: Any, name: str) -> Any:
        yield from ()
        return self.kept.get(name)

    def put(self, config: Any, name: str, value: Any) -> Any:
        yield from ()
        self.kept[name] = value


def quotas_in(holder: Any) -> Quotas:
    """Those of one thread, with accounts in this place."""
    clients: Any = SimpleNamespace(now=ManualClock().now)
    quotas = Quotas(clients, KeptRecords())  # type: ignore[arg-type]  # as far as it is used
    quotas._memory = holder
    return quotas


def run_under(limits: Limits, key: str) -> Any:
    door, request = SimpleNamespace(limits=limits), SimpleNamespace(processor="lite")
    return SimpleNamespace(door=door, request=request, key=key, config={})


@pytest.mark.parametrize("leaves", [True, False])
def test_what_did_not_fit_beside_anothers_entry_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    store = Elsewhere(rivals=1)
    store.leaves = leaves
    run = run_under(Limits(quotas=[Quota(max_cost_usd=0.005, per="all")]), "a")
    with nullcontext() if leaves else pytest.raises(QuotaExceeded):
        drive(quotas_in(store).reserve(run, "tgrp_1", may_exceed=False))
    [pause] = pauses
    assert 0.05 <= pause <= 0.1


@pytest.mark.parametrize("kind", [Memory, OtherStore])
def test_a_run_is_entered_once_and_settled_once(kind: Any) -> None:
    limits = Limits(quotas=[Quota(max_cost_usd=0.015, per="all")])
    quotas = quotas_in(kind())

    def run(key: str) -> Any:
        return run_under(limits, key)

    def reserve(key: str, *, may_exceed: bool = False) -> None:
        drive(quotas.reserve(run(key), "tgrp_1", may_exceed=may_exceed))

    def now() -> tuple[float, float]:
        [use] = drive(quotas.read_use(limits, {}))
        return use["used_usd"], use["reserved_usd"]

    drive(quotas.settle(run("a"), "tgrp_1", "a", 0.1))
    assert now() == (0.0, 0.0)  # it was never entered
    for key in ("a", "a", "b", "c"):
        reserve(key)
    assert now() == (0.0, 0.015)
    with pytest.raises(QuotaExceeded, match="has to wait until") as refused:
        reserve("d")
    assert (refused.value.billed, now()) == (False, (0.0, 0.015))
    assert "Nothing was sent" in str(refused.value)
    reserve("d", may_exceed=True)
    assert now() == (0.0, 0.02)
    for cost in (0.001, None):
        drive(quotas.settle(run("other"), "tgrp_1", "a", cost))
    assert now() == (0.001, 0.015)
    drive(quotas.settle(run("b"), "tgrp_1", "b", None))
    assert now() == (0.001, 0.01)
    drive(quotas.release(run("c"), "tgrp_1"))
    assert now() == (0.001, 0.005)
    reserve("c")  # it is sent after all
    assert now() == (0.001, 0.01)
    drive(quotas.settle(run("c"), "tgrp_1", "c", 0.004))
    assert now() == (0.005, 0.005)


@pytest.mark.parametrize(("kind", "most"), [(OtherStore, 0.005), (Memory, 0.0)])
def test_nothing_waits_that_fits_or_that_no_other_process_can_have_met(
    monkeypatch: pytest.MonkeyPatch, kind: Any, most: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    run = run_under(Limits(quotas=[Quota(max_cost_usd=most, per="all")]), "a")
    with pytest.raises(QuotaExceeded) if most == 0.0 else nullcontext():
        drive(quotas_in(kind()).reserve(run, "tgrp_1", may_exceed=False))
    assert pauses == []


def test_a_lock_in_the_database_keeps_all_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    account = KeptAccount(OtherSaver(), "all day")
    assert not account.is_exclusive
    monkeypatch.setattr(quota_accounts, "advisory_locks", lambda holder: object())
    assert account.is_exclusive
