"""Whom the story talks to: the HTTP API, the providers' door, the command line. All that they say is kept."""

import base64
import contextlib
import hashlib
import hmac
import io
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import requests

from gateway.__main__ import main
from tests.acceptance.canaries.search import Text

#: Seconds for an answer; while the database is away the gateway waits a little.
PATIENCE_SECONDS = 20


@dataclass(slots=True)
class Said:
    """Everything that was said to anyone, in order."""

    texts: list[Text] = field(default_factory=list)

    def add(self, place: str, content: str) -> None:
        self.texts.append(Text(place, content))


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls over HTTP; `who` names them in what was said."""

    said: Said
    url: str
    who: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Call, and keep the whole answer. A body that is not bytes goes as JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body, ensure_ascii=False).encode()
        answer = requests.request(
            method,
            f"{self.url}{path}",
            data=content,
            headers={"Content-Type": "application/json", **self.headers, **named},
            timeout=PATIENCE_SECONDS,
            allow_redirects=False,
        )
        shown = "\n".join([str(answer.status_code), *map(": ".join, answer.headers.items()), answer.text])
        self.said.add(f"answer to {self.who}: {method}", shown)
        return answer


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


def command(said: Said, environ: Mapping[str, str], *arguments: str, stdin: str = "") -> Finished:
    """Run `gateway …` within this process, and keep what it prints, a traceback too."""
    out, err = io.StringIO(), io.StringIO()
    content = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with (
        patch.dict("os.environ", environ),
        patch.object(sys, "argv", ["gateway", *arguments]),
        patch.object(sys, "stdin", content),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = _exit_code()
    said.add(f"gateway {' '.join(arguments)}", f"{out.getvalue()}\n{err.getvalue()}")
    return Finished(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:
        traceback.print_exc()  # as Python does
        return 1
    return 0


def hmac_of(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
