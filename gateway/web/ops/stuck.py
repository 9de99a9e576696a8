"""Orders that need a person, by kind: why, and what to do about all of them."""

import falcon

from gateway.web.ops import sentences
from gateway.web.ops.desk import Page
from models import bulk, stuck
from models.db import database
from models.db.database import Use
from models.person import Role
from models.status import Attention

#: Orders that are shown of each kind; the longest waiting ones.
SHOWN = 5


class Stuck(Page):
    """Every kind, also those without an order."""

    least = Role.VIEWER

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        limits = self.desk.limits
        with database.session(Use.LIST):
            kinds = stuck.summary(limits)
            orders = stuck.longest(limits, SHOWN)
            running = bulk.running()
        quiet = [kind for kind in Attention if kind not in {each.kind for each in kinds}]
        self.desk.show(
            req,
            resp,
            "stuck.html",
            kinds=kinds,
            orders=orders,
            quiet=quiet,
            running=running,
            advice=sentences.advice,
            total=sum(each.count for each in kinds),
            oldest=min((each.oldest for each in kinds), default=None),
        )
