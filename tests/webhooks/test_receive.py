"""A delivery is Parallel's and names a run, or it is rejected; it can do nothing else."""

from __future__ import annotations

import base64
import json
import math
import pickle
import re
from contextlib import suppress
from datetime import datetime, timezone
from traceback import walk_tb
from typing import Any

import httpx
import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from langchain_parallel.errors import InvalidRequest, ParallelError
from langchain_parallel.simulator import ManualClock, Simulator, SimulatorTransport
from langchain_parallel.webhooks import WebhookDelivery, WebhookRejected, receive

from .deliveries import NOW, SECRET, body_of, headers

BODY = body_of("trun_1")
OLD, NEW = "whsec_old-and-no-base64", "another secret of it"


def rejected(headers: Any, body: Any = BODY, **options: Any) -> str:
    """Why it was turned away."""
    with pytest.raises(WebhookRejected) as caught:
        receive(headers, body, **{"secrets": [SECRET], "now": NOW, **options})
    assert SECRET not in str(caught.value)
    return caught.value.reason


def test_a_genuine_delivery_tells_its_run() -> None:
    found = receive(headers(BODY), BODY, secrets=[SECRET], now=NOW)
    assert found == WebhookDelivery("whevent_1", "trun_1")


def test_header_names_count_in_any_case_and_as_pairs() -> None:
    given = {name.title(): value for name, value in headers(BODY).items()}
    assert receive(given, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"
    assert receive(list(given.items()), BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("key", [OLD.encode(), NEW.encode()])
def test_while_a_secret_is_changed_either_will_do(key: bytes) -> None:
    assert receive(headers(BODY, key), BODY, secrets=[OLD, NEW], now=NOW).run_id == "trun_1"


def test_one_right_signature_among_wrong_ones_will_do() -> None:
    several = headers(BODY, b"of another account", SECRET.encode())
    several["webhook-signature"] = "v2,abc= junk " + several["webhook-signature"]
    assert receive(several, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize(("wrong", "genuine"), [(19, True), (20, False)])
def test_no_more_than_twenty_signatures_are_compared(wrong: int, genuine: bool) -> None:
    """Each costs an HMAC's comparison, and anybody can send thousands."""
    signed = headers(BODY)
    signed["webhook-signature"] = "v1,abc= " * wrong + signed["webhook-signature"]
    if genuine:
        assert receive(signed, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"
    else:
        assert rejected(signed) == "signature"


def test_what_the_reference_library_signs_is_genuine() -> None:
    moment = datetime.fromtimestamp(NOW, timezone.utc)
    sign = standardwebhooks.Webhook(SECRET).sign
    signed = {**headers(BODY), "webhook-signature": sign("whevent_1", moment, BODY.decode())}
    assert receive(signed, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("scheme", ["standard", "legacy", "both"])
def test_a_delivery_by_either_scheme_is_genuine(scheme: Any) -> None:
    simulator = Simulator(ManualClock(start=NOW), webhook_scheme=scheme)
    webhook = {"url": "https://hook.example", "event_types": ["task_run.status"]}
    with httpx.Client(transport=SimulatorTransport(simulator), base_url="http://s") as http:
        body = {"input": "q", "processor": "lite", "webhook": webhook}
        run = http.post("/v1/tasks/runs", json=body, headers={"x-api-key": "k"}).json()
    simulator.clock.sleep(100)
    [sent] = simulator.due_webhooks()
    found = receive(sent.headers, sent.body, secrets=[SECRET], now=NOW + 100)
    assert found.run_id == run["run_id"]


def test_what_a_secret_is_the_base64_of_signs_too() -> None:
    key = b"\x00\xff thirty-two bytes of randomness!"
    padded = "whsec_" + base64.b64encode(key).decode()
    for secret in (padded, padded.rstrip("=")):
        for signer in (key, secret.encode()):
            found = receive(headers(BODY, signer), BODY, secrets=[SecretStr(secret)], now=NOW)
            assert found.run_id == "trun_1"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_====", "x" * 15, "whsec_fifteen-bytes-x"])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    for several in ([secret], [SECRET, secret], [SecretStr(secret)]):
        with pytest.raises(InvalidRequest, match="16 bytes") as caught:
            receive(headers(BODY, secret.encode()), BODY, secrets=several, now=NOW)
        assert secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"


@pytest.mark.parametrize("text", ["=" * 16, "AAAA" + "=" * 12])
def test_what_decodes_to_nearly_nothing_lets_no_short_key_sign(text: str) -> None:
    assert rejected(headers(BODY, b""), secrets=[f"whsec_{text}"]) == "signature"
    assert rejected(headers(BODY, b"\0\0\0"), secrets=[f"whsec_{text}"]) == "signature"


@pytest.mark.parametrize(("size", "genuine"), [(11, False), (12, True)])
def test_the_shortest_key_that_base64_may_stand_for_has_twelve_bytes(
    size: int, genuine: bool
) -> None:
    key = b"k" * size
    secret = "whsec_" + base64.b64encode(key).decode()
    if genuine:
        assert receive(headers(BODY, key), BODY, secrets=[secret], now=NOW).run_id == "trun_1"
    else:
        assert rejected(headers(BODY, key), secrets=[secret]) == "signature"


def test_what_is_not_quite_base64_is_not_decoded() -> None:
    """Its decoder would skip what it does not know."""
    key = b"a key of 24 random bytes"
    secret = "whsec_" + base64.b64encode(key).decode() + "!!!!"
    assert rejected(headers(BODY, key), secrets=[secret]) == "signature"
    signed = headers(BODY, secret.encode())
    assert receive(signed, BODY, secrets=[secret], now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""], ["  "], [SecretStr("")], ""])
def test_without_a_secret_nothing_is_received(secrets: Any) -> None:
    with pytest.raises(InvalidRequest, match="secret"):
        receive(headers(BODY, b""), BODY, secrets=secrets, now=NOW)


@pytest.mark.parametrize("secrets", [None, [None], [SECRET, 7], 7])
def test_a_secret_that_is_no_text_is_refused_by_its_kind(secrets: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"secret is (a NoneType|an int); give it as text"):
        receive(headers(BODY), BODY, secrets=secrets, now=NOW)


@pytest.mark.parametrize("several", [False, True])
def test_a_secret_of_bytes_is_one_too_and_no_frame_shows_it(several: bool) -> None:
    secret: Any = [SECRET.encode()] if several else SECRET.encode()
    assert receive(headers(BODY), BODY, secrets=secret, now=NOW).run_id == "trun_1"
    with pytest.raises(WebhookRejected) as caught:
        receive(headers(BODY, b"w"), BODY, secrets=secret, now=NOW)
    frames = [frame.f_locals for frame, _ in walk_tb(caught.value.__traceback__)][1:]
    assert frames
    assert SECRET not in repr(frames)


def test_a_single_secret_is_not_taken_apart() -> None:
    assert rejected(headers(BODY, b"w"), secrets=SECRET) == "signature"
    assert receive(headers(BODY), BODY, secrets=SECRET, now=NOW).run_id == "trun_1"


@pytest.mark.parametrize("part", ["id", "timestamp", "body"])
def test_each_part_is_signed(part: str) -> None:
    signed, body = headers(BODY), BODY
    if part == "id":
        signed["webhook-id"] = "whevent_2"
    elif part == "timestamp":
        signed["webhook-timestamp"] = str(NOW + 1)
    else:
        body = body_of("trun_2")
    assert rejected(signed, body) == "signature"


def test_a_part_of_the_body_does_not_pass_for_one_of_the_id() -> None:
    body = b"{x." + f"{NOW}.".encode() + BODY
    genuine = headers(body)
    moved = {**genuine, "webhook-id": f"whevent_1.{NOW}." + "{x"}
    assert rejected(moved, BODY) == "malformed"


@pytest.mark.parametrize(("away", "late"), [(300, False), (-300, False), (301, True), (-301, True)])
def test_a_delivery_counts_for_five_minutes_either_way(away: int, late: bool) -> None:
    signed = headers(BODY, timestamp=NOW + away)
    if late:
        assert rejected(signed) == "timestamp"
    else:
        assert receive(signed, BODY, secrets=[SECRET], now=NOW).run_id == "trun_1"
    wide = receive(signed, BODY, secrets=[SECRET], now=NOW, tolerance=1_000)
    assert wide.run_id == "trun_1"


@pytest.mark.parametrize("options", [{"now": math.nan}, {"tolerance": math.nan}])
def test_a_time_that_is_no_number_lets_nothing_in(options: Any) -> None:
    assert rejected(headers(BODY), **options) == "timestamp"


@pytest.mark.parametrize("options", [{"now": "1"}, {"tolerance": None}, {"tolerance": "300"}])
def test_a_time_of_another_type_is_the_callers_mistake(options: Any) -> None:
    with pytest.raises(InvalidRequest, match="give seconds"):
        receive(headers(BODY), BODY, **{"secrets": [SECRET], "now": NOW, **options})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "\N{SNOWMAN}", "\ud800", "a b\n", b"bytes", 7])
def test_a_missing_or_malformed_header_is_distinguished_from_a_wrong_signature(
    name: str, value: Any
) -> None:
    broken: dict[str, Any] = headers(BODY)
    if value is None:
        del broken[name]
    else:
        broken[name] = value
    is_text = not isinstance(value, str) or (value or "").isascii()
    is_id = (name, value) == ("webhook-id", b"bytes")  # bytes are as good as text
    can_be_signed = is_id or (name == "webhook-signature" and is_text)
    expected = "signature" if can_be_signed else "malformed"
    assert rejected(broken) == expected


@pytest.mark.parametrize("moment", ["-1", "1e9", "1.5", "٣", "+1", " 1", "1_0", "9" * 13, "1\n"])
def test_a_timestamp_is_whole_seconds(moment: str) -> None:
    assert rejected(headers(BODY, timestamp=moment)) == "malformed"


DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (DEEP, "malformed"),
        (b"9" * 10_000, "malformed"),
        (b"[]", "no_run"),
        (b"null", "no_run"),
        (b'{"data": []}', "no_run"),
        (b'{"type": "task_group.status", "data": {"taskgroup_id": "tgrp_1"}}', "no_run"),
        (body_of(None), "no_run"),
        (body_of(7), "no_run"),
        (body_of(""), "no_run"),
        (body_of("../groups/x"), "no_run"),
        (body_of("trun_1\n"), "no_run"),
        (body_of("x" * 129), "no_run"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else value,
)
def test_a_signed_body_that_names_no_run(body: bytes, reason: str) -> None:
    if body[:1] == b"9":
        reason = rejected(headers(body), body)  # older Pythons read the number
        assert reason in ("malformed", "no_run")
    assert rejected(headers(body), body) == reason


def test_an_event_of_an_unknown_type_still_names_its_run() -> None:
    body = body_of("trun_1").replace(b"task_run.status", b"task_run.telepathy")
    assert receive(headers(body), body, secrets=[SECRET], now=NOW).run_id == "trun_1"


def test_a_rejection_survives_pickling() -> None:
    error = WebhookRejected("No.", reason="no_run")
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, str(again)) == ("no_run", str(error))
    assert isinstance(again, ParallelError)


names = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Id"])
anything = st.one_of(
    st.text(st.characters(), max_size=40),
    st.text(st.characters(categories=["Cs", "Nd", "Zs"]), max_size=10),
    st.integers(0, 10**13).map(str),
    st.builds(lambda text: f"v1,{text}", st.text(max_size=50)),
)


@given(
    given=st.dictionaries(st.one_of(names, st.text(max_size=20)), anything),
    body=st.binary(max_size=200),
    secret=st.text(st.characters(), min_size=1).map(lambda text: f"{text}{'x' * 22}"),
    now=st.floats(),
)
def test_whatever_comes_unsigned_is_turned_away(
    given: dict[str, str], body: bytes, secret: str, now: float
) -> None:
    with pytest.raises(WebhookRejected):
        receive(given, body, secrets=[secret], now=now)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.just("trun_1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "run_id", "type", "x"]), inner)
    ),
    max_leaves=8,
)


@given(body=st.one_of(st.binary(max_size=100), json_values.map(dumped)))
def test_whatever_comes_signed_is_a_run_or_is_turned_away(body: bytes) -> None:
    with suppress(WebhookRejected):
        found = receive(headers(body), body, secrets=[SECRET], now=NOW)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", found.run_id)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_single_bit_changed_in_the_body_is_noticed(place: int, bit: int) -> None:
    changed = bytearray(BODY)
    changed[place % len(changed)] ^= 1 << bit
    assert rejected(headers(BODY), bytes(changed)) == "signature"
