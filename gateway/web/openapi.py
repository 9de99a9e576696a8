"""`/openapi.json`: the table of operations and the models as an OpenAPI document.

The schemas of what comes in are of the models that validate it. Why it is written here and not by a library:
docs/decisions/0010-a-document-of-our-own.md
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import falcon
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

import gateway
from gateway import inputs
from gateway.web import answers, errors, examples, operations
from gateway.web.examples import Example
from gateway.web.operations import HEADERS, JSON, OPERATIONS, Operation, Reply, Schema
from gateway.web.problems import ProblemType

VERSION = "3.1.0"
REF = "#/components/schemas/{model}"
REFERENCE = re.compile('"#/components/schemas/([^"]+)"')
FIELD = re.compile(r"{(\w+)}")
#: In place of what the database cannot store (NUL); a lone surrogate is no text in the first place.
STORABLE_PATTERN = r"^[^\u0000]*$"
DESCRIPTION = """\
Referans takes an order, sends it to a provider once, and tells how it ends.

Send an API key as `Authorization: Bearer KEY`; the person who runs the gateway makes it with `gateway keys create`. \
Every answer has an `X-Request-ID`. Every error is `application/problem+json`; fields may be added to answers at any \
time, so ignore those that you do not know. HEAD is answered wherever GET is.

Times are UTC. What is said to people (`lastMessage`, `detail`) may change; decide by the other fields."""
TAGS = {
    "Orders": "For storefronts.",
    "Operations": "For people who run the gateway: scope `ops`.",
    "Callbacks": "For providers.",
    "Health": "For load balancers and monitoring.",
    "Documents": "About the API.",
}
#: Parameters of paths, by their name in the URL table.
PATH_PARAMETERS: dict[str, tuple[str, JsonSchemaValue]] = {
    "order_id": ("The order's `id`.", {"type": "string", "format": "uuid"}),
    "provider_id": ("The provider's id.", {"type": "string"}),
    "product_id": ("The product.", {"type": "string"}),
    "package_id": ("The package.", {"type": "string"}),
    "token": ("The secret of a provider that was added with `--callback token`.", {"type": "string"}),
    "slug": ("The last part of a problem's `type`.", {"type": "string"}),
}


class Schemas(GenerateJsonSchema):
    """Schemas without titles that repeat the names, and with what our validators ask beyond pydantic's types."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_after_schema(schema)
        return (
            made | {"pattern": STORABLE_PATTERN}
            if schema["function"]["function"] is inputs.storable
            else made
        )

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Without the docstring, which is for those who read the code."""
        return {name: one for name, one in super().enum_schema(schema).items() if name != "description"}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """What names may contain is said of them all, not as a pattern of those whose values are described."""
        made = super().dict_schema(schema)
        for pattern, values in made.pop("patternProperties", {}).items():
            made["propertyNames"] = made.get("propertyNames", {}) | {"pattern": pattern}
            made["additionalProperties"] = values
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without defaults that only say that nothing was given."""
        made = super().default_schema(schema)
        return made if made.get("default") else {name: one for name, one in made.items() if name != "default"}


class OpenApi:
    """The document."""

    needs_key = False

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._data = json.dumps(document, ensure_ascii=False).encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._data
        # For pages elsewhere that show documents; there is nothing in it that is not public.
        resp.set_header("Access-Control-Allow-Origin", "*")

    on_head = on_get


def document(prefix: str) -> dict[str, Any]:
    """The document of a gateway that serves orders below `prefix` too."""
    schemas = _schemas(OPERATIONS)
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        item = paths.setdefault(FIELD.sub(lambda found: f"{{{to_camel(found[1])}}}", operation.path), {})
        item[operation.method.lower()] = call = _operation(operation, schemas)
        if operation.method == "GET" and "head" not in item and operation.tag != "Callbacks":
            item["head"] = _without_bodies(call)
        if operation.is_prefixed:
            item["servers"] = [
                {"url": "/"},
                {"url": prefix, "description": "The same, for older storefronts."},
            ]
    made: dict[str, Any] = {
        "openapi": VERSION,
        "info": {"title": "Referans", "version": gateway.__version__, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "webhooks": {"notification": {"post": _notification()}},
        "components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}}},
    }
    used = _used(made, schemas)
    made["components"]["schemas"] = {name: one for name, one in schemas.items() if name in used}
    return made


def _used(made: Any, schemas: Mapping[str, JsonSchemaValue]) -> set[str]:
    """The names of the schemas that something refers to."""
    found: set[str] = set()
    new = set(REFERENCE.findall(json.dumps(made)))
    while new:
        found |= new
        new = {name for one in new for name in REFERENCE.findall(json.dumps(schemas[one]))} - found
    return found


def _schemas(table: Sequence[Operation]) -> dict[str, JsonSchemaValue]:
    """By name, those of every model in the table and of what they contain."""
    inputs_: set[type[BaseModel]] = {model for one in table for model in (one.body, one.query) if model}
    outputs: set[type[BaseModel]] = {
        answers.Notification,
        answers.Problem,
        *_models(one.replies.values() for one in table),
    }
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in inputs_]
    wanted += [(model, "serialization") for model in outputs]
    wanted.sort(key=lambda one: one[0].__name__)
    _, made = models_json_schema(wanted, by_alias=True, ref_template=REF, schema_generator=Schemas)
    return dict(sorted(made["$defs"].items()))


def _models(replies: Iterable[Iterable[Reply]]) -> Iterable[type[BaseModel]]:
    for reply in (one for many in replies for one in many):
        for schema in reply.content.values():
            yield from (model for model in _several(schema) if issubclass(model, BaseModel))


def _several(schema: Schema) -> tuple[type[Any], ...]:
    return schema if isinstance(schema, tuple) else (schema,)


def _operation(operation: Operation, schemas: Mapping[str, JsonSchemaValue]) -> dict[str, Any]:
    shown = examples.of(operation.id)
    made: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [*_in_path(operation), *_in_query(operation, schemas), *_in_headers(operation)],
        "security": [{"apiKey": [scope.value]} for scope in operation.scopes],
        "responses": {
            **{
                str(status): _reply(reply, [one for one in shown if one.status == status])
                for status, reply in operation.replies.items()
            },
            **_problems(operation, shown),
        },
    }
    if operation.body:
        valid = [one for one in shown if one.status not in (400, 422)]
        given = {one.name: {"summary": one.summary, "value": one.body} for one in valid}
        content = {JSON: {"schema": _reference(operation.body), "examples": given}}
        made["requestBody"] = {"required": True, "content": content}
    if operation.takes_anything:
        made["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    return {name: value for name, value in made.items() if value or name == "security"}


def _without_bodies(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The same call by HEAD."""
    responses = {
        status: {name: value for name, value in reply.items() if name != "content"}
        for status, reply in operation["responses"].items()
    }
    summary = f"{operation['summary']}: only the head of the answer"
    made = {**operation, "operationId": f"{operation['operationId']}Head", "summary": summary}
    return made | {"responses": responses}


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": to_camel(name), "in": "path", "required": True, "description": text, "schema": schema}
        for name, (text, schema) in ((name, PATH_PARAMETERS[name]) for name in FIELD.findall(operation.path))
    ]


def _in_query(operation: Operation, schemas: Mapping[str, JsonSchemaValue]) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    found = schemas[operation.query.__name__]
    made = []
    for name, schema in found["properties"].items():
        text = schema.get("description", "")
        bare = {key: value for key, value in schema.items() if key != "description"}
        one = {"name": name, "in": "query", "description": text, "schema": _not_null(bare)}
        made.append({key: value for key, value in one.items() if value})
    return made


def _not_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Of a parameter: one that has no value is left out."""
    kinds = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return (rest | kinds[0]) if len(kinds) == 1 else schema


def _in_headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "description": text, "schema": schema}
        for name, (text, schema) in operation.headers.items()
    ]


def _problems(operation: Operation, shown: Sequence[Example]) -> dict[str, Any]:
    """By status: which types of problem there are, and an example of each."""
    made = {}
    for status in sorted({one.status for one in operation.all_problems()} - operation.replies.keys()):
        kinds = [one for one in operation.all_problems() if one.status == status]
        named = {one.slug: {"summary": one.title, "value": _example(one, shown)} for one in kinds}
        text = "Types: " + ", ".join(f"`{one.slug}`" for one in kinds)
        content = {errors.MEDIA_TYPE: {"schema": _reference(answers.Problem), "examples": named}}
        made[str(status)] = {
            "description": text,
            "headers": _headers(operations.PROBLEM_HEADERS.get(status, ())),
            "content": content,
        }
    return made


def _example(kind: ProblemType, shown: Sequence[Example]) -> dict[str, Any]:
    """The operation's own, or one that says what the type means."""
    of_its_own = [
        one.answer for one in shown if one.status == kind.status and one.answer["type"] == kind.type
    ]
    usual = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": kind.meaning}
    return dict(of_its_own[0]) if of_its_own else usual


def _reply(reply: Reply, shown: Sequence[Example]) -> dict[str, Any]:
    named = {
        one.name: {"summary": one.summary, "value": one.answer} for one in shown if one.answer is not None
    }
    content = {
        media: {"schema": _schema(schema)} | ({"examples": named} if named and schema is not str else {})
        for media, schema in reply.content.items()
    }
    return {"description": reply.description, "headers": _headers(reply.headers), "content": content}


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"description": HEADERS[name], "schema": {"type": "string"}}
        for name in ("X-Request-ID", *names)
    }


def _schema(schema: Schema) -> JsonSchemaValue:
    models = _several(schema)
    if str in models:
        return {"type": "string"}
    references = [_reference(model) for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _reference(model: type[BaseModel]) -> JsonSchemaValue:
    return {"$ref": REF.format(model=model.__name__)}


def _notification() -> dict[str, Any]:
    headers = {
        "webhook-id": "The same on every try; take each id once.",
        "webhook-timestamp": "Seconds since 1970, of this try.",
        "webhook-signature": "`v1,` and a signature, for each secret of `NOTIFY_SECRET`, with blanks between.",
    }
    return {
        "operationId": "notify",
        "summary": "What the gateway sends to `notifyUrl`, or to its `NOTIFY_URL`",
        "description": (
            "Signed by Standard Webhooks. Sent at least once, those of one order in order, until any 2xx comes within"
            " 15 seconds: at once, then after 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 6 h, 12 h and 24 h. 410 ends it."
        ),
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": _reference(answers.Notification)}}},
        "responses": {"2XX": {"description": "Received."}},
    }
