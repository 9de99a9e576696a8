"""What `/openapi.json` says, held against answers."""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from falcon.testing import Result

from gateway.settings import Settings
from gateway.web import openapi
from gateway.web.errors import MEDIA_TYPE

PREFIX = str(Settings.model_fields["order_api_prefix"].default)
FIELD = re.compile(r"\\{\w+\\}")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Contract:
    """A document, in which answers may have no field that it does not name."""

    document: dict[str, Any]

    def check(self, method: str, path: str, answer: Result) -> None:
        """Raises AssertionError for an answer that is not described."""
        place = f"{method} {path} {answer.status_code}"
        assert answer.headers.get("x-request-id"), f"{place}: no X-Request-ID"
        item = self.item(path)
        media = answer.headers.get("content-type", "").partition(";")[0]
        if item is None or method.lower() not in item:
            if answer.status_code in (404, 405) and answer.content:
                self.validate({"$ref": "#/components/schemas/Problem"}, answer.json, place)
            return
        replies = item[method.lower()]["responses"]
        reply = replies.get(str(answer.status_code), replies.get("2XX") if answer.status_code < 300 else None)
        assert reply, f"{place} is not described: {answer.text[:300]}"
        if media == MEDIA_TYPE:
            self._check_problem(answer, reply, place)
        if method == "HEAD" or answer.status_code == 204:
            return
        assert media in reply["content"] or "*/*" in reply["content"], f"{place}: {media} is not described"
        if (
            media in reply["content"]
            and media.endswith("json")
            and "idempotency-replayed" not in answer.headers
        ):  # an earlier version's, perhaps
            self.validate(reply["content"][media]["schema"], answer.json, place)

    def _check_problem(self, answer: Result, reply: dict[str, Any], place: str) -> None:
        if answer.status_code in (429, 503):
            assert answer.headers.get("retry-after"), f"{place}: no Retry-After"
        if answer.content:
            slug = answer.json["type"].rpartition("/")[2]
            assert slug in reply["content"][MEDIA_TYPE]["examples"], (
                f"{place}: the type {slug} is not described"
            )

    def validate(self, schema: dict[str, Any], value: Any, what: str) -> None:
        """Raises AssertionError unless the value is what the schema says."""
        errors = [
            f"{list(one.instance_path)}: {one.message}" for one in self._validator(str(schema), schema)(value)
        ]
        assert not errors, f"{what}: {errors}"

    def item(self, path: str) -> dict[str, Any] | None:
        """What is said of a path."""
        whole = path.partition("?")[0].removesuffix("/")
        bare = whole.removeprefix(PREFIX)
        found = next((item for pattern, item in self._paths if pattern.fullmatch(bare)), None)
        return found if found and (bare == whole or "servers" in found) else None

    @functools.cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
        return [
            (re.compile(FIELD.sub("[^/]+", re.escape(path))), item)
            for path, item in self.document["paths"].items()
        ]

    @functools.cached_property
    def _validators(self) -> dict[str, Any]:
        return {}

    def _validator(self, name: str, schema: dict[str, Any]) -> Callable[[Any], Iterator[Any]]:
        if name not in self._validators:
            whole = {"$schema": DIALECT, **schema, "components": self.document["components"]}
            self._validators[name] = jsonschema_rs.validator_for(whole, validate_formats=True)
        found: Callable[[Any], Iterator[Any]] = self._validators[name].iter_errors
        return found


@functools.cache
def current() -> Contract:
    """The document of this version."""
    made = openapi.document(PREFIX)
    for schema in made["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return Contract(made)
