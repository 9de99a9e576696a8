"""Statements that each connection parses and plans once; to plan SETTLE takes longer than to run it."""

import hashlib
import re
from functools import cached_property

#: A placeholder, with its cast if it has one; or a doubled percent sign.
PLACE = re.compile(
    r"%\((?P<name>\w+)\)s(?P<type>::[a-z0-9_]+(?:\[\])?)?|%s(?P<anonymous>::[a-z0-9_]+(?:\[\])?)?|%%"
)


class Prepared(str):
    """SQL that is prepared; it is used with `database.rows` like any other."""

    #: What is set for its transaction, in the same round trip.
    setting = ""

    def within(self, setting: str) -> "Prepared":
        """The same statement, with `setting` (as SET LOCAL takes it) until the end of its transaction."""
        within = Prepared(self)
        within.setting = f"SET LOCAL {setting}; "
        return within

    @cached_property
    def name(self) -> str:
        """Its name in PostgreSQL. It depends on the text, so that two versions of the code never share one."""
        return f"referans_{hashlib.sha256(self.encode()).hexdigest()[:16]}"

    @cached_property
    def prepare(self) -> str:
        """The statement that prepares it; it takes no values."""
        return self._parts[0]

    @cached_property
    def execute(self) -> str:
        """The statement that runs it; it takes the values that the SQL itself would take."""
        return self.setting + self._parts[1]

    @cached_property
    def _parts(self) -> tuple[str, str]:
        arguments: list[str] = []
        numbers: dict[str, int] = {}

        def number(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%%"
            name, kind = found["name"], found["type"] or found["anonymous"] or ""
            if name is None or name not in numbers:
                arguments.append(f"{f'%({name})s' if name else '%s'}{kind}")
                numbers[name or f"%{len(arguments)}"] = len(arguments)
            return f"${numbers[name] if name else len(arguments)}{kind}"

        body = PLACE.sub(number, self)
        given = f"({', '.join(arguments)})" if arguments else ""
        return f"PREPARE {self.name} AS {body}", f"EXECUTE {self.name}{given}"
