"""What a row asks, and the key under which its run is found again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from langchain_parallel._core.ledger.keys import ROW_ID, ledger_key
from langchain_parallel.batch.questions import Questioner, RowTicket
from langchain_parallel.errors import InvalidRequest
from langchain_parallel.models import TaskRunInput

TEMPLATE = TaskRunInput(input="?", processor="lite", metadata={"team": "a"})


def questioner(question: Any = "Who runs {company}?", **options: Any) -> Questioner:
    return Questioner(question, TEMPLATE, **options)


def asked(question: Any, row: dict[str, Any], **options: Any) -> Any:
    """What is sent for a row; its error where nothing can be."""
    ticket = questioner(question, **options).ticket(7, row)
    assert (ticket.request is None) is (ticket.error is not None)
    return str(ticket.error) if ticket.request is None else ticket.request.input


def tickets(*rows: dict[str, Any], **options: Any) -> list[RowTicket]:
    """The tickets of the rows of one table."""
    one = questioner(**options)
    return [one.ticket(number, row) for number, row in enumerate(rows)]


# --- what is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "row", "sent"),
    [
        (
            "Who runs {company} in {{{country}}}?",
            {"company": "A", "country": 5},
            "Who runs A in {5}?",
        ),
        ("company", {"company": "Who?"}, "Who?"),
        ("company", {"company": 5}, "5"),
        ("company", {"company": {"name": "A"}}, {"name": "A"}),
        (["company", "country"], {"company": "A", "more": 1}, {"company": "A", "country": None}),
        (lambda row: row["company"].upper(), {"company": "a"}, "A"),
        (lambda _: {"a": {"b": 0}}, {}, {"a": {"b": 0}}),
        (lambda _: False, {}, "False"),
    ],
)
def test_a_question_is_a_template_a_column_several_or_a_function(
    question: Any, row: dict[str, Any], sent: Any
) -> None:
    assert asked(question, row) == sent


@pytest.mark.parametrize(
    ("question", "row", "error"),
    [
        (
            "{company} in {country} {x}?",
            {"country": " ", "x": 1},
            "company, country of this row is empty",
        ),
        ("{company}?", {"company": {"a": ""}}, "company of this row is empty"),
        ("company", {}, "The question of this row is empty"),
        ("company", {"company": "\n "}, "The question of this row is empty"),
        (
            ["company", "country"],
            {"company": "", "country": None},
            "The question of this row is empty",
        ),
        (lambda _: {}, {}, "The question of this row is empty"),
        (lambda _: {"a": {"b": "", "c": None}}, {}, "The question of this row is empty"),
        (lambda row: row["x"], {}, "The function for the question failed: KeyError"),
    ],
)
def test_an_empty_question_is_not_sent(question: Any, row: dict[str, Any], error: str) -> None:
    assert error in asked(question, row)


async def _ask() -> str:
    return "Who?"


class _Later:
    """What can be awaited, and is no coroutine."""

    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("awaitable", [_ask, _Later])
def test_a_function_that_is_to_be_awaited_asks_nothing(awaitable: Callable[[], Any]) -> None:
    made = awaitable()
    assert "is asynchronous; give a plain one" in asked(lambda _: made, {})
    if inspect.iscoroutine(made):
        assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED


@pytest.mark.parametrize("question", ["{a!r}?", "{a:>5}?", "{a", [], ["a", 5], ()])
def test_what_is_no_question_is_refused_at_once(question: Any) -> None:
    with pytest.raises(InvalidRequest, match="question is"):
        questioner(question)


def test_a_text_after_the_last_column_may_have_any_signs() -> None:
    assert asked("{company}: why? 5:5!", {"company": "A"}) == "A: why? 5:5!"


@pytest.mark.parametrize(
    ("question", "options", "missing"),
    [
        ("{company} {boss} {boss}?", {}, "no column boss;"),
        ("company", {"row_id": "id", "continue_from": "before"}, "no column id, before;"),
        (["company", "boss"], {}, "no column boss;"),
        (lambda _: "?", {"row_id": "id"}, "no column id;"),
    ],
)
def test_the_columns_that_are_named_must_be_there(
    question: Any, options: dict[str, str], missing: str
) -> None:
    row = {"company": "A", "country": "B"}
    with pytest.raises(InvalidRequest, match=missing) as caught:
        questioner(question, **options).check_columns(row)
    assert "there are company, country." in str(caught.value)
    with pytest.raises(InvalidRequest, match=r"there are none\."):
        questioner(lambda _: "?", row_id="id").check_columns({})
    questioner("{company} {country}?", row_id="company", continue_from="country").check_columns(row)
    questioner("company").check_columns(row)
    questioner(["company", "country"]).check_columns(row)
    questioner(lambda _: "?").check_columns(row)


def test_a_text_without_a_column_would_ask_the_same_in_every_row() -> None:
    with pytest.raises(InvalidRequest, match="every row would ask the same"):
        questioner("Who runs it?").check_columns({"company": "A"})


def test_a_request_has_what_the_template_has_and_which_row_it_is() -> None:
    [ticket] = tickets(
        {"company": "A", "id": "x" * 500, "before": 5}, row_id="id", continue_from="before"
    )
    assert ticket.request is not None
    assert ticket.request.metadata == {"team": "a", ROW_ID: "x" * 500}
    assert (ticket.request.processor, ticket.request.previous_interaction_id) == ("lite", "5")
    assert (ticket.number, ticket.size) == (0, len("Who runs A?"))
    [ticket] = tickets({"company": "A"})
    assert ticket.request is not None
    assert ticket.request.previous_interaction_id is None
    assert (ticket.row_id, ticket.request.metadata[ROW_ID]) == ("0", "0")


@pytest.mark.parametrize("before", [None, "", " "])
def test_a_row_without_what_it_continues_is_not_sent(before: Any) -> None:
    row = {"company": "A", "before": before}
    [ticket] = tickets(row, continue_from="before")
    assert "before of this row is empty: there is nothing to continue" in str(ticket.error)
    assert (ticket.request, ticket.key, ticket.size) == (None, "", 0)


def test_a_request_that_may_not_be_sent_is_the_error_of_its_row() -> None:
    def check(request: TaskRunInput) -> None:
        raise InvalidRequest([f"not {request.input}"])

    [ticket] = tickets({"company": "A"}, check=check)
    assert "not Who runs A?" in str(ticket.error)
    assert ticket.request is None


# --- its key -------------------------------------------------------------------------------------


def key_of(ticket: RowTicket, position: str, identity: str | None = None) -> str:
    assert ticket.request is not None
    return ledger_key(ticket.request, position=position, identity=identity)


def test_the_same_question_is_another_run_each_time_whatever_stands_between() -> None:
    """These positions stay as they are: another one would be paid for again."""
    names = ["A", "B", "A", "A", "B"]
    found = tickets(*({"company": name} for name in names), identity="me")
    positions = ["row", "row", "row, 2th", "row, 3th", "row, 2th"]
    assert [one.key for one in found] == [
        key_of(one, position, "me") for one, position in zip(found, positions, strict=True)
    ]
    assert len({one.key for one in found}) == 5
    again = tickets(*({"company": name} for name in [*names[::-1], "C"]), identity="me")
    assert {one.key for one in found} < {one.key for one in again}


def test_the_id_is_the_position_of_a_row() -> None:
    rows = [{"id": nth, "company": "A"} for nth in (5, "b ", 0)]
    found = tickets(*rows, row_id="id", identity="me")
    assert [one.row_id for one in found] == ["5", "b ", "0"]
    assert [one.key for one in found] == [
        key_of(one, position, "me")
        for one, position in zip(found, ("row 5", "row b ", "row 0"), strict=True)
    ]


def test_an_id_that_stands_in_an_earlier_row_is_an_error_of_the_later_one() -> None:
    rows = [{"id": 1, "company": name} for name in ("", "A", "B")]
    empty, first, second = tickets(*rows, row_id="id")
    assert not empty.is_repeated
    assert (first.error, first.is_repeated) == (None, False)
    assert second.is_repeated
    assert "The id '1' stands in an earlier row, too." in str(second.error)
    assert (second.request, second.key) == (None, "")


@pytest.mark.parametrize(
    ("row_id", "is_fit"), [("x" * 500, True), ("x" * 501, False), (" ", False), (None, False)]
)
def test_an_id_has_up_to_500_characters(row_id: Any, is_fit: bool) -> None:
    [ticket] = tickets({"id": row_id, "company": "A"}, row_id="id")
    assert (ticket.error is None) is is_fit
    assert is_fit or "A row's id has 1 to 500 characters." in str(ticket.error)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Who runs {}?", "{} names no column"),
        ('Answer {company} as {"ceo": "…"}', "without a format. Write {{ for a brace"),
    ],
)
def test_a_template_that_names_no_column_is_refused_in_plain_words(
    question: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        questioner(question).check_columns({"company": "A"})
    assert said in str(refused.value)
