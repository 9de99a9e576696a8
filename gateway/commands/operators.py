"""`gateway operators`: people of the ops page."""

import sys
from dataclasses import asdict

import typer

from gateway.commands import printing
from gateway.commands.context import Problem, gateway
from models import person
from models.person import LEAST_PASSWORD, MOST_NAME, MOST_PASSWORD, NameTaken, Role

app = typer.Typer(help="People who sign in to the ops page.", no_args_is_help=True)


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise typer.BadParameter(f"takes 1 to {MOST_NAME} visible characters")
    return name


@app.command()
def add(
    name: str = typer.Argument(parser=_name, metavar="NAME", help="The name, which stands on timelines."),
    role: Role = typer.Option(
        help="viewer sees; operator decides and reads codes; admin ends others' sign-ins."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Add a person. The password is prompted for, or read from standard input.

    To change a password or a role, remove the person and add them again; this ends their sign-ins.

    Example: gateway operators add rana --role operator
    """
    password = _password()
    with gateway():
        try:
            person_id = person.add(name, role, password)
        except NameTaken:
            raise Problem(f"{name} exists already; to change it: gateway operators remove {name}") from None
    if json:
        return printing.as_json({"id": person_id, "name": name, "role": role.value})
    printing.say(f"{name} can sign in at /ops/login as {role.value}.")


@app.command("list")
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the people, with when they were last seen on the ops page.

    Example: gateway operators list
    """
    with gateway() as settings:
        found = person.every()
    if json:
        return printing.as_json([asdict(each) for each in found])
    printing.table(
        ("Name", "Role", "Added", "Last seen"),
        (
            (
                each.name,
                each.role,
                printing.at(each.created_at, settings.timezone),
                printing.at(each.seen_at, settings.timezone),
            )
            for each in found
        ),
        empty="Nobody yet. Add a person: gateway operators add NAME --role operator",
    )


@app.command()
def remove(
    name: str = typer.Argument(metavar="NAME", help="The name that `gateway operators list` shows."),
) -> None:
    """Remove a person. Their sign-ins end at once; what they did stays on the timelines.

    Example: gateway operators remove rana
    """
    with gateway():
        if not person.remove(name):
            raise Problem(f"{name} not found; see: gateway operators list")
    printing.say(f"{name} is removed, and signed out everywhere.")


def _password() -> str:
    """From a prompt, or the first line of standard input. Raises Problem."""
    if sys.stdin.isatty():
        text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        try:
            text = sys.stdin.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Problem("standard input is not UTF-8 text") from None
    if not LEAST_PASSWORD <= len(text) <= MOST_PASSWORD:
        raise Problem(f"the password must have {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    return text
