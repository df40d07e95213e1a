"""What the developer's `Limits` allow in one session, and who may allow more.

Rule: the door's `Limits` are a ceiling. What comes with input or from an edited state only lowers it. What a
person has allowed (a run to start, limits that were raised) bears a seal over the session's ledger, so it is
believed only as this package wrote it. Who may allow it is asked of the config of the call that answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar, cast

from langchain_core.runnables import RunnableConfig

from .._core.calls import Calls
from .._graph.earlier_sessions import find_known
from .._graph.quotas import QuotaUse
from .._graph.recollections import Recollection, earlier_questions
from .._graph.run_config import RunConfig
from .._graph.runtime import asking_user, came_through_server, user_permissions
from .._session_options import LIMIT_NAMES, PERMISSION, check_session_limits
from ..errors import InvalidRequest
from ..options import Limits, SessionLimits
from .state import Turn

TurnT = TypeVar("TurnT", bound=Turn)
_REVIEWED = ("question", "processor", "parent_interaction_id", "output_schema", "source_policy")
_SEAL = "seal"
_Allowed: TypeAlias = Literal["cleared", "approved", "approved beyond limits"]


@dataclass(frozen=True, slots=True)
class SpendingRules:
    """The rules of one session.

    Attributes:
        door: Whose limits they are.
        ledger_id: The session's ledger.
        config: LangChain's config of the step.
        given: The limits in the session's state.
        quotas: What is used of the door's quotas, as it was read at the beginning of the step.
        known: What earlier sessions have found, by question and the interaction that it continues.
    """

    door: RunConfig
    ledger_id: str
    config: RunnableConfig
    given: SessionLimits | None = None
    quotas: Sequence[QuotaUse] = ()
    known: Mapping[tuple[str, str | None], Sequence[Recollection]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what are no limits: not all that a step is given has come through a channel.

        Raises:
            InvalidRequest: `given` are none.
        """
        check_session_limits({} if self.given is None else self.given, may_have_seal=True)

    # --- what was allowed ---

    def clear(self, turn: TurnT) -> TurnT:
        """The turn, cleared to start as it is."""
        kept = {name: turn[name] for name in turn if name not in ("on_hold", "no_credit")}  # type: ignore[literal-required]
        return cast(TurnT, {**kept, "cleared": self._seal("cleared", turn)})

    def is_cleared(self, turn: Turn) -> bool:
        """Whether the turn is what was cleared."""
        return self._holds(turn.get("cleared"), "cleared", turn)

    def approve(self, turn: TurnT, *, passes_limits: bool) -> TurnT:
        """The turn, approved by a person as it is; also beyond the limits, if that person may raise them."""
        what: _Allowed = "approved beyond limits" if passes_limits else "approved"
        return cast(TurnT, {**turn, "approved": self._seal(what, turn)})

    def is_approved(self, turn: Turn) -> bool:
        """Whether a person has approved the turn as it is."""
        seal = turn.get("approved")
        return self.may_pass_limits(turn) or self._holds(seal, "approved", turn)

    def may_pass_limits(self, turn: Turn) -> bool:
        """Whether a person who may raise the limits has approved the turn as it is."""
        return self._holds(turn.get("approved"), "approved beyond limits", turn)

    def _seal(self, what: _Allowed, turn: Turn) -> str:
        return self.door.clients.seals.of(what, *self._parts(turn))

    def _holds(self, seal: object, what: _Allowed, turn: Turn) -> bool:
        return self.door.clients.seals.holds(seal, what, *self._parts(turn))

    def _parts(self, turn: Turn) -> list[Any]:
        # With its position: what was allowed once is not sent again at another point of the session.
        position = str(turn.get("ledger_position", turn["position"]))
        return [self.ledger_id, position, *(turn.get(name) for name in _REVIEWED)]

    # --- limits ---

    @property
    def limits(self) -> SessionLimits:
        """The limits that hold: the door's, as far as the state does not lower them, or as a person who may
        has set them.
        """
        own, given = _values(self.door.limits.for_session()), _values(self.given)
        if self._is_sealed():
            return cast(SessionLimits, {**own, **given})
        lower = {n: min(value, own.get(n, value)) for n, value in given.items()}
        return cast(SessionLimits, {**own, **lower})

    @property
    def ceiling(self) -> SessionLimits:
        """What the door's limits, or a person who may raise them, allow at the most. The limits that hold may
        be lower, for a caller may lower them.
        """
        own, now = _values(self.door.limits.for_session()), _values(self.limits)
        return cast(SessionLimits, {name: max(own[name], now[name]) for name in own})

    def seal_limits(self, limits: SessionLimits) -> SessionLimits:
        """Limits as a person has set them, as they go into the state: sealed if they raise the door's."""
        values, own = _values(limits), _values(self.door.limits.for_session())
        if all(value <= own.get(name, value) for name, value in values.items()):
            return cast(SessionLimits, values)
        return cast(SessionLimits, {**values, _SEAL: self._seal_of(values)})

    def raised_by_caller(self) -> dict[str, float]:
        """Which of the given limits are above the door's own, though nobody who may has raised them."""
        own = _values(self.door.limits.for_session())
        if self._is_sealed():
            return {}
        return {n: value for n, value in _values(self.given).items() if value > own.get(n, value)}

    def _is_sealed(self) -> bool:
        given: Any = self.given or {}
        seals = self.door.clients.seals
        return _SEAL in given and seals.holds(
            given[_SEAL], "limits", self.ledger_id, _numbers(_values(given))
        )

    def _seal_of(self, values: dict[str, float]) -> str:
        return self.door.clients.seals.of("limits", self.ledger_id, _numbers(values))

    # --- people ---

    @property
    def can_be_raised(self) -> bool:
        """Whether any person may raise the ceiling: behind a server only `approvers`, for there a yes may
        come from whoever has asked.
        """
        return self.door.limits.approvers is not None or not came_through_server(self.config)

    def with_quotas(self) -> Calls[SpendingRules]:
        """These, with what is used of the quotas now."""
        limits = self.door.limits
        if not limits.quotas:
            return self
        return replace(self, quotas=(yield from self.door.quotas.read_use(limits, self.config)))

    def with_known(self, planned: Iterable[Turn], ended: Sequence[Turn]) -> Calls[SpendingRules]:
        """These, with what earlier sessions have found on the planned questions, where that is configured."""
        if self.door.options.recall is None:
            return self
        known = dict(self.known)
        for turn in planned:
            if turn["asked_by"] == "evaluation":  # it asks what this session lacks
                continue
            question, parent = turn["question"], turn["parent_interaction_id"]
            after = earlier_questions(ended, parent)
            known[question, parent] = yield from find_known(self.door, self.config, question, after)
        return replace(self, known=known)

    def known_on(self, turn: Turn) -> Sequence[Recollection]:
        """What earlier sessions have found on a turn's question."""
        return self.known.get((turn["question"], turn["parent_interaction_id"]), ())


def may_approve(limits: Limits, config: RunnableConfig) -> bool:
    """Whether the caller of this step may answer what is asked about money.

    Raises:
        InvalidRequest: The function `approvers` returned neither True nor False.
    """
    approvers = limits.approvers
    if approvers is None:
        return True
    if callable(approvers):
        said: object = approvers(config)
        if not isinstance(said, bool):
            raise InvalidRequest(
                [f"`approvers` returned {type(said).__name__}; it must return True or False."],
                hint="It is a plain function of the config. Nothing was sent.",
            )
        return said
    user = asking_user(config)
    permissions = {f"{PERMISSION}{name}" for name in user_permissions(config)}
    # A user who is called like a permission has none by that.
    by_name = user is not None and not user.startswith(PERMISSION) and user in approvers
    return by_name or bool(permissions & set(approvers))


def _values(limits: SessionLimits | None) -> dict[str, float]:
    given = cast("dict[str, float]", limits or {})
    return {name: given[name] for name in LIMIT_NAMES if name in given}


def _numbers(values: dict[str, float]) -> dict[str, float]:
    """As a checkpoint may change them: 1 and 1.0 are one limit."""
    return {name: float(value) for name, value in values.items()}
