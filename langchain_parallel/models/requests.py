"""What a caller builds: a run to start, and its parts.

Rule: a request with a misspelt field does not build, and errors never repeat the input. What the API
documents of values (lengths, counts, known names) is checked elsewhere, just before a request is sent.

A new field of `TaskRunInput` is written here. `_core/wire.py` sends every field, and `_core/ledger/keys.py`
counts it into the ledger key; the first needs a line for a field that needs a beta header or holds a
secret, the second for one that does not change what is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, cast
from typing import Sequence as SequenceOf  # noqa: UP035 -- LangGraph reads no other on Python 3.10
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    SecretStr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from .hidden_text import HiddenText
from .refusal import Discreet
from .schema_forms import acceptable, close, schema_of

Metadata: TypeAlias = dict[str, str | int | float | bool]
"""Kept with a run or a group on the server."""


MAX_DEPTH = 100
"""Levels; pydantic and databases give up at about 250. An output schema may have 5."""


def is_too_deep(value: object) -> bool:
    """Whether a value is more than `MAX_DEPTH` levels deep: pydantic may end the process over it."""
    if not (value and isinstance(value, dict | list | tuple)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    if not any(isinstance(one, dict | list | tuple) for one in inner):
        return False
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        containers = {id(v): v for v in level if isinstance(v, dict | list | tuple)}.values()
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
        if not level:
            return False
    return True


class _RequestModel(Discreet):
    """A model that callers build. Errors never repeat the input: it may hold a secret."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        ser_json_inf_nan="constants",  # a dump that made null of a NaN would ask something else
    )

    @model_validator(mode="before")
    @classmethod
    def _not_too_deep(cls, value: Any) -> Any:
        fields = value if isinstance(value, dict) else {}
        deep = [str(name) for name, given in fields.items() if is_too_deep(given)]
        if deep:
            raise ValueError(f"{', '.join(deep)}: more than {MAX_DEPTH} levels deep")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """That of its fields: what masks secrets in a dump leaves every field what it is."""
        plain = {name: value for name, value in core_schema.items() if name != "serialization"}
        return handler(cast(CoreSchema, plain))


_MASK = "**********"
"""As pydantic shows a secret."""


def _mask_texts(value: Any) -> Any:
    """A JSON value without its texts."""
    if isinstance(value, dict):
        return {name: _mask_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mask_texts(inner) for inner in value]
    return _MASK if isinstance(value, str) else value


class Extensible(_RequestModel):
    """A part of a request that may hold more than this package knows."""

    # Nobody knows what is secret in it: no `repr` shows it, and dumps none of its texts. `wire.py` sends it.
    extra_body: dict[str, JsonValue] = Field(default_factory=dict, repr=False)
    """Fields of the API that this package does not know, sent beside the others. Nothing checks them."""

    _sent_beside: ClassVar[frozenset[str]] = frozenset()
    """Names that the object does not have, and the one that is made from it does."""

    @property
    def _parts(self) -> dict[str, Extensible]:
        """The parts of it that may hold more, too, by their names."""
        return {n: part for n, part in self.__dict__.items() if isinstance(part, Extensible)}

    @field_validator("extra_body")
    @classmethod
    def _only_unknown(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        known = sorted({*cls.model_fields, *cls._sent_beside}.intersection(given))
        if known:
            raise ValueError(
                f"{', '.join(known)}: this package knows that name; give it as its own field or option, "
                "where it is checked"
            )
        return given

    @model_serializer(mode="wrap")
    def _without_secrets(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown: dict[str, Any] = dump(self)
        if "extra_body" in shown:
            shown["extra_body"] = _mask_texts(self.extra_body)
        return shown


class JsonSchema(_RequestModel):
    """The answer is a JSON object that obeys `json_schema`, whose root is an object of at most 5 levels."""

    type: Literal["json"] = "json"
    json_schema: dict[str, JsonValue]


class TextSchema(_RequestModel):
    """The answer is text, as `description` asks for it."""

    type: Literal["text"] = "text"
    description: str | None = None


class AutoSchema(_RequestModel):
    """The API chooses the shape of the answer."""

    type: Literal["auto"] = "auto"


AnySchema: TypeAlias = Annotated[JsonSchema | TextSchema | AutoSchema, Field(discriminator="type")]
SchemaLike: TypeAlias = (
    type[Any] | UnionType | Mapping[str, Any] | str | JsonSchema | TextSchema | AutoSchema
)
"""A schema as callers may write it: a pydantic class (of version 1 or 2), a TypedDict, a dataclass, `list[…]`
or `Optional[…]` of one, a JSON schema, one of the API's envelopes (`{"type": "text", …}`), or a string that
describes a text answer. The string `"auto"` lets the API choose. A `JsonSchema` is sent as it is."""


def schema_envelope(schema: object) -> object:
    """A `SchemaLike` as one of the API's three envelopes, without keywords that the API refuses in an answer.

    Raises:
        ValueError: It is none; the error names the forms that are.
    """
    return _as_schema(schema, acceptable, lambda form: acceptable(close(schema_of(form))))


def _input_envelope(schema: object) -> object:
    return _as_schema(schema, dict, schema_of)  # of the input's schema the API refuses nothing


def _as_schema(
    schema: object,
    of_json: Callable[[Mapping[str, Any]], dict[str, Any]],
    of_class: Callable[[object], dict[str, Any]],
) -> object:
    if schema is None or isinstance(schema, JsonSchema | TextSchema | AutoSchema):
        return schema
    if isinstance(schema, str):
        return AutoSchema() if schema == "auto" else TextSchema(description=schema)
    if not isinstance(schema, Mapping):
        return JsonSchema(json_schema=of_class(schema))
    if schema.get("type") in ("text", "auto"):
        return schema
    if "json_schema" not in schema:
        return JsonSchema(json_schema=of_json(schema))
    inner = schema["json_schema"]
    if schema.get("type") == "json_schema" and isinstance(inner, Mapping) and "schema" in inner:
        schema, inner = {}, inner["schema"]  # as OpenAI writes it
    made = of_json(inner) if isinstance(inner, Mapping) else of_class(inner)
    return {**schema, "type": "json", "json_schema": made}


class TaskSpec(Extensible):
    """The shape of the answer, and of the input. Without a spec, the API chooses the shape of the answer."""

    output_schema: Annotated[AnySchema, BeforeValidator(schema_envelope)] = AutoSchema()
    input_schema: Annotated[AnySchema | None, BeforeValidator(_input_envelope)] = None

    if TYPE_CHECKING:  # a validator takes more types than the field has

        def __init__(
            self,
            *,
            output_schema: SchemaLike = ...,
            input_schema: SchemaLike | None = ...,
            extra_body: dict[str, JsonValue] = ...,
        ) -> None: ...


class SourcePolicy(Extensible):
    """The web sources that may be used. The two lists together hold at most 200 entries.

    An entry is a domain (`example.com`, with all below it), a domain and the beginning of a path
    (`docs.python.org/3`), or an ending with its dot (`.gov`). With included ones, excluded ones are ignored.
    """

    include_domains: SequenceOf[str] = ()
    exclude_domains: SequenceOf[str] = ()
    after_date: date | None = None
    """Use only content published on or after this day."""


def _host_only(url: str) -> str:
    """What a dump shows of a URL that may hold secrets; `wire.py` sends all of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


SecretUrl: TypeAlias = Annotated[str, AfterValidator(HiddenText), Field(repr=False)]


class _SecretModel(_RequestModel):
    """A model whose address, and headers if it has any, are secret: no `repr` and no dump shows them.

    A pickle holds them: a request can be handed to another process, which sends it.
    """

    url: SecretUrl

    @model_serializer(mode="wrap")
    def _without_secrets(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Also where a field's own serializer would be passed over (`serialize_as_any`)."""
        shown = _dump_fields(self, dump)
        if "url" in shown:
            shown["url"] = _host_only(self.url)
        if shown.get("headers"):
            shown["headers"] = dict.fromkeys(shown["headers"], _MASK)
        return shown


def _dump_fields(model: BaseModel, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """A model's fields. With `serialize_as_any`, pydantic before 2.11 takes the second model of a list for a
    circle: it gives it back as it is, or raises.
    """
    shown: object = None
    with suppress(ValueError):
        shown = dump(model)
    if isinstance(shown, dict):
        return shown
    return {name: getattr(model, name) for name in type(model).model_fields}


class McpServer(_SecretModel):
    """An MCP server that the run may call. Its headers and all parts of its URL are treated as secrets."""

    type: Literal["url"] = "url"
    name: str
    headers: dict[str, SecretStr] | None = Field(default=None, repr=False)
    allowed_tools: SequenceOf[str] | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            url: str,
            name: str,
            headers: Mapping[str, str | SecretStr] | None = ...,
            allowed_tools: SequenceOf[str] | None = ...,
        ) -> None: ...


class DataSources(Extensible):
    """Data connectors that the run may call beside the web, by name.

    Each successful call of one of `pay_per_use` is billed on top of the run, at its provider's price.
    """

    free: SequenceOf[str] = ()
    pay_per_use: SequenceOf[str] = ()


class TaskAdvancedSettings(Extensible):
    """Search settings. `location` is an ISO 3166-1 alpha-2 country code, such as `de`."""

    location: str | None = None
    data_sources: DataSources | None = None


class Webhook(Extensible, _SecretModel):
    """The URL to which the API posts when the run ends. Left out of `repr`: it may hold a token."""

    event_types: SequenceOf[str] = ("task_run.status",)

    @model_serializer(mode="wrap")
    def _without_secrets(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown = _dump_fields(self, dump)
        shown |= {"url": _host_only(self.url)} if "url" in shown else {}
        return shown | (
            {"extra_body": _mask_texts(self.extra_body)} if "extra_body" in shown else {}
        )


def lacks_secrets(model: McpServer | Webhook) -> bool:
    """Whether it was made of a dump, which holds none of its secrets."""
    headers = (model.headers or {}).values() if isinstance(model, McpServer) else ()
    is_masked = any(value.get_secret_value() == _MASK for value in headers)
    return is_masked or model.url == _host_only(model.url)


def has_masked_extra(part: Extensible) -> bool:
    """Whether an `extra_body` of it was made of a dump, which holds none of its texts."""
    if part.extra_body and _MASK in json.dumps(part.extra_body):
        return True
    return any(map(has_masked_extra, part._parts.values()))


class TaskRunInput(Extensible):
    """One run to start.

    Args:
        input: The question, as text or as a JSON object.
        processor: How much work goes into the answer; see `langchain_parallel.processors`.
        task_spec: Shape of the answer and of the input. None: the API chooses.
        previous_interaction_id: Continue from this interaction, with all its context.
        source_policy: Which sites may be used, and from which day on.
        mcp_servers: Servers that the run may call; at most 10.
        metadata: Kept with the run. Keys up to 16, values up to 512 characters.
        enable_events: Record progress, which cannot be switched on later. From `pro` up the API always does.
        webhook: Called when the run ends.
        advanced_settings: Country of the search, data connectors.
        memory_scope_key: Files the run in the application memory of this name. No run reads it by itself.
        extra_body: What the API knows and this package does not: sent beside the other fields. The objects
            inside a request have an `extra_body` of their own.
    """

    input: str | dict[str, JsonValue]
    processor: str
    task_spec: TaskSpec | None = None
    previous_interaction_id: str | None = None
    source_policy: SourcePolicy | None = None
    mcp_servers: SequenceOf[McpServer] = ()
    metadata: Metadata = Field(default_factory=dict)
    enable_events: bool | None = None
    webhook: Webhook | None = None
    advanced_settings: TaskAdvancedSettings | None = None
    memory_scope_key: str | None = None
