"""Reconciliation: a provider's statement is uploaded, compared in the background, and shown with what to do."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import falcon

from gateway import broker
from gateway.fulfilment import deeds, reconciling
from gateway.fulfilment.statements import MAX_BYTES, Options
from gateway.fulfilment.worker import RECONCILE
from gateway.said import Said
from gateway.web.ops import filters, visitors
from gateway.web.ops.counting import read_in_time
from gateway.web.ops.desk import Page, go
from gateway.web.ops.refused import Refused
from models import provider, statement
from models.db import database
from models.db.database import Use
from models.person import Role
from models.statement import Finding, Statement, Summary

#: Statements of the list, lines that are shown of each finding, and of one that is chosen.
STATEMENTS, SHOWN, PAGE = 30, 5, 100
#: The largest number of a line.
MOST_LINE = 2**31 - 1
#: Parts of a file at most: each is as large as a form may be.
MOST_PARTS = 5_000


@dataclass(frozen=True, slots=True)
class Advice:
    """What a finding is, how it looks, and what to do about it; in English."""

    symbol: str
    word: str
    next: str


#: By finding, the gravest first.
ADVICE: Mapping[str, Advice] = {
    Finding.UNKNOWN: Advice(
        "fail",
        "They have it, we have not",
        "It was not bought by the gateway. Ask the provider who bought it.",
    ),
    Finding.TWICE: Advice(
        "fail", "Taken twice for one order", "Ask the provider for the money of the second one."
    ),
    Finding.STATE: Advice(
        "person",
        "Ended otherwise",
        "Open the order and check it once more; then decide with what the provider says.",
    ),
    Finding.COST: Advice(
        "person",
        "Another amount",
        "If their amount is right, take it as the cost; else ask for the difference.",
    ),
    Finding.MISSING: Advice(
        "wait",
        "We have it, they have not",
        "It was delivered and is not in the statement. Ask about it, or wait for the next statement.",
    ),
    Finding.OK: Advice("ok", "Agrees", "Nothing to do."),
}
#: The columns that may be named, in English.
COLUMNS = {
    "referans": "Referans",
    "number": "Provider's number",
    "player": "Player",
    "amount": "Amount",
    "currency": "Currency",
    "state": "State",
    "time": "Time",
}


class Statements(Page):
    """The last ones, and the form of a new one."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._show(req, resp)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form, pasted = req.context.form, req.context.form.get("pasted", "").strip()
        if not pasted and not form.get("name"):
            self._show(req, resp, status=409, wrong="Choose a file, or paste its lines.")
            return
        with database.session(Use.REQUEST):
            found = provider.outline(form.get("provider", ""))
            if found is None:
                raise Refused(400, Said("the form cannot be read"))
            given = {name: form.get(name, "").strip()[: filters.MOST] or None for name in COLUMNS}
            options = Options(**given, decimal=form.get("decimal") or None)
            options = options.over(reconciling.options_of(statement.remembered(found.id)))
            name, by = form.get("name") or "pasted", req.context.visitor.name
            kept = reconciling.as_kept(options)
            statement_id = statement.begin(found.id, name, by, kept, "uploading")
            if pasted:
                statement.keep_part(statement_id, 0, pasted.encode())
                statement.uploaded(statement_id, 1)
        if pasted:
            broker.wake(RECONCILE, str(statement_id))
        raise go(f"{visitors.ROOT}/reconcile/{statement_id}")

    def _show(
        self, req: falcon.Request, resp: falcon.Response, *, status: int = 200, wrong: str | None = None
    ) -> None:
        with database.session(Use.LIST):
            found = statement.newest(STATEMENTS)
            providers = sorted(provider.ids())
        self.desk.show(
            req,
            resp,
            "reconcile.html",
            status=status,
            found=found,
            providers=providers,
            wrong=wrong,
            columns=COLUMNS,
        )


class OneStatement(Page):
    """One of them: how far it is, and what was found."""

    least = Role.VIEWER
    changes = Role.OPERATOR

    def on_get(self, req: falcon.Request, resp: falcon.Response, statement_id: str) -> None:
        self._show(req, resp, _find(statement_id))

    def on_post(self, req: falcon.Request, resp: falcon.Response, statement_id: str) -> None:
        form, found = req.context.form, _find(statement_id)
        if "content" in form:
            self._keep_part(found, form, resp)
        elif "parts" in form:
            self._finish(found, form)
        else:
            self._take_costs(req, resp, found)

    def _keep_part(self, found: Statement, form: dict[str, str], resp: falcon.Response) -> None:
        part = form.get("part", "")
        try:
            content = base64.urlsafe_b64decode(form["content"] + "=" * (-len(form["content"]) % 4))
        except (binascii.Error, ValueError):
            raise Refused(400, Said("the form cannot be read")) from None
        if not part.isdecimal() or len(part) > 5 or int(part) >= MOST_PARTS:
            raise Refused(400, Said("the form cannot be read"))
        with database.session(Use.REQUEST):
            if statement.parts_bytes(found.id) + len(content) > MAX_BYTES:
                raise Refused(413, Said("the file is larger than {size} MiB", size=MAX_BYTES // 1024 // 1024))
            if not statement.keep_part(found.id, int(part), content):
                raise Refused(409, Said("this file is whole already"))
        resp.status = 204

    def _finish(self, found: Statement, form: dict[str, str]) -> None:
        parts = form["parts"]
        with database.session(Use.REQUEST):
            is_whole = parts.isdecimal() and len(parts) < 6 and statement.uploaded(found.id, int(parts))
        if not is_whole:
            raise Refused(409, Said("a part of the file is missing; upload it once more"))
        broker.wake(RECONCILE, str(found.id))
        raise go(f"{visitors.ROOT}/reconcile/{found.id}")

    def _take_costs(self, req: falcon.Request, resp: falcon.Response, found: Statement) -> None:
        reason = req.context.form.get("reason", "").strip()
        if not deeds.is_reason(reason):
            self._show(req, resp, found, status=409, wrong="Say why, in words.")
            return
        with database.session(Use.REQUEST):
            taken = statement.take_costs(found.id, req.context.visitor.name, reason)
        self._show(req, resp, found, taken=taken)

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        found: Statement,
        *,
        status: int = 200,
        wrong: str | None = None,
        taken: int | None = None,
    ) -> None:
        chosen = req.get_param("finding")
        chosen = chosen if chosen in list(Finding) else None
        after = req.get_param_as_int("after", min_value=-MOST_LINE, max_value=MOST_LINE)
        with database.session(Use.LIST), read_in_time():
            summary = statement.summary(found.id)
            counts = _counts(summary)
            lines = {
                each: statement.found(
                    found.id, Finding(each), PAGE + 1 if chosen else SHOWN, after if chosen else None
                )
                for each in counts
                if each != Finding.OK and (not chosen or each == chosen)
            }
        last = lines[chosen][PAGE - 1] if chosen and len(lines.get(chosen, ())) > PAGE else None
        self.desk.show(
            req,
            resp,
            "statement.html",
            status=status,
            statement=found,
            summary=sorted(summary, key=lambda each: list(ADVICE).index(Finding(each.finding))),
            counts=counts,
            lines={each: some[:PAGE] for each, some in lines.items()},
            chosen=chosen,
            following=last and urlencode({"finding": chosen, "after": last.line}),
            advice=ADVICE,
            differing=sum(count for each, count in counts.items() if each != Finding.OK),
            wrong=wrong,
            taken=taken,
        )


def _counts(summary: list[Summary]) -> dict[str, int]:
    """How many lines have each finding, the gravest first."""
    counts = {each: sum(one.count for one in summary if one.finding == each) for each in ADVICE}
    return {each: count for each, count in counts.items() if count}


def _find(statement_id: str) -> Statement:
    """Raises a 404."""
    with database.session(Use.REQUEST):
        found = (
            statement.find(int(statement_id)) if statement_id.isdecimal() and len(statement_id) < 19 else None
        )
    if found is None:
        raise Refused(404, Said("no statement has this number"))
    return found
