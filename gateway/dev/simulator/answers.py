"""The panel's answers, and the ways in which they go wrong."""

from dataclasses import dataclass, replace
from enum import Enum

from gateway.dev.simulator.behaviours import Fault

HTML_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Bayi</title></head><body><h1>Bakım çalışması</h1></body></html>\n"
)
ERROR_PAGE = (
    "<html><head><title>500 Internal Server Error</title></head><body>Internal Server Error</body></html>\n"
)


class Arrives(Enum):
    """How much of an answer reaches the caller before the connection is cut."""

    WHOLE = "whole"
    HALF = "half"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. Panels call everything `text/html` and name no charset."""

    text: str
    status: int = 200
    content_type: str = "text/html"
    encoding: str = "utf-8"
    delay_seconds: float = 0.0
    arrives: Arrives = Arrives.WHOLE

    def body(self) -> bytes:
        return self.text.encode(self.encoding, errors="replace")

    def delayed(self, seconds: float) -> "Answer":
        """This answer, delayed by that much more."""
        return replace(self, delay_seconds=self.delay_seconds + seconds)


#: An error text that says nothing.
MUMBLED = "8|Bilinmeyen hata (unknown error)"

EMPTY = Answer("")
WRONG_ADDRESS = Answer(HTML_PAGE)
_CUT = Answer("", arrives=Arrives.NOTHING)

_INSTEAD: dict[str, Answer] = {
    "html": WRONG_ADDRESS,
    "lostanswer": WRONG_ADDRESS,
    "empty": EMPTY,
    "500": Answer(ERROR_PAGE, status=500),
    "cut": _CUT,
    "hang": _CUT,
    "cutafter": _CUT,
    "mumble": Answer(MUMBLED),
}


def spoiled(answer: Answer, fault: Fault) -> Answer:
    """The part of `answer` that arrives with this fault."""
    if fault.failure == "half":
        answer = replace(answer, arrives=Arrives.HALF)
    answer = _INSTEAD.get(fault.failure, answer)
    return answer.delayed(fault.delay_seconds)
