"""Signing in and out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from gateway import log
from gateway.said import Said
from gateway.web import addresses
from gateway.web.errors import Problem
from gateway.web.ops import aside, visitors
from gateway.web.ops.desk import Desk, Page, go
from gateway.web.ops.refused import Refused
from models import person, sign_in
from models.api_key import Scope
from models.db import database
from models.db.database import Use
from models.person import MOST_PASSWORD, Role

logger = log.get(__name__)

#: Passwords of one process that wait to be looked at, of one address and in all; each takes about 30 ms. More are told
#: to come again, so that a flood of them makes no other sign-in wait for all of it.
MOST_OF_ADDRESS, MOST_WAITING = 5, 100
#: What is wrong with a sign-in; the same for a name that does not exist and for a wrong password.
WRONG = "The name or the password is wrong."
WRONG_KEY = "The key is not valid, or is not for this page."


class Login(Page):
    """The form, for a person with name and password or for a key."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: By address, how many passwords wait to be looked at.
        self._waiting: Counter[str] = Counter()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.desk.show(req, resp, "login.html", wrong=None, name="", next=req.get_param("next") or "")

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = visitors.read_form(req)
        found = (
            self._key(req, form["key"].strip()) if form.get("key", "").strip() else self._person(req, form)
        )
        if isinstance(found, str):
            # Counted only now: what is right is never refused for the failures of others at the same address.
            logger.warning("A sign-in was refused.", action="sign_in_refused", address=self._address(req))
            self.desk.web_limits.failure_from(req)
            values = {"wrong": found, "name": form.get("name", ""), "next": form.get("next", "")}
            self.desk.show(req, resp, "login.html", status=401, **values)
            return
        with database.session(Use.REQUEST):
            token = sign_in.begin(
                self._address(req),
                req.user_agent or "",
                **found,
            )
        public_url = self.desk.settings.public_url
        visitors.keep_cookie(req, resp, visitors.COOKIE, token, sign_in.LONGEST_SECONDS, public_url)
        logger.info("A sign-in has begun.", action="sign_in", **found)
        resp.status = falcon.HTTP_303
        resp.location = visitors.safe_next(form.get("next"))

    def _address(self, req: falcon.Request) -> str:
        return addresses.client_address(req, self.desk.settings.trusted_proxies)

    def _person(self, req: falcon.Request, form: dict[str, str]) -> dict[str, int] | str:
        """Whose sign-in it is, or what is wrong."""
        name, password = form.get("name", "").strip(), form.get("password", "")[:MOST_PASSWORD]
        with database.session(Use.REQUEST):
            stored = person.hash_of(name)
        person_id, known = stored or (0, None)
        with self._turn(addresses.client_network(req, self.desk.settings.trusted_proxies)):
            is_right = aside.run(lambda: person.is_password(password, known))
        return {"person_id": person_id} if is_right else WRONG

    @contextmanager
    def _turn(self, network: str) -> Iterator[None]:
        """Raises a 503 while too many wait for theirs."""
        if self._waiting[network] >= MOST_OF_ADDRESS or self._waiting.total() >= MOST_WAITING:
            raise Refused(503, Said("too many are signing in at this moment; try again in a few seconds"))
        self._waiting[network] += 1
        try:
            yield
        finally:
            self._waiting -= Counter([network])

    def _key(self, req: falcon.Request, presented: str) -> dict[str, int] | str:
        """A key of a tenant is refused: the pages are about all of them."""
        try:
            found = self.desk.keys.find(req, presented)
        except Problem:
            return WRONG_KEY
        if Scope.OPS not in found.scopes or found.tenant_id is not None:
            return WRONG_KEY
        return {"key_id": found.id}


class Logout(Page):
    """The end of this sign-in."""

    least = Role.VIEWER

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        with database.session(Use.REQUEST):
            sign_in.end(req.context.visitor.sign_in_id)
        resp.unset_cookie(visitors.COOKIE, path=visitors.ROOT)
        resp.status = falcon.HTTP_303
        resp.location = visitors.LOGIN


class Account(Page):
    """Who is signed in where. Each ends their own; an admin those of others, too."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        visitor = req.context.visitor
        with database.session(Use.LIST):
            listed = sign_in.every()
        mine = [each for each in listed if self._is_own(visitor, each)]
        others = [each for each in listed if each not in mine] if visitor.may(Role.ADMIN) else []
        self.desk.show(req, resp, "account.html", mine=mine, others=others)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        visitor, form = req.context.visitor, req.context.form
        number = form.get("id", "")
        with database.session(Use.REQUEST):
            chosen = [each for each in sign_in.every() if str(each.id) == number]
            if chosen and (self._is_own(visitor, chosen[0]) or visitor.may(Role.ADMIN)):
                sign_in.end(chosen[0].id)
                logger.info(
                    "A person has ended a sign-in.",
                    action="sign_in_ended",
                    of=chosen[0].name,
                    by=visitor.name,
                )
        raise go(f"{visitors.ROOT}/account")

    @staticmethod
    def _is_own(visitor: visitors.Visitor, listed: sign_in.Listed) -> bool:
        if visitor.person_id is None:
            return listed.id == visitor.sign_in_id
        return listed.person_id == visitor.person_id
