"""What the official package has and this one does not: importing it says where it is."""

from __future__ import annotations

ABSENT = {
    "FindAllEventType": "FindAll",
    "FindAllExcludeEntry": "FindAll",
    "FindAllMatchCondition": "FindAll",
    "FindAllWebhook": "FindAll",
    "MonitorEventType": "monitors",
    "MonitorWebhook": "monitors",
    "ParallelFindAllInput": "FindAll",
    "ParallelFindAllTool": "FindAll",
    "ParallelMonitor": "monitors",
}
"""By name: what it belongs to."""


def missing(module: str, name: str) -> Exception:
    """The error of a name that `module` does not have."""
    if name not in ABSENT:
        return AttributeError(f"module {module!r} has no attribute {name!r}")
    return ImportError(
        f"{name} is not in this package, without {ABSENT[name]}. It is in the official package of "
        "the same name: pip install 'langchain-parallel<1', into an environment of its own, because both are "
        "imported as langchain_parallel. The official SDK, parallel-web, can be used beside this package.",
        name=module,
    )
