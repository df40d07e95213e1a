"""The survivors that stay, each with its reason.

A survivor is named by its module, and the changed lines before and after. `python -m tests.mutants` says
which of these names no mutant has any more.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str, str], str] = {
    (
        "_core/latest.py",
        "super().__init__()",
        "pass",
    ): "An OrderedDict is one without it; a class that begins otherwise would look wrong.",
    (
        "_core/ledger/identity.py",
        "_REMEMBERED = 2_000",
        "_REMEMBERED = 2001",
    ): "A number that is tuned: what is forgotten is calculated again.",
    (
        "_core/ledger/submission.py",
        'if lookup == "once" and was_empty_at is not None:',
        "if (was_empty_at is not None):",
    ): "Who looks until settled looks longer than leave lasts; without a look it lasts for ever.",
    (
        "_core/ledger/submission.py",
        "if (yield from now()) > leave.ends_at:",
        "if ((yield from now()) >= leave.ends_at):",
    ): "One instant of leave to send more or less, of 2.5 s.",
    (
        "_core/ledger/submission.py",
        "if is_ours or pending.looked_at + leave.moments > leave.since:",
        "if is_ours or (pending.looked_at + leave.moments >= leave.since):",
    ): "One instant for which a look counts as recent.",
    (
        "_core/group_results.py",
        "request = wire.result(run_id, seconds=1.0)",
        "request = wire.result(run_id, seconds=2.0)",
    ): "A number that is tuned: how long a run that goes on after all is waited for.",
    (
        "_core/group_results.py",
        "self._interactions.pop(run_id, None)",
        "pass",
    ): "It frees memory: what it holds is not read any more.",
    (
        "_core/group_results.py",
        "error.__traceback__ = None",
        "pass",
    ): "It frees memory: what the traceback holds is not read.",
    (
        "_core/group_results.py",
        "is_brisk = time < self.began + _BRISK",
        "is_brisk = (time <= self.began + _BRISK)",
    ): "One instant of four seconds.",
    (
        "_core/group_results.py",
        "is_nearly_all = left * passed < _NEARLY * len(self.ended)",
        "is_nearly_all = (left * passed <= _NEARLY * len(self.ended))",
    ): "One instant for which a reading is put off.",
    (
        "_core/group_results.py",
        "return due + 2 * _NEARLY if is_nearly_all else due",
        "return due + 3 * _NEARLY if is_nearly_all else due",
    ): "A number that is tuned: all have ended long before.",
    (
        "_core/group_results.py",
        "if isinstance(effect, ReadChunk) and isinstance(outcome, NoResponse) and time >= ends:",
        "if (isinstance(effect, ReadChunk) and time >= ends):",
    ): "An event of that very instant is told again by the stream that is begun anew.",
    (
        "_core/group_results.py",
        "if isinstance(effect, ReadChunk) and isinstance(outcome, NoResponse) and time >= ends:",
        "if isinstance(effect, ReadChunk) and isinstance(outcome, NoResponse) and (time > ends):",
    ): "A stream that was silent to the last instant is begun anew either way.",
    (
        "_core/group_results.py",
        "return # the reading was cut short, and is begun anew",
        "pass # the reading was cut short, and is begun anew",
    ): "Where the time is over, the loop ends, too.",
    (
        "_core/group_results.py",
        "if self._following is None or self._following.silence < silence / 2:",
        "if self._following is None or (self._following.silence <= silence / 2):",
    ): "A number that is tuned: a stream that is silent for half as long will do.",
    (
        "_core/group_results.py",
        "if self._following is None or self._following.silence < silence / 2:",
        "if self._following is None or self._following.silence < silence / 3:",
    ): "A number that is tuned: a stream that is silent for a third as long will do.",
    (
        "batch/row_sending.py",
        "_QUOTA_PAUSE = 20.0",
        "_QUOTA_PAUSE = 40.0",
    ): "A number that is tuned: what was turned away is free, and sent later.",
    (
        "batch/row_sending.py",
        "if new and self.stopped is None and not self.chain.is_settled:",
        "if (new and self.stopped is None):",
    ): "What is settled is not settled again; it saves a second look at each row.",
    (
        "batch/row_sending.py",
        "chunk.cache.forget_index(group_id)",
        "pass",
    ): "It frees memory: the batch goes on in another group.",
    (
        "_graph/session_ledger.py",
        "RUNS_PER_LEDGER = 200",
        "RUNS_PER_LEDGER = 201",
    ): "A number that is tuned: how many runs a look reads.",
    (
        "batch/table_flow.py",
        "_SLICE, _LEAST_SLICE = 10.0, 1.0",
        "_SLICE, _LEAST_SLICE = 20.0, 1.0",
    ): "A number that is tuned.",
    (
        "batch/ticket_queue.py",
        "GATHERING = 0.5",
        "GATHERING = 1.0",
    ): "A number that is tuned.",
    (
        "batch/ticket_queue.py",
        "most_chars: int = 4_000_000",
        "most_chars: int = 4000001",
    ): "A number that is tuned.",
    (
        "batch/ticket_queue.py",
        "is_partial: bool = False",
        "is_partial: bool = True",
    ): "It is read only after rows were taken, which sets it.",
    (
        "client/pools.py",
        "if count <= 0:",
        "if (count < 0):",
    ): "Of none that are too many, none is taken.",
    (
        "client/pools.py",
        "return (path,) # httpx says what is wrong",
        "return None # httpx says what is wrong",
    ): "Two paths that are not there are as good as one.",
    (
        "_core/ledger/leave.py",
        "_SHORTEST = 0.05",
        "_SHORTEST = 0.1",
    ): "It holds only where the settling time is below 1.5 s, as in tests.",
    (
        "_graph/recollections.py",
        "_SHOWN, _SEARCHED = 3, 6",
        "_SHOWN, _SEARCHED = 3, 7",
    ): "A number that is tuned: how many are searched for, of which three are shown.",
    (
        "_graph/earlier_sessions.py",
        "return []",
        "return None",
    ): "Without the option it is not called, which only a type checker cannot know.",
    (
        "_core/redaction.py",
        "continue",
        "pass",
    ): "What is not in the text is replaced nowhere: it saves time.",
    (
        "_core/redaction.py",
        "return json.dumps(text, ensure_ascii=False)[1:-1]",
        "return json.dumps(text, ensure_ascii=False)[2:-1]",
    ): "Where a part is found, the whole is looked for; it only takes longer.",
    (
        "_core/redaction.py",
        "return json.dumps(text, ensure_ascii=False)[1:-1]",
        "return json.dumps(text, ensure_ascii=False)[1:-2]",
    ): "Where a part is found, the whole is looked for; it only takes longer.",
    (
        "_core/retry.py",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 32))",
        "return min(self.longest, self.initial * 2.0 ** min(attempt - 1, 33))",
    ): "After 32 doublings every pause is the longest.",
    (
        "_core/run_wait.py",
        "next_stream: float = 0.0",
        "next_stream: float = 1.0",
    ): "It is read only after an empty stream, which sets it.",
    (
        "_core/run_wait.py",
        "if unread is None and waiting.run is not None and waiting.run.active:",
        "if (unread is None and waiting.run.active):",
    ): "A status that was read is there; the type checker does not know it.",
    (
        "_core/run_wait.py",
        "if waiting.run is not None and waiting.run.active:",
        "if (waiting.run.active):",
    ): "A status that was read is there; the type checker does not know it.",
    (
        "_graph/quota_accounts.py",
        'sheet["settled"] = round(sheet["settled"] + (usd or 0.0), 6)',
        'sheet["settled"] = round(sheet["settled"] + (usd or 0.0), 7)',
    ): "Prices are in tenths of a cent: both remove the error of a sum of floats, and nothing else.",
    (
        "_graph/quota_accounts.py",
        'where["configurable"]["checkpoint_id"] = RECORD_ID',
        "pass",
    ): "Without an id the latest checkpoint of the place is read; there is one.",
    (
        "_graph/quotas.py",
        "_CENTS = 1e-9",
        "_CENTS = 2e-09",
    ): "Both are far below a cent, and far above the error of a sum of floats.",
    ("_graph/quotas.py", "_PAUSE = 0.05", "_PAUSE = 0.1"): "A pause of a length that is as good.",
    (
        "_graph/quotas.py",
        "return cls(quota, who, first, (first + timedelta(days=31)).replace(day=1))",
        "return cls(quota, who, first, (first + timedelta(days=32)).replace(day=1))",
    ): "32 days after the first of a month it is the next month, too.",
    (
        "_graph/quotas.py",
        "if unknown := sorted({n for n, p in zip(processors, prices, strict=True) if p is None}):",
        "if unknown := sorted({n for n, p in zip(processors, prices, strict=False) if p is None}):",
    ): "The prices are made of the processors one by one.",
    (
        "_graph/quotas.py",
        "more = sum(price or 0.0 for price in prices)",
        "more = sum((price) for price in prices)",
    ): "No price is None here; the type checker does not know it.",
    (
        "_graph/quotas.py",
        "more = sum(price or 0.0 for price in prices)",
        "more = sum(price or 1.0 for price in prices)",
    ): "No price is None or 0 here.",
    (
        "_graph/quotas.py",
        'if use["used_usd"] + use["reserved_usd"] + more <= use["max_cost_usd"] + _CENTS:',
        "if (use['used_usd'] + use['reserved_usd'] + more < use['max_cost_usd'] + _CENTS):",
    ): "It differs where a sum is a billionth of a dollar too much, and exactly that.",
    (
        "_graph/quotas.py",
        'if known is None or not known["accounts"] or known["settled"]:',
        "if (known is None or known['settled']):",
    ): "A run that is in no account changes none.",
    (
        "_graph/quotas.py",
        "pairs = zip(limits.quotas, whose, strict=True)",
        "pairs = zip(limits.quotas, whose, strict=False)",
    ): "There is one who pays for each quota.",
    (
        "_graph/step_position.py",
        "_REMEMBERED = 1_000",
        "_REMEMBERED = 1001",
    ): "A number that is tuned.",
    (
        "_graph/step_position.py",
        'if found is None or earlier is None or earlier.checkpoint["id"] != before:',
        "if (earlier is None or earlier.checkpoint['id'] != before):",
    ): "What is not found has none before it; the type checker does not know it.",
    ("_graph/records.py", "REMEMBERED = 1_000", "REMEMBERED = 1001"): "A number that is tuned.",
    (
        "_graph/records.py",
        "where = _place(config, name, id=True)",
        "where = _place(config, name, id=False)",
    ): "Without an id the latest checkpoint of the place is read; there is one.",
    (
        "_graph/records.py",
        'metadata: Any = {"source": "update", "step": -1, "parents": {}}',
        'metadata: Any = {"source": "update", "step": -2, "parents": {}}',
    ): "No graph has such a namespace, so nothing reads the step.",
    (
        "_graph/records.py",
        "self._written.clear()",
        "pass",
    ): "It frees memory: what it holds is not read any more.",
    (
        "research/approval.py",
        "if not why and is_about(shown, turn):",
        "if (is_about(shown, turn)):",
    ): "The turn waits for the same person, with the reasons that this person has seen.",
    (
        "research/approval.py",
        "for before, turn in zip(on_hold.turns, decided, strict=True):",
        "for before, turn in zip(on_hold.turns, decided, strict=False):",
    ): "Each turn on hold has been decided.",
    (
        "research/approval.py",
        "if turn in kept and not is_same_request(before, turn):",
        "if (not is_same_request(before, turn)):",
    ): "What a person has declined asks what it asked before.",
    (
        "research/approval.py",
        'pairs = zip(plan.turns, answer["decisions"], strict=True)',
        'pairs = zip(plan.turns, answer["decisions"], strict=False)',
    ): "That there is a decision for each turn was checked with the answer.",
    (
        "research/approval.py",
        "if not given and changed == limits:",
        "if (changed == limits):",
    ): "Limits that a person gives as they are change nothing.",
    (
        "research/usage.py",
        "CENTS = 1e-9",
        "CENTS = 2e-09",
    ): "Both are far below a cent, and far above the error of a sum of floats.",
    (
        "research/usage.py",
        "seconds=round(seconds + max(map(_longest, planned), default=0.0), 3),",
        "seconds=round(seconds + max(map(_longest, planned), default=0.0), 4),",
    ): "Both are in milliseconds before they are added.",
    (
        "research/usage.py",
        'if after["cost_usd"] > dollars + CENTS:',
        "if (after['cost_usd'] >= dollars + CENTS):",
    ): "It differs where a sum is a billionth of a dollar too much, and exactly that.",
    (
        "research/usage.py",
        "return usd(floor(dollars * 1e6 + 1e-3) / 1e6)",
        "return usd(floor(dollars * 1e6 + 0.002) / 1e6)",
    ): "Both are far below a millionth of a dollar, and above the error of a product of floats.",
    (
        "webhooks/app.py",
        "if length.isascii() and length.isdigit() and int(length[:18]) > max_body:",
        "if length.isascii() and length.isdigit() and int(length[:19]) > max_body:",
    ): "A body of 10^17 bytes is too large either way.",
}
