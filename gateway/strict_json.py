"""JSON from outside, read strictly: what another parser could read differently is refused."""

import json
from typing import Any


class NotJson(ValueError):
    """The text is not valid JSON; the message says why, and repeats nothing of the text."""


def loads(text: bytes) -> Any:
    """The value in `text`: UTF-8, no name twice in an object, no NaN. Raises NotJson, with the place where it ends."""
    try:
        return DECODER.decode(text.decode("utf-8-sig"))
    except NotJson:
        raise
    except UnicodeDecodeError:
        raise NotJson("is not UTF-8") from None
    except json.JSONDecodeError as error:
        if not text.strip():
            raise NotJson("is empty: send JSON") from None
        raise NotJson(f"is not JSON: see line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotJson("is not JSON that can be read: it is nested too deeply") from None
    except ValueError:
        raise NotJson("is not JSON that can be read: a number in it has too many digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJson("has an object with a name twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"is not JSON: it contains {name}")


def decoder(**options: Any) -> json.JSONDecoder:
    """A strict decoder with `options` of its own. Made once; `json.loads` would make one for every text."""
    return json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique, **options)


DECODER = decoder()
