"""`gateway providers rotate`: new credentials for a provider."""

import typer

from gateway.callbacks.rotation import Rotation
from gateway.callbacks.verifiers import verifier_of
from gateway.commands import credentials, printing, showing
from gateway.commands.context import Problem, change_provider, gateway, no_provider
from gateway.commands.provider_options import Json, KnownId
from gateway.providers import kinds
from gateway.settings import Settings
from models import provider, provider_health
from models.provider import CALLBACK_SECRET, Provider


def rotate(
    provider_id: KnownId,
    new_callback_secret: bool = typer.Option(
        False, "--new-callback-secret", help="Make a new callback secret, and print it once."
    ),
    drop_old: bool = typer.Option(
        False, "--drop-old", help="End the former callback secrets: only the newest stays valid."
    ),
    json: Json = False,
) -> None:
    """Change credentials of a provider: those that are given, and no others.

    They are read from the environment (CREDENTIAL_NAME, the name in capitals), else by prompt in a terminal, else from
    standard input as one JSON object. With one of the two options standard input may be empty, and nothing is prompted.

    A new callback secret is valid beside the former ones, so that no callback is refused while the provider changes
    over. --drop-old ends the former ones; together with a new one it does so at once, as after a leak.

    Credentials that cannot be read any more are all to be given again.

    Workers use a change from their next call to the provider on. The web accepts a new callback secret at once, and
    refuses a former one 2 seconds after --drop-old.

    \b
    Example: echo '{"sifre": "…"}' | gateway providers rotate bayi
    Example: gateway providers rotate bayi --new-callback-secret
    Example: gateway providers rotate bayi --drop-old
    """
    with gateway() as settings:
        known = provider.find_renewable(provider_id)
        if known is None:
            raise no_provider(provider_id)
        rotation = _read(known, new_callback_secret, drop_old)
        before, after = change_provider(provider_id, rotation.applied, renews=True)
        provider_health.look_again(provider_id)
    changed = [name for name in after.credentials if after.credentials[name] != before.credentials.get(name)]
    if json:
        counted = {"id": provider_id, "changed": changed, "valid_callback_secrets": len(after.secrets())}
        return printing.as_json({**counted, **showing.told(settings, after, rotation.made)})
    showing.warn(settings, after, has_new_url=False)
    _print(settings, after, changed, rotation.made)


def _read(known: Provider, new_callback_secret: bool, drop_old: bool) -> Rotation:
    """What a person gives. Raises Problem."""
    protocol = kinds.find(known.adapter)
    if protocol is None:
        raise Problem(f"the protocol {known.adapter!r} of {known.id} is not known to this version")
    names, optional, kind = protocol.CREDENTIALS, protocol.OPTIONAL_CREDENTIALS, verifier_of(known)
    if not credentials.names((*names, *optional), kind):
        raise Problem(f"{known.id} ({known.adapter}) has no credentials")
    is_lost = not known.credentials
    is_about_secret = new_callback_secret or drop_old
    if is_about_secret and not kind.has_secret:
        raise Problem(f"{known.id} does not call back, so it has no callback secret")
    if is_lost:
        given = credentials.read(names, kind, optional=optional)
        new_callback_secret = kind.has_secret and CALLBACK_SECRET not in given
    else:
        given = credentials.read_some((*names, *optional), kind, may_be_none=is_about_secret)
    if not new_callback_secret:
        return Rotation(given, None, drop_old)
    if CALLBACK_SECRET in given:
        raise Problem(f"give a {CALLBACK_SECRET} or --new-callback-secret, not both")
    made = kind.new_secret()
    return Rotation({**given, CALLBACK_SECRET: made}, made, drop_old)


def _print(settings: Settings, account: Provider, changed: list[str], made: str | None) -> None:
    what = f"changed {', '.join(changed)}" if changed else "nothing was changed"
    printing.say(f"{account.id}: {what}.")
    if made:
        showing.callbacks(settings, account, made)
    if len(account.secrets()) > 1:
        drop = f"gateway providers rotate {account.id} --drop-old"
        printing.say(
            f"{len(account.secrets())} callback secrets are valid. Once the provider uses the newest: {drop}"
        )
    protocol = kinds.find(account.adapter)
    if protocol and any(name in (*protocol.CREDENTIALS, *protocol.OPTIONAL_CREDENTIALS) for name in changed):
        printing.say(f"Next: gateway providers test {account.id}")
