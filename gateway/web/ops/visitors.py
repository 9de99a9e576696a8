"""Who visits the ops page: the cookie of a sign-in, what its person may do, and forms that only our pages can send."""

import hmac
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import falcon

from gateway import log
from gateway.inputs import is_storable
from gateway.said import Said
from gateway.web import bodies
from gateway.web.ops.refused import Refused
from models import sign_in
from models.api_key import Scope
from models.bulk import ANYONE, Whose
from models.db import database
from models.db.database import Use
from models.person import Role

#: The cookie that holds the token of a sign-in.
COOKIE = "referans_ops"
#: The beginning of every path of the ops page.
ROOT = "/ops"
LOGIN = f"{ROOT}/login"
#: The field of every form that shows that one of our pages has sent it.
FORM_TOKEN = "csrf"  # noqa: S105 - the name of a field
#: Hosts of this machine, where there is no https.
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?")
#: What is said of a form without its token, or with that of another sign-in.
STALE_FORM = Said(
    "this form is not of your sign-in any more; go back, load the page again, and send it once more"
)
#: Fields of a form at most.
MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in."""

    sign_in_id: int
    #: The person's name, or the key's: it stands on timelines.
    name: str
    role: Role
    may_read_codes: bool
    #: None for a key.
    person_id: int | None
    form_token: str
    #: Whose actions on many are theirs.
    whose: Whose = ANYONE

    def may(self, role: Role) -> bool:
        """Whether they may do what this role may."""
        return self.role.includes(role)


def visitor_of(req: falcon.Request) -> Visitor | None:
    """Who sends the request; takes a connection for a moment."""
    token = cookie(req, COOKIE)
    if not token:
        return None
    with database.session(Use.REQUEST):
        found = sign_in.find(token)
    if found is None:
        return None
    log.bind(caller=found.name)
    if found.role is not None:
        role = Role(found.role)
        reads = role.includes(Role.OPERATOR)
    else:
        role, reads = Role.OPERATOR, Scope.PINS_READ in (found.scopes or ())
    whose = Whose(found.person_id, found.key_id)
    return Visitor(found.id, found.name, role, reads, found.person_id, sign_in.form_token(token), whose)


def cookie(req: falcon.Request, name: str) -> str | None:
    """The value of a cookie."""
    values = req.get_cookie_values(name)
    return values[0] if values else None


class Door:
    """For every page: lets in who is signed in, and takes forms only from our own pages.

    These are at the host that the browser named, or at PUBLIC_URL. A page has the attribute `least`: the role that its
    visitors must have. What changes something needs `changes`.
    """

    def __init__(self, public_url: str) -> None:
        self._public_host = urlsplit(public_url).netloc.lower()

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        if not is_page(req.path) or not hasattr(resource, f"on_{req.method.lower()}"):
            return
        _refuse_unstorable(req)
        if req.method == "POST":
            self._refuse_other_sites(req)
        least: Role | None = getattr(resource, "least", None)
        if least is None:
            return
        visitor = visitor_of(req)
        if visitor is None:
            came_from = f"?next={quote(req.relative_uri)}" if req.method == "GET" else ""
            raise falcon.HTTPSeeOther(LOGIN + came_from)
        req.context.visitor = visitor
        if req.method == "POST":
            req.context.form = read_form(req)
            if not _is_own_form(req.context.form, visitor):
                raise Refused(403, STALE_FORM)
            least = getattr(resource, "changes", least)
        if not visitor.may(least):
            raise Refused(
                403,
                Said(
                    "this is for the role {least}; you are signed in as {role}",
                    least=least,
                    role=visitor.role,
                ),
            )

    def _refuse_other_sites(self, req: falcon.Request) -> None:
        """Raises a 403 for a form that a page of another site sends. Programs send neither header."""
        origin = (req.get_header("Origin") or "").lower()
        is_ours = not origin or origin.partition("://")[2] in (req.netloc.lower(), self._public_host)
        if not is_ours or req.get_header("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise Refused(403, Said("this form came from another site"))

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        if is_page(req.path):
            for name, value in HEADERS.items():
                resp.set_header(name, value)


#: Of every page: nothing from another host, no script or style within a page, in no frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _refuse_unstorable(req: falcon.Request) -> None:
    """Raises a 400 for an address that names what no database can hold."""
    values = [
        value for given in req.params.values() for value in (given if isinstance(given, list) else [given])
    ]
    if not all(is_storable(text) for text in (req.path, *req.params, *values)):
        raise Refused(400, Said("the address contains an invalid character (NUL or a lone surrogate)"))


def _is_own_form(form: dict[str, str], visitor: Visitor) -> bool:
    return hmac.compare_digest(form.get(FORM_TOKEN, "").encode(), visitor.form_token.encode())


def is_page(path: str) -> bool:
    """Whether the path is one of the ops page."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def read_form(req: falcon.Request) -> dict[str, str]:
    """The fields of a form; of several of one name the last. Raises a 400, 413 or 415."""
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, Said("send a form: Content-Type: application/x-www-form-urlencoded"))
    try:
        text = bodies.read(req).decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Refused(400, Said("the form cannot be read")) from None
    if not is_storable(text) or not all(is_storable(value) for _, value in fields):
        raise Refused(400, Said("the form contains an invalid character (NUL or a lone surrogate)"))
    return dict(fields)


def keep_cookie(
    req: falcon.Request, resp: falcon.Response, name: str, value: str, seconds: int, public_url: str
) -> None:
    """Set a cookie for the ops page, which no script and no other site's form sees.

    Secure, but on this machine where PUBLIC_URL is not https: a proxy may call us at localhost and not say by what it
    was called itself.
    """
    resp.set_cookie(
        name,
        value,
        max_age=seconds,
        path=ROOT,
        http_only=True,
        same_site="Lax",
        secure=public_url.startswith("https:") or not is_plain_loopback(req),
    )


def is_plain_loopback(req: falcon.Request) -> bool:
    """Whether the browser talks to this machine itself, without https."""
    return LOOPBACK.fullmatch(req.netloc.lower()) is not None and req.forwarded_scheme == "http"


def safe_next(path: str | None) -> str:
    """Where to go after signing in: a page of ours, whatever the address said."""
    if path is None or not is_page(path.partition("?")[0]) or path.startswith(LOGIN):
        return ROOT
    return path if path.isascii() and path.isprintable() and "\\" not in path else ROOT
