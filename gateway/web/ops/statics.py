"""The files that pages load: one style sheet, symbols, scripts. Browsers keep each under an address with its digest."""

import hashlib
from pathlib import Path

import falcon

from gateway.web.ops.visitors import ROOT

#: Where they are.
DIRECTORY = Path(__file__).parent / "static"
#: The types of those that are served.
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
#: Seconds for which a browser keeps a file: its address changes with its content.
KEPT_SECONDS = 365 * 86_400


class Statics:
    """The files."""

    needs_key = False

    def __init__(self) -> None:
        files = [path for path in DIRECTORY.iterdir() if path.suffix in TYPES]
        self._files = {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in files}
        self._digests = {
            name: hashlib.sha256(data).hexdigest()[:12] for name, (data, _) in self._files.items()
        }

    def url(self, name: str) -> str:
        """The address of a file, which changes with its content."""
        return f"{ROOT}/static/{name}?v={self._digests[name]}"

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        if name not in self._files:
            raise falcon.HTTPNotFound
        resp.data, resp.content_type = self._files[name]
        resp.set_header("Cache-Control", f"public, max-age={KEPT_SECONDS}, immutable")
