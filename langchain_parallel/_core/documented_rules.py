"""What the API's documentation says a request must be: one table.

Rule: documentation is of a day, and the API of today may take more. So a request that breaks a rule of this
table is sent, with a warning that names the rule and its date. Only what no API could take is refused
(`limits.py`), and with `strict` a broken rule, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

Shown: TypeAlias = Literal["warning", "broken_rules"]
"""How a broken rule is seen: as a `RequestWarning`; or only in `rules.broken_rules`, because the API takes
the request and says so in the run's own warnings, or because the rule is advice."""


class Rule(NamedTuple):
    """A rule for requests. `source` is where it was read, `date` when that was written."""

    name: str
    says: str
    source: str
    date: str
    shown: Shown


class BrokenRule(NamedTuple):
    """A rule that a request breaks, and how."""

    rule: Rule
    text: str

    def __str__(self) -> str:
        rule = self.rule
        return f"{self.text} Rule {rule.name} ({rule.date}, {rule.source})."


_SPEC = ("https://docs.parallel.ai/task-api/guides/specify-a-task", "2026-08")
_OPENAPI = ("https://docs.parallel.ai/public-openapi.json", "2026-08-19")
_SOURCES = ("https://docs.parallel.ai/search/source-policy", "autumn 2026")
_MCP = ("https://docs.parallel.ai/task-api/mcp-tool-call", "autumn 2026")
_ALL = ("https://docs.parallel.ai/llms-full.txt", "autumn 2026")
_PAGES = ("https://docs.parallel.ai/llms-full.txt", "2026-08")
_CHAT = ("https://docs.parallel.ai/chat-api/chat-quickstart", "2026-08")
_OURS = ("this package's own reading", "2026-11")

_TABLE: tuple[tuple[str, str, tuple[str, str], Shown], ...] = (
    ("input-size", "task spec and input: at most 25,000 characters", _SPEC, "warning"),
    ("spec-size", "task spec: at most 15,000 characters", _SPEC, "warning"),
    ("deep-input", "input for deep research (pro and up): at most 15,000 characters", _SPEC, "warning"),
    ("schema-root", "an output schema's root is an object, and no `anyOf`", _SPEC, "warning"),
    ("schema-properties", "from 1 to 100 properties, all levels together", _SPEC, "warning"),
    ("schema-depth", "at most 5 levels of objects", _SPEC, "warning"),
    ("schema-null", "`null` only beside other types", _SPEC, "warning"),
    ("schema-keyword", "none of 20 keywords, such as `format` and `minimum`", _SPEC, "warning"),
    ("schema-enums", "at most 500 enum values, all enums together", _SPEC, "warning"),
    ("schema-enum", "an enum of over 250 values: at most 7,500 characters", _SPEC, "warning"),
    ("schema-names", "names and enum values: at most 25,000 characters", _SPEC, "warning"),
    ("schema-basis", "no field that the basis has anyway, such as `sources`", _SPEC, "warning"),
    ("schema-required", "every property is required; optional is a union with `null`", _SPEC, "broken_rules"),
    ("schema-closed", "every object has `additionalProperties: false`", _SPEC, "broken_rules"),
    ("metadata-key", "metadata keys: at most 16 characters", _OPENAPI, "warning"),
    ("metadata-value", "metadata values: at most 512 characters", _OPENAPI, "warning"),
    ("memory-key", "memory_scope_key: 1 to 128 letters, digits, `_` and `-`", _OPENAPI, "warning"),
    ("memory-query", "a query for a memory: at most 500 characters", _OPENAPI, "warning"),
    ("memory-limit", "limit: at most 25 results of a memory", _OPENAPI, "warning"),
    ("memory-kind", "kind: `task`, `monitor` or `findall`", _OPENAPI, "warning"),
    ("memory-id", "id in a memory: 1 to 128 letters, digits, `_` and `-`", _OPENAPI, "warning"),
    ("webhook-events", "event_types: `task_run.status`; without it nothing comes", _OPENAPI, "warning"),
    ("group-size", "at most 1,000 runs in one request to a group", _OPENAPI, "warning"),
    ("domain-count", "at most 200 domains, included and excluded together", _SOURCES, "warning"),
    ("domain", "a domain, with or without a path, or an ending such as `.gov`", _SOURCES, "warning"),
    ("domain-excludes", "beside include_domains, exclude_domains is ignored", _SOURCES, "warning"),
    ("after-date", "after_date is documented for Search only", _SOURCES, "broken_rules"),
    ("location", "one of 37 countries, such as `us` and `gb`; others are ignored", _ALL, "warning"),
    ("mcp-count", "at most 10 MCP servers", _MCP, "warning"),
    ("mcp-names", "two MCP servers have two names, none of them a connector's", _ALL, "warning"),
    ("mcp-calls", "lite and core call at most one tool", _MCP, "broken_rules"),
    ("mcp-plain-http", "headers of an MCP server go over https only", _OURS, "warning"),
    ("connector", "a data connector is known, and in its list: free or pay_per_use", _ALL, "warning"),
    ("connector-processor", "data connectors: not with a `-fast` processor", _ALL, "warning"),
    ("chat-model", "a chat model is `speed`, `lite`, `base` or `core`", _CHAT, "warning"),
    ("chat-ignored", "no parameter that Chat ignores, such as `temperature`", _CHAT, "warning"),
    ("processor-fast", "`-fast` processors are no longer on the newest pages", _ALL, "broken_rules"),
    ("search-queries", "at most 5 search queries", _PAGES, "warning"),
    ("search-query", "a search query: at most 200 characters", _PAGES, "warning"),
    ("search-objective", "objective: at most 5,000 characters", _PAGES, "warning"),
    ("search-mode", "mode: `turbo`, `fast`, `basic` or `advanced`", _OPENAPI, "warning"),
    ("search-results", "max_results: more than 20 are cut to 20", _ALL, "warning"),
    ("search-turbo", "mode `turbo` takes no domains with a path", _ALL, "warning"),
    ("session-id", "session_id: at most 1,000 characters", _OPENAPI, "warning"),
    ("fetch-age", "max_age_seconds: at least 600", _OPENAPI, "warning"),
    ("extract-urls", "at most 20 URLs in one extraction", _OPENAPI, "warning"),
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType(
    {name: Rule(name, says, *source, shown) for name, says, source, shown in _TABLE}
)
"""Every rule by name."""


def broken(rule: str, text: str) -> BrokenRule:
    """That a request breaks the rule of this name, and how."""
    return BrokenRule(RULES[rule], text)
