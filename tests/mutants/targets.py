"""Which modules are mutated, and the tests that are to see it: the quickest first, because one is enough."""

from __future__ import annotations

_SUBMIT = (
    "tests/core/test_latest.py",
    "tests/core/test_ledger.py",
    "tests/core/test_ledger_property.py",
    "tests/client/test_unclear_answers.py",
    "tests/client/test_submit.py",
    "tests/client/test_processes.py",
    "tests/client/test_machines.py",
)
_INTENTS = (
    "tests/tool/test_intents.py",
    "tests/faults/test_unsettled.py",
    "tests/tool/test_doubt.py",
)
_WAITING = (
    "tests/core/test_run_wait.py",
    "tests/core/test_shared_run_wait.py",
    "tests/core/test_feed.py",
    "tests/core/test_retry.py",
    "tests/client/test_waiting.py",
    "tests/client/test_streams.py",
    "tests/client/test_endings.py",
)
_APPROVAL = (
    "tests/research/test_approval.py",
    "tests/research/test_ceilings.py",
    "tests/research/test_spending.py",
    "tests/research/test_people.py",
    "tests/tool/test_limits.py",
    "tests/research/test_session_limits.py",
    "tests/middleware/test_people.py",
)
_PAID_RUN = (
    "tests/tool/test_intents.py",
    "tests/tool/test_progress.py",
    "tests/tool/test_doubt.py",
    "tests/research/test_written_down.py",
    "tests/test_refused_processor.py",
    "tests/tool/test_errors.py",
    "tests/tool/test_replay.py",
    "tests/faults/test_unsettled.py",
    "tests/research/test_gone_ledger.py",
    "tests/faults/test_late_commit.py",
    "tests/research/test_quotas.py",
)
_QUICK = (
    "tests/research/test_quick_records.py",
    "tests/research/test_quick_turns.py",
    "tests/middleware/test_quick.py",
)
_QUOTAS = ("tests/research/test_quotas.py",)
_OWNERSHIP = (
    "tests/research/test_whose_run.py",
    "tests/tool/test_whose_run.py",
    "tests/middleware/test_whose_run.py",
)
_WEBHOOKS = (
    "tests/webhooks/test_delivery_queue.py",
    "tests/webhooks/test_receive.py",
    "tests/webhooks/test_request_forms.py",
    "tests/webhooks/test_monitors.py",
    "tests/webhooks/test_endpoint.py",
)
_RECALL = (
    "tests/research/test_recollections.py",
    "tests/research/test_recall.py",
    "tests/middleware/test_recalling.py",
)

_ROWS = (
    "tests/batch/test_table.py",
    "tests/batch/test_claimed_rows.py",
    "tests/batch/test_slow_rows.py",
)

TARGETS: dict[str, tuple[str, ...]] = {
    "_core/ledger/batch_chain.py": (
        "tests/batch/test_table.py",
        "tests/batch/test_two_processes.py",
    ),
    "_core/ledger/cache.py": _SUBMIT,
    "_core/ledger/chunk.py": ("tests/client/test_submit_many.py",),
    "_core/ledger/chunk_submission.py": ("tests/client/test_submit_many.py",),
    "_core/ledger/keys.py": ("tests/core/test_keys.py", *_SUBMIT),
    "_core/ledger/leave.py": _SUBMIT,
    "_core/ledger/ledger_list.py": _SUBMIT,
    "_core/ledger/lookup.py": _SUBMIT,
    "_core/ledger/submission.py": _SUBMIT,
    "_core/ledger/identity.py": ("tests/core/test_keys.py", "tests/test_identity.py"),
    "_core/latest.py": ("tests/core/test_latest.py",),
    "_graph/intents.py": _INTENTS,
    "_graph/step_position.py": ("tests/tool/test_step_position.py", "tests/tool/test_every_way.py"),
    "_graph/session_ledger.py": (
        "tests/research/test_gone_ledger.py",
        "tests/tool/test_ledger.py",
        "tests/research/test_written_down.py",
        "tests/batch/test_in_a_step.py",
        "tests/batch/test_parked_node.py",
        "tests/races/test_kept_locks.py",
    ),
    "_graph/seals.py": ("tests/core/test_seals.py", *_INTENTS),
    "_graph/ownership.py": _OWNERSHIP,
    "_graph/quotas.py": _QUOTAS,
    "_graph/quota_accounts.py": _QUOTAS,
    "_graph/recollections.py": _RECALL,
    "_graph/earlier_sessions.py": _RECALL,
    "_graph/askers.py": (*_RECALL, "tests/research/test_quotas.py"),
    "_graph/paid_run.py": _PAID_RUN,
    "_graph/paid_submission.py": _PAID_RUN,
    "_graph/paid_chat.py": _QUICK,
    "_graph/quick_index.py": _QUICK,
    "_graph/records.py": (
        "tests/research/test_odd_checkpointers.py",
        "tests/research/test_thread_records.py",
        *_INTENTS,
    ),
    "_core/retry.py": ("tests/core/test_retry.py", "tests/client/test_faults.py"),
    "_core/chat_turn.py": ("tests/client/test_chat.py",),
    "_core/chat_request.py": ("tests/client/test_chat.py",),
    "_core/run_wait.py": _WAITING,
    "_core/event_feed.py": _WAITING,
    "_core/listed_answers.py": (
        "tests/core/test_listed_answers.py",
        "tests/core/test_group_results.py",
        "tests/core/test_group_answers.py",
    ),
    "_core/group_results.py": (
        "tests/core/test_group_results.py",
        "tests/core/test_group_answers.py",
        "tests/core/test_brisk_groups.py",
        "tests/batch/test_enricher.py",
    ),
    "research/approval.py": _APPROVAL,
    "research/spending_rules.py": _APPROVAL,
    "batch/questions.py": ("tests/batch/test_questions.py", "tests/batch/test_spending.py"),
    "batch/row_reader.py": ("tests/batch/test_row_reader.py",),
    "batch/row_sending.py": (*_ROWS, "tests/observability/test_doors.py"),
    "batch/table_flow.py": (
        *_ROWS,
        "tests/tool/test_batches.py",
        "tests/batch/test_parked_node.py",
    ),
    "batch/ticket_queue.py": ("tests/batch/test_ticket_queue.py",),
    "batch/spending.py": ("tests/batch/test_spending.py", "tests/batch/test_table.py"),
    "research/usage.py": _APPROVAL,
    "_core/limits.py": (
        "tests/core/test_limits.py",
        "tests/core/test_schema_limits.py",
        "tests/core/test_rules.py",
        "tests/client/test_invalid.py",
    ),
    "_core/request_rules.py": (
        "tests/core/test_limits.py",
        "tests/core/test_schema_limits.py",
        "tests/core/test_rules.py",
        "tests/client/test_invalid.py",
    ),
    "client/pools.py": ("tests/client/test_pools.py", "tests/client/test_total_time.py"),
    "_core/web_calls.py": ("tests/client/test_web.py",),
    "_core/web_limits.py": ("tests/core/test_rules.py", "tests/client/test_web.py"),
    "webhooks/app.py": ("tests/webhooks/test_endpoint.py", "tests/webhooks/test_monitors.py"),
    "webhooks/delivery.py": _WEBHOOKS,
    "webhooks/monitor_handler.py": ("tests/webhooks/test_monitors.py",),
    "webhooks/request_forms.py": _WEBHOOKS,
    "middleware/parents.py": ("tests/test_monitor_events.py",),
    "_core/memory_calls.py": ("tests/client/test_memory.py",),
    "webhooks/delivery_queue.py": ("tests/core/test_latest.py", *_WEBHOOKS),
    "_core/webhook_signature.py": _WEBHOOKS,
    "_core/redaction.py": ("tests/core/test_redaction.py", "tests/test_redacted_answers.py"),
    "_core/hidden.py": ("tests/core/test_redaction.py", "tests/test_secrets_in_locals.py"),
}
"""Modules of the package, and test files."""
