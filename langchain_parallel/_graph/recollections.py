"""What sessions have found, in LangGraph's store, for later sessions of the same user.

Rule: it is one record for each question of a user: bounded, without secrets, and shown with its date; it is
never an answer. Its namespace is a digest of the user and of the credentials of the runs: what one user's
token could see is not another's.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from langgraph.store.base import BaseStore
from typing_extensions import TypedDict

from .._core.calls import Calls
from .._core.payloads import storable
from .._core.plain_text import CUT_HERE, cut
from .._core.timestamps import unix_seconds
from ..evidence import Evidence
from ..options import Recall
from ..text.untrusted import compact_json
from .store import NAMESPACE, delete_item, digest, get_item, put_item, search_items

_STORED_IN = (NAMESPACE, "recollections")
_QUESTION_CHARS, _ANSWER_CHARS = 2_000, 20_000
_CITATIONS, _FIELDS = 50, 200
EARLIER = 5
"""Most earlier questions that a follow-up is told apart by."""
_SHOWN, _SEARCHED = 3, 6
_MINUTES_A_DAY, _SECONDS_A_DAY = 1_440, 86_400


class Recollection(TypedDict):
    """What an earlier session has found on a question. Its texts are the web's, and untrusted."""

    question: str
    after: list[str]
    """The questions that it followed, at most five, the nearest last. Empty for a first question."""
    answer: Any
    """Text, or a JSON object; text that ends in a mark if it is longer than 20,000 characters."""
    confidence: dict[str, str]
    unsupported_fields: list[str]
    citations: list[dict[str, Any]]
    """`number`, `url`, `title`, `fields`; at most 50."""
    found_at: str
    """RFC 3339."""
    cost_usd: float | None
    """What the runs of the question have cost: the price saved if it need not be asked again."""
    runs: int
    run_id: str
    """Of the last of them."""
    is_same_question: bool
    """True: asked in the same words, after the same questions. False: the store's index found it."""
    score: float | None
    """How alike the index finds the two questions; None for the same one."""
    age_seconds: float


_KEPT = Recollection.__annotations__.keys() - {"is_same_question", "score", "age_seconds"}


class EndedQuestion(NamedTuple):
    """A question with what was found on it."""

    question: str
    after: Sequence[str]
    """The questions before it, the nearest last."""
    evidence: Evidence
    turns: Sequence[Mapping[str, Any]]
    """Its runs, the last one last."""


@dataclass(frozen=True, slots=True)
class Recollections:
    """Those of one user, in one store."""

    store: BaseStore
    recall: Recall
    who: str
    mark: str | None = None
    """Of the credentials (`RunConfig.mark`)."""

    @property
    def namespace(self) -> tuple[str, ...]:
        """Where they are."""
        per = "function" if callable(self.recall.per) else self.recall.per
        return (*_STORED_IN, digest("\n".join([per, self.who, self.mark or ""])))

    def find(
        self, question: str, after: Sequence[str], now: float, *, beside: str = ""
    ) -> Calls[list[Recollection]]:
        """What is known on a question: asked in the same words, then what the store's index finds.

        Args:
            question: The question.
            after: The questions that it follows, the nearest last.
            now: Unix seconds.
            beside: A thread (the digest of it) whose own findings are left out.
        """
        key = _key(question, after)
        same = yield get_item(self.store, self.namespace, key)
        asked = _text_of(question, after)
        likes = yield search_items(self.store, self.namespace, query=asked, limit=_SEARCHED)
        found: list[tuple[Any, float | None]] = [] if same is None else [(same.value, None)]
        # An item has no score where the store has no index.
        scored = [item for item in likes if item.key != key and item.score is not None]
        least = self.recall.least_score
        found += [(item.value, item.score) for item in scored if item.score >= least]
        shown = [
            _recollection(kept, score, now)
            for kept, score in found
            if not _KEPT - kept.keys() and kept.get("thread") != beside
        ]
        most = math.inf if self.recall.days is None else self.recall.days * _SECONDS_A_DAY
        return [one for one in shown if one["age_seconds"] <= most][:_SHOWN]

    def put(self, ended: EndedQuestion, whose: Mapping[str, str]) -> Calls[None]:
        """Keep what was found, in the place of what was known on the same question.

        Args:
            ended: The question.
            whose: See `tenants.tags`.
        """
        days, asked = self.recall.days, _text_of(ended.question, ended.after)
        yield put_item(
            self.store,
            self.namespace,
            _key(ended.question, ended.after),
            {**_record(ended), "asked": asked, **whose},
            indexed="asked",
            minutes=None if days is None else days * _MINUTES_A_DAY,
        )

    def delete(self, question: str, after: Sequence[str]) -> Calls[bool]:
        """Delete what is known on a question, asked in the same words; whether there was anything."""
        key = _key(question, after)
        item = yield get_item(self.store, self.namespace, key)
        yield delete_item(self.store, self.namespace, key)
        return item is not None


def _record(ended: EndedQuestion) -> dict[str, Any]:
    evidence, costs = ended.evidence, [turn["cost_usd"] for turn in ended.turns]
    content = evidence["content"]
    text = content if isinstance(content, str) else compact_json(content)
    kept = {
        "question": cut(ended.question, _QUESTION_CHARS),
        "after": [cut(one, _QUESTION_CHARS) for one in ended.after],
        "answer": content if len(text) <= _ANSWER_CHARS else cut(text, _ANSWER_CHARS, CUT_HERE),
        "confidence": dict(list(evidence["confidence"].items())[:_FIELDS]),
        "unsupported_fields": evidence["unsupported_fields"][:_FIELDS],
        "citations": [_citation(one) for one in evidence["citations"][:_CITATIONS]],
        "found_at": max(turn["ended_at"] or "" for turn in ended.turns),
        "cost_usd": None if None in costs else round(sum(costs), 6),
        "runs": len(ended.turns),
        "run_id": ended.turns[-1]["run_id"],
    }
    return cast("dict[str, Any]", storable(kept)[0])


def _citation(citation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": citation["number"],
        "url": citation["url"],
        "title": citation["title"],
        "fields": citation["fields"][:_FIELDS],
    }


def _recollection(kept: Mapping[str, Any], score: float | None, now: float) -> Recollection:
    """What was kept, with its age now."""
    found = unix_seconds(kept["found_at"])
    age = max(0.0, now - (now if found is None else found))
    then = {"is_same_question": score is None, "score": score, "age_seconds": age}
    return cast(Recollection, {**{name: kept[name] for name in _KEPT}, **then})


# --- questions -----------------------------------------------------------------------------------


def earlier_questions(
    turns: Sequence[Mapping[str, Any]], parent_interaction_id: str | None
) -> list[str]:
    """The questions that one which continues this interaction follows, the nearest last. What an evaluation
    asked again belongs to the question before it. An interaction that is not among the turns stands for
    itself.
    """
    left = {turn["interaction_id"]: turn for turn in turns if turn["interaction_id"]}
    found, parent = list[str](), parent_interaction_id
    while parent is not None and len(found) < EARLIER:
        turn = left.pop(parent, None)
        if turn is None:
            found.append(parent)
            break
        if turn["asked_by"] != "evaluation":
            found.append(turn["question"])
        parent = turn["parent_interaction_id"]
    return found[::-1]


def same_words(question: str) -> str:
    """A question as it is compared: without what changes no word of it."""
    words = unicodedata.normalize("NFKC", question).casefold().split()
    return " ".join(words).rstrip(" .!?…。！？؟")


def _text_of(question: str, after: Sequence[str]) -> str:
    """What is compared by meaning."""
    return "\n".join(cut(one, _QUESTION_CHARS) for one in (*after, question))


def _key(question: str, after: Sequence[str]) -> str:
    return digest("\n".join(map(same_words, (*after[-EARLIER:], question))))
