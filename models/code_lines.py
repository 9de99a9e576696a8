"""A code as a person writes it, on a line: bare, or a JSON object of `code`, `pin`, `serial` and `expires_at`.

No error repeats what was given.
"""

import json
from typing import Any

from gateway.said import Said, said_by
from models import codes
from models.codes import Code

#: The fields of a JSON object; `expiresAt` is the same as `expires_at`.
FIELDS = ("code", "pin", "serial", "expires_at", "expiresAt")
#: What stands between the columns of a list that is not one bare code a line.
COLUMN_SIGNS = ",;\t"


class InvalidLine(ValueError):
    """A line is not a code; the message says why, without the code."""

    def __init__(self, said: Said) -> None:
        super().__init__(said)


def codes_in(text: str) -> list[Code]:
    """The codes in a text, one a line. Raises InvalidLine, which names the line."""
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        try:
            found += [code_in(line.strip())] if line.strip() else []
        except InvalidLine as error:
            raise InvalidLine(
                Said("line {line} of the codes: {error}", line=number, error=said_by(error))
            ) from None
    return found


def code_in(line: str) -> Code:
    """The code in a line, which has no blanks at its ends. Raises InvalidLine."""
    if line[0] in '{["':
        return _from_json(line)
    if any(sign in line for sign in COLUMN_SIGNS):
        raise InvalidLine(Said("a bare code has no commas, semicolons or tabs; write it as a JSON object"))
    code = codes.clean(line)
    if code is None:
        raise InvalidLine(Said("this is not a code"))
    return Code(code)


def _from_json(line: str) -> Code:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidLine(Said("this is not JSON")) from None
    if not isinstance(document, dict):
        raise InvalidLine(Said("this is JSON, but not an object"))
    if not document.keys() <= set(FIELDS):
        raise InvalidLine(Said("an object takes the fields {names} only", names=", ".join(FIELDS[:4])))
    found = codes.read(document)
    if found.unreadable or len(found.codes) != 1:
        raise InvalidLine(
            Said("the object has no code that can be read; write code, pin and serial as strings")
        )
    return found.codes[0]
