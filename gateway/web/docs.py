"""`/docs`: the document as a page, and a page for each type of problem. They load nothing, and run no script."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import falcon

from gateway.web import problems
from gateway.web.errors import Problem
from gateway.web.problems import ProblemType

STYLE = (Path(__file__).parent / "static" / "docs.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
#: Nothing may be loaded, sent or embedded; the style is known by its hash.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CODE = re.compile(r"`([^`]+)`")
LAST_SEGMENT = re.compile(r"[^/]+$")

Schema = Mapping[str, Any]


class Page:
    """The page of the whole document."""

    needs_key = False

    def __init__(self, document: Schema) -> None:
        self._data = page(str(document["info"]["title"]), "".join(_body(document)))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        send(resp, self._data)

    on_head = on_get


class ProblemPage:
    """What a type of problem means, and what to do about it."""

    needs_key = False

    def __init__(self) -> None:
        self._pages = {slug: page(kind.title, _of_problem(kind)) for slug, kind in problems.CATALOGUE.items()}

    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        if slug not in self._pages:
            raise Problem(problems.NOT_FOUND, "no type of problem has this name; `/docs` lists them")
        send(resp, self._pages[slug])

    on_head = on_get


def send(resp: falcon.Response, data: bytes) -> None:
    """Answer with a page of ours."""
    resp.content_type = "text/html; charset=utf-8"
    resp.set_headers(
        {
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    resp.data = data


def page(title: str, body: str) -> bytes:
    """A page with this body."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f'<body><a class="skip" href="#content">To the content</a><main id="content">{body}</main></body></html>'
    ).encode()


def _of_problem(kind: ProblemType) -> str:
    return (
        f"<h1>{_inline(kind.title)}</h1><p class='quiet'><code>{kind.type}</code>, status {kind.status}</p>"
        f"<h2>What it means</h2>{_text(kind.meaning)}<h2>What to do</h2>{_text(kind.cure)}"
        "<p><a href='../../docs'>All of the API</a></p>"
    )


def _body(document: Schema) -> Iterator[str]:
    info, schemas = document["info"], document["components"]["schemas"]
    calls = [
        (path, method, one)
        for path, item in document["paths"].items()
        for method, one in item.items()
        if isinstance(one, dict) and not one["operationId"].endswith("Head")
    ]
    yield f"<h1>{escape(info['title'])} API</h1><p class='quiet'>Version {escape(info['version'])}, as "
    yield "<a href='openapi.json'>OpenAPI document</a></p>"
    yield _text(info["description"])
    yield "<nav aria-label='Contents'>"
    for tag in document["tags"]:
        yield f"<p><a href='#{tag['name']}'>{tag['name']}</a></p><ul>"
        named = [one for _, _, one in calls if tag["name"] in one["tags"]]
        yield "".join(
            f"<li><a href='#{one['operationId']}'>{_inline(one['summary'])}</a></li>" for one in named
        )
        yield "</ul>"
    yield "<p><a href='#notify'>Notifications</a></p><p><a href='#schemas'>Schemas</a></p>"
    yield "<p><a href='#problems'>Types of problems</a></p></nav>"
    for tag in document["tags"]:
        yield f"<h2 id='{tag['name']}'>{tag['name']}</h2>{_text(tag['description'])}"
        for path, method, one in calls:
            if tag["name"] in one["tags"]:
                yield from _call(f"{method.upper()} {path}", one, document["paths"][path].get("servers", []))
    yield "<h2>Notifications</h2>"
    yield from _call("POST to the storefront", document["webhooks"]["notification"]["post"], [])
    yield "<h2 id='schemas'>Schemas</h2>"
    for name, schema in schemas.items():
        yield f"<article><h3 id='schema-{name}'>{name}</h3>{_text(schema.get('description', ''))}{_fields(schema)}"
        yield f"<p>One of: {_words(schema['enum'])}</p></article>" if "enum" in schema else "</article>"
    yield "<h2 id='problems'>Types of problems</h2><dl>"
    for kind in problems.CATALOGUE.values():
        yield f"<dt><a href='docs/problems/{kind.slug}'>{escape(kind.slug)}</a> {kind.status}</dt>"
        yield f"<dd>{_inline(kind.meaning)}</dd>"
    yield "</dl>"


def _call(line: str, one: Schema, servers: list[Schema]) -> Iterator[str]:
    yield f"<article><h3 id='{one['operationId']}'>{_inline(one['summary'])}</h3>"
    yield f"<p class='call'><code>{escape(line)}</code></p>"
    yield _text(one.get("description", ""))
    if scopes := [scope for way in one.get("security", []) for scope in way["apiKey"]]:
        yield f"<p>Needs a key with the scope {' or '.join(f'<code>{scope}</code>' for scope in scopes)}.</p>"
    if others := [server["url"] for server in servers if server["url"] != "/"]:
        yield f"<p class='quiet'>Also below {_words(others)}.</p>"
    if one.get("parameters"):
        yield "<h4>Parameters</h4><dl>" + "".join(map(_parameter, one["parameters"])) + "</dl>"
    if "requestBody" in one:
        yield "<h4>Body</h4>" + "".join(_content(one["requestBody"]["content"]))
    yield "<h4>Answers</h4><dl>"
    for status, reply in one["responses"].items():
        yield f"<dt><code>{status}</code> {_inline(reply['description'])}</dt><dd>"
        yield from _content(reply.get("content", {}))
        yield "</dd>"
    yield "</dl></article>"


def _parameter(one: Schema) -> str:
    needed = "" if one.get("required") else ", optional"
    head = f"<dt><code>{escape(one['name'])}</code> <span class='quiet'>in {one['in']}{needed}</span> "
    return f"{head}{_kind(one['schema'])}</dt><dd>{_inline(one.get('description', ''))}</dd>"


def _content(content: Schema) -> Iterator[str]:
    for media, one in content.items():
        yield f"<p><code>{escape(media)}</code> {_kind(one['schema'])}</p>"
        for shown in one.get("examples", {}).values():
            text = escape(json.dumps(shown["value"], ensure_ascii=False, indent=2))
            yield f"<details><summary>{_inline(shown['summary'])}</summary><pre tabindex='0'>{text}</pre></details>"


def _fields(schema: Schema) -> str:
    needed = schema.get("required", [])
    return "".join(
        f"<dl><dt><code>{escape(name)}</code> <span class='quiet'>{'' if name in needed else 'optional'}</span> "
        f"{_kind(one)}</dt><dd>{_inline(one.get('description', ''))}</dd></dl>"
        for name, one in schema.get("properties", {}).items()
    )


def _kind(schema: Schema) -> str:
    """The type in words, with a link to what it refers to."""
    if "$ref" in schema:
        name = LAST_SEGMENT.findall(schema["$ref"])[0]
        return f"<a href='#schema-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if "const" in schema or "enum" in schema:
        return _words(schema.get("enum", [schema.get("const")]))
    bounds = {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minimum": "from {}",
    }
    bounds |= {"maximum": "to {}", "default": "{} if it is not given"}
    said = [text.format(schema[name]) for name, text in bounds.items() if name in schema]
    return escape(", ".join([str(schema.get("format") or schema.get("type") or "anything"), *said]))


def _words(words: list[str]) -> str:
    return ", ".join(f"<code>{escape(str(word))}</code>" for word in words)


def _text(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part)


def _inline(text: str) -> str:
    return CODE.sub(r"<code>\1</code>", escape(text))
