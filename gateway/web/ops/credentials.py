"""New credentials for a provider, by an admin: typed in, stored sealed, and never shown again."""

import falcon

from gateway import log
from gateway.callbacks import rotation
from gateway.callbacks.rotation import Rotation
from gateway.callbacks.verifiers import verifier_of
from gateway.fulfilment import deeds
from gateway.providers import kinds
from gateway.said import Said, said_by
from gateway.web.ops import visitors
from gateway.web.ops.desk import Page, go
from gateway.web.ops.provider import Made, find, show
from models import provider, provider_health
from models.db import database, sealed
from models.db.database import Use
from models.person import Role
from models.provider import Provider

logger = log.get(__name__)

#: What the fields of the form begin with, before the name of a credential.
FIELD = "credential_"
#: Characters of a credential.
MOST = 4000


class Credentials(Page):
    """The form is on the provider's page; those fields that are filled in are changed, and no others."""

    least = Role.VIEWER
    changes = Role.ADMIN

    def on_post(self, req: falcon.Request, resp: falcon.Response, provider_id: str) -> None:
        form, by = req.context.form, req.context.visitor.name
        reason = form.get("reason", "").strip()
        if not deeds.is_reason(reason):
            show(self, req, resp, provider_id, status=409, wrong=Said("Say why, in words."))
            return
        try:
            with database.session(Use.REQUEST):
                find(provider_id)
                changed, after, made = change(provider_id, form)
        except (ValueError, sealed.Unsealable) as error:
            show(self, req, resp, provider_id, status=409, wrong=said_by(error))
            return
        logger.info(
            "A person has changed the credentials of a provider.",
            action="provider_credentials",
            provider_id=provider_id,
            changed=changed,
            by=by,
            reason=reason,
        )
        self.desk.forget_counts()
        if made is None:
            raise go(f"{visitors.ROOT}/providers/{provider_id}?done=credentials")
        show(self, req, resp, provider_id, made=self._told(after, made))

    def _told(self, account: Provider, secret: str) -> Made:
        found = verifier_of(account).instructions(account, self.desk.settings.public_url, secret)
        return Made(secret, found.url if found else "", dict(found.headers) if found else {})


def change(provider_id: str, form: dict[str, str]) -> tuple[list[str], Provider, str | None]:
    """The names of what was changed, the provider after it, and the secret that was made, if one was.

    Needs an open session. Raises ValueError, sealed.Unsealable.
    """
    chosen: list[Rotation] = []

    def make(known: Provider) -> Provider:
        names = rotation.takes(known, kinds.find(known.adapter))
        given = {name: value for name in names if (value := form.get(FIELD + name, "").strip())}
        if any(len(value) > MOST for value in given.values()):
            raise ValueError(Said("a credential has up to {number} characters", number=MOST))
        chosen.append(rotation.checked(known, given, makes_secret=form.get("make_secret") == "yes"))
        return chosen[-1].applied(known)

    found = provider.change(provider_id, make, renews=True)
    assert found is not None, "it was found in the same session"
    before, after = found
    provider_health.look_again(provider_id)
    provider_health.probe_soon(provider_id)
    changed = [name for name, value in after.credentials.items() if value != before.credentials.get(name)]
    return changed, after, chosen[-1].made
