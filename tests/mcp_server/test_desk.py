"""A desk answers calls about sessions, each run paid for once, whoever dies or gives up in between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from langchain_parallel import AsyncParallelClient, Limits
from langchain_parallel.errors import InvalidRequest, Unprocessable
from langchain_parallel.mcp_server.research_desk import Asked, ResearchDesk
from langchain_parallel.mcp_server.storage import default_path, open_desk
from langchain_parallel.models import Event
from langchain_parallel.simulator import Fault

from ..tool.helpers import KEY, Account

QUESTION = Asked("Who leads the market?")


class Desks:
    """One account and one file. A desk that is opened anew stands for a new process."""

    def __init__(self, folder: Path) -> None:
        self.account, self.path = Account(), folder / "a folder" / "mcp.sqlite"

    def open(self, **options: Any) -> AbstractAsyncContextManager[ResearchDesk]:
        simulator, wire = self.account.simulator, self.account.wire
        client = AsyncParallelClient(KEY, transport=wire, clock=simulator.clock)
        return open_desk(self.path, **{"wait_seconds": 1000.0, "client": client, **options})


@pytest.fixture
def desks(tmp_path: Path) -> Desks:
    return Desks(tmp_path)


@asynccontextmanager
async def waiting(desks: Desks, **options: Any) -> AsyncIterator[tuple[ResearchDesk, str]]:
    """A desk that has said that a long run is still running, and the session."""
    desks.account.script(seconds=5000)
    async with desks.open(**options) as desk:
        text = await desk.ask(QUESTION)
        assert text.startswith("Still running (trun_")
        assert "check(session_id='" in text
        yield desk, session_of(text)


def session_of(text: str) -> str:
    [session_id] = set(re.findall(r"ses_\w+", text))
    return str(session_id)


def interaction_of(text: str) -> str:
    [found] = re.findall(r"^interaction_id: (\w+)", text, re.MULTILINE)
    return str(found)


async def test_an_answer_is_fenced_and_says_how_to_go_on(desks: Desks) -> None:
    async with desks.open() as desk:
        text = await desk.ask(QUESTION)
    assert re.search(r"<research_output untrusted=.*</research_output nonce=", text, re.DOTALL)
    assert re.search(r"^cost: \$0.025, the session \$0.025$", text, re.MULTILINE)
    assert interaction_of(text) == desks.account.runs[0]["interaction_id"]
    assert session_of(text)
    assert desks.path.stat().st_mode & 0o077 == 0


async def test_a_session_is_asked_on_and_branched(desks: Desks) -> None:
    async with desks.open() as desk:
        first = await desk.ask(QUESTION)
        session_id = session_of(first)
        second = await desk.ask(Asked("By how much?", session_id))
    async with desks.open() as desk:
        third = await desk.ask(Asked("Why?", session_id, interaction_of(first)))
        listed = await desk.read(session_id)
    parents = [body.get("previous_interaction_id") for body in desks.account.sent]
    assert parents == [None, interaction_of(first), interaction_of(first)]
    assert len({interaction_of(text) for text in (first, second, third)}) == 3
    assert [line.rpartition(": ")[2] for line in listed.splitlines()[1:]] == [
        "'Who leads the market?'",
        "'By how much?'",
        "'Why?'",
    ]
    assert "the session $0.045" in third


async def test_an_answer_that_takes_long_is_fetched_later(desks: Desks) -> None:
    async with waiting(desks) as (desk, session_id):
        assert "Still running" in await desk.check(session_id)
        desks.account.simulator.clock.sleep(5000)
        assert "<research_output" in await desk.check(session_id)
        assert "<research_output" in await desk.check(session_id)
    assert desks.account.billed == len(desks.account.runs) == 1


async def test_the_same_call_goes_on_until_it_has_its_answer_and_is_then_a_new_one(
    desks: Desks,
) -> None:
    async with waiting(desks) as (desk, session_id):
        assert session_of(await desk.ask(QUESTION)) == session_id
    desks.account.simulator.clock.sleep(5000)
    async with desks.open(repeat_seconds=0.0) as desk:
        assert session_of(await desk.ask(QUESTION)) == session_id
        assert len(desks.account.runs) == 1
        assert session_of(await desk.ask(QUESTION)) != session_id
    assert len(desks.account.runs) == 2


async def test_an_answer_that_may_not_have_reached_its_client_is_given_again(desks: Desks) -> None:
    async with desks.open() as desk:
        first = await desk.ask(QUESTION)
        second = await desk.ask(Asked("More?", session_of(first)))
    async with desks.open() as desk:
        again = [await desk.ask(QUESTION), await desk.ask(Asked("More?", session_of(first)))]
        assert "given again" not in await desk.check(session_of(first))
    for before, after in zip((first, second), again, strict=True):
        assert interaction_of(after) == interaction_of(before)
        assert "given again for nothing" in after.splitlines()[-1]
    assert len(desks.account.runs) == 2


async def test_a_question_with_blanks_around_it_has_its_answer(desks: Desks) -> None:
    async with desks.open() as desk:
        assert "<research_output" in await desk.ask(Asked("  Who leads?\n"))
        assert "given again" in await desk.ask(Asked("Who leads?"))
    assert len(desks.account.runs) == 1


async def test_the_same_words_asked_from_elsewhere_are_another_question(desks: Desks) -> None:
    async with desks.open() as desk:
        first = await desk.ask(QUESTION)
        session_id = session_of(first)
        await desk.ask(Asked("More?", session_id))
        desks.account.script(seconds=5000)
        assert "Still running" in await desk.ask(Asked("Why?", session_id))
        with pytest.raises(InvalidRequest, match="still waits"):
            await desk.ask(Asked("Why?", session_id, interaction_of(first)))
        with pytest.raises(InvalidRequest, match="no such interaction"):
            await desk.ask(Asked("Why?", session_id, "intr_of_somebody"))
        assert "Still running" in await desk.check(session_id)
    assert len(desks.account.sent) == 3


async def test_many_questions_at_once_are_all_answered(desks: Desks) -> None:
    async with desks.open() as desk:
        texts = await asyncio.gather(*(desk.ask(Asked(f"Question {n}?")) for n in range(12)))
    assert len(set(map(session_of, texts))) == len(desks.account.runs) == 12


class Died(BaseException):
    """A process that dies here."""


class DyingStore:
    """A store whose process dies instead of writing for the n-th time."""

    def __init__(self, store: Any, writes: int) -> None:
        self._store, self._left = store, writes

    async def aput(self, *args: Any, **kwargs: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise Died
        await self._store.aput(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("writes", range(3))
@pytest.mark.parametrize("begins", [True, False], ids=["research", "follow_up"])
async def test_a_call_that_dies_at_any_of_its_notes_goes_on(
    desks: Desks, writes: int, begins: bool
) -> None:
    async with desks.open() as desk:
        first = await desk.ask(Asked("First?"))
    asked = QUESTION if begins else Asked("More?", session_of(first))
    async with desks.open() as desk:
        dying: Any = DyingStore(desk._store, writes)
        desk._store = dying
        with pytest.raises(Died):
            await desk.ask(asked)
    async with desks.open() as desk:
        assert "<research_output" in await desk.check(session_of(first))
        text = await desk.ask(asked)
        assert "<research_output" in text
        assert interaction_of(text) == interaction_of(await desk.check(session_of(text)))
    assert len(desks.account.runs) == 2


async def test_what_was_fetched_by_check_is_asked_anew(desks: Desks) -> None:
    async with waiting(desks, repeat_seconds=0.0) as (desk, session_id):
        desks.account.simulator.clock.sleep(5000)
        await desk.check(session_id)
        assert session_of(await desk.ask(QUESTION)) != session_id


async def test_a_caller_who_leaves_in_the_middle_loses_nothing(desks: Desks) -> None:
    heard = asyncio.Event()

    async def tell(_: Event) -> None:
        heard.set()
        await asyncio.sleep(0)

    async with desks.open() as desk:
        call = asyncio.ensure_future(desk.ask(QUESTION, tell))
        await heard.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    async with desks.open() as desk:
        assert "<research_output" in await desk.ask(QUESTION)
    assert len(desks.account.runs) == 1


async def test_identical_calls_at_once_share_a_run(desks: Desks) -> None:
    desks.account.script(seconds=5000)
    async with desks.open() as desk:
        texts = await asyncio.gather(desk.ask(QUESTION), desk.ask(QUESTION))
    assert len(set(texts)) == len(desks.account.runs) == 1


async def test_calls_of_two_questions_at_once_are_not_mixed_up(desks: Desks) -> None:
    async with desks.open() as desk:
        session_id = session_of(await desk.ask(QUESTION))
        asked = [Asked(question, session_id) for question in ("How?", "Why?")]
        told = await asyncio.gather(*map(desk.ask, asked), return_exceptions=True)
        listed = await desk.read(session_id)
    for question, text in zip(("How?", "Why?"), told, strict=True):
        if isinstance(text, str):
            assert f"{interaction_of(text)}, after" in listed
            assert re.search(rf"{interaction_of(text)}.*'{re.escape(question)}'", listed)
        else:
            assert isinstance(text, InvalidRequest)
    assert len(desks.account.runs) == 1 + sum(isinstance(text, str) for text in told)


async def test_a_session_that_waits_takes_no_other_question(desks: Desks) -> None:
    async with waiting(desks) as (desk, session_id):
        other = Asked("And?", session_id)
        with pytest.raises(InvalidRequest, match=r"still waits.*check\(session_id="):
            await desk.ask(other)
        assert len(desks.account.sent) == 1
        desks.account.simulator.clock.sleep(5000)
        answer = await desk.check(session_id)
        assert interaction_of(await desk.ask(other)) != interaction_of(answer)
    assert [body["input"] for body in desks.account.sent] == [QUESTION.question, "And?"]


async def test_a_lost_response_is_found_again(desks: Desks) -> None:
    desks.account.simulator.faults.add(Fault("drop_after", method="POST", path="*/runs"))
    async with desks.open() as desk:
        assert "<research_output" in await desk.ask(QUESTION)
    assert len(desks.account.runs) == 1


async def test_a_refused_question_can_be_asked_again(desks: Desks) -> None:
    refuse = Fault("status_before", method="POST", path="*/runs", status=422)
    desks.account.simulator.faults.add(refuse)
    async with desks.open() as desk:
        with pytest.raises(Unprocessable):
            await desk.ask(QUESTION)
        assert "<research_output" in await desk.ask(QUESTION)
        with pytest.raises(InvalidRequest):
            await desk.ask(Asked(" "))
    assert len(desks.account.runs) == 1


async def test_a_run_that_fails_says_so_and_costs_nothing(desks: Desks) -> None:
    desks.account.script(outcome="failed")
    async with desks.open() as desk:
        text = await desk.ask(QUESTION)
        assert text.startswith("No answer (failed): ")
        page = await desk.read(session_of(text), interaction_of(text))
        assert page.startswith("No answer (failed): ")
    assert desks.account.billed == 0


async def test_a_session_stops_at_its_limit(desks: Desks) -> None:
    async with desks.open(limits=Limits(max_cost_usd=0.03, on_exceed="stop")) as desk:
        session_id = session_of(await desk.ask(QUESTION))
        text = await desk.ask(Asked("More?", session_id))
    assert "<research_output" not in text
    assert len(desks.account.runs) == 1


async def test_every_text_is_bounded_and_pages_have_all_of_it(desks: Desks) -> None:
    async with desks.open(max_chars=3000) as desk:
        text = await desk.ask(QUESTION)
        assert len(text) <= 3000
        assert "[cut here] Left out:" in text
        session_id, interaction_id = session_of(text), interaction_of(text)
        first = await desk.read(session_id, interaction_id)
        count = int(re.findall(r"\[page 1 of (\d+)\]", first)[0])
        pages = [await desk.read(session_id, interaction_id, n + 1) for n in range(count)]
        assert max(map(len, pages)) <= 3000
        with pytest.raises(InvalidRequest, match=f"no page {count + 1}"):
            await desk.read(session_id, interaction_id, count + 1)
        for n in range(7):
            await desk.ask(Asked(f"Question {n}: {'?' * 300}", session_id))
        listed = await desk.read(session_id)
        assert len(listed) <= 3000
        assert re.search(r"earlier questions? left out\]", listed)
        assert "Question 6" in listed


@pytest.mark.parametrize("session_id", ["", "ses_unknown", "../x", "ses_" + "0" * 500, "\ud83d"])
async def test_there_is_no_session_but_those_that_were_begun(desks: Desks, session_id: str) -> None:
    async with desks.open() as desk:
        for call in (desk.check(session_id), desk.read(session_id)):
            with pytest.raises(InvalidRequest, match="no such session"):
                await call
        if session_id:
            with pytest.raises(InvalidRequest, match="no such session"):
                await desk.ask(Asked("q", session_id))
        known = session_of(await desk.ask(QUESTION))
        with pytest.raises(InvalidRequest, match="no such interaction"):
            await desk.read(known, "intr_x")
    assert len(desks.account.runs) == 1


def test_the_file_is_where_state_of_users_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_path() == Path("/state/langchain-parallel/mcp.sqlite")
