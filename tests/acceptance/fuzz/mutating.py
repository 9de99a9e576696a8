"""Inputs made of real samples by random changes; the same seed makes the same ones."""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

#: What breaks parsers of any kind.
WORDS: tuple[bytes, ...] = (
    *(
        b"\x00",
        b"\xff",
        b"\x80",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        b"\x7f",
        b"\x0b",
        b"\r",
        b"\n",
    ),
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\t",
        b" ",
        b" " * 300,
        "\u200b\u202e\u0663\u0130\u0131\u00df".encode(),
        "💥".encode(),
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"1e-999",
        b"-0",
        b"0",
        b"1.5",
        b"9" * 5000,
    ),
    *(b"2147483648", b"9223372036854775808", b"18446744073709551616", b"0x1", b"1_0", b"\xb2", b"-1"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[" * 3000,
        b'{"a":' * 3000,
        b'"',
        b"\\",
        b'\\"',
        b"\\u0000",
        b"\\ud800",
        b"''",
    ),
    *(
        b"|",
        b"|||",
        b"=",
        b"&",
        b"&amp;",
        b"%",
        b"%00",
        b"%ff",
        b"%u0041",
        b"%25",
        b"[]",
        b"[0]",
        b"[a][b][c][d][e][f]",
    ),
    *(
        b":",
        b",",
        b";",
        b"#",
        b"?",
        b"/",
        b"//",
        b"..",
        b"@",
        b"$",
        b"<",
        b"<!DOCTYPE html>",
        b"'",
        b"`",
        b"{extraField}",
    ),
    *(
        b"2026-02-30",
        b"0001-01-01",
        b"9999-12-31T23:59:59+14:00",
        b"00000000-0000-0000-0000-000000000000",
        b"::1",
    ),
    *(
        b"999.999.999.999",
        b"fe80::1%eth0",
        b"[::1]:80",
        b"1/0",
        b"*/0 * * * *",
        b"http://",
        b"file:///etc/passwd",
    ),
)
#: Times that a piece is repeated, at most; and bytes that it may grow to.
MOST_TIMES, MOST_BYTES = 2_000, 20_000
JSON_SHARE = 0.5
TOKEN, NUMBER = re.compile(rb"[\w.\-]+"), re.compile(rb"\d+")


def inputs(samples: Sequence[bytes], seed: object, count: int, most_bytes: int) -> Iterator[bytes]:
    """The samples as they are, then `count` changed ones in all."""
    rng = random.Random(f"{seed}")
    yield from samples[:count]
    for _ in range(count - len(samples)):
        yield changed(rng, samples)[:most_bytes]


def changed(rng: random.Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples after one change or several; every second JSON stays JSON."""
    data = bytearray(rng.choice(samples))
    changes = (_json,) if b"{" in data and rng.random() < JSON_SHARE else CHANGES
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        rng.choice(changes)(rng, data, samples)
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    return rng.randint(0, len(data))


def _piece(rng: random.Random, data: bytearray) -> tuple[int, int]:
    start = _place(rng, data)
    return start, min(len(data), start + rng.choice((1, 1, 2, 4, 8, 30, 200)))


def _bit(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _noise(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(rng, data)
    data[place:place] = rng.randbytes(rng.choice((1, 2, 8, 60)))


def _word(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(rng, data)
    data[place:place] = rng.choice(WORDS)


def _delete(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _piece(rng, data)
    del data[start:end]


def _cut(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _repeat(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _piece(rng, data)
    piece = bytes(data[start:end])
    times = min(rng.choice((2, 2, 3, 10, 100, MOST_TIMES)), MOST_BYTES // max(1, len(piece)))
    data[end:end] = piece * times


def _move(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _piece(rng, data)
    piece = bytes(data[start:end])
    del data[start:end]
    place = _place(rng, data)
    data[place:place] = piece


def _splice(rng: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    other = rng.choice(samples)
    data[_place(rng, data) :] = other[rng.randint(0, len(other)) :]


def _insert(rng: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    start, end = _piece(rng, other := bytearray(rng.choice(samples)))
    place = _place(rng, data)
    data[place:place] = other[start:end]


def _token(rng: random.Random, data: bytearray, samples: Sequence[bytes]) -> None:
    """Another word, or a word of another sample, in place of one."""
    if found := list(TOKEN.finditer(data)):
        one = rng.choice(found)
        others = TOKEN.findall(rng.choice(samples))
        data[one.start() : one.end()] = rng.choice([*others, rng.choice(WORDS)])


def _number(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if found := list(NUMBER.finditer(data)):
        one = rng.choice(found)
        near = str(max(0, int(one[0][:18]) + rng.choice((-1, 1, 2, 60)))).encode()
        data[one.start() : one.end()] = rng.choice((near, near, rng.choice(WORDS), one[0] * 3))


def _case(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _piece(rng, data)
    data[start:end] = data[start:end].swapcase()


def _json(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Other values in the JSON object that the data ends with, so that it stays JSON."""
    if len(data) > MOST_BYTES:
        return
    start = data.find(b"{")
    with suppress(ValueError, RecursionError):
        document = json.loads(data[start:])
        for _ in range(rng.choice((1, 1, 2, 4))):
            document = _altered(rng, document)
        data[start:] = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def _altered(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        changed = {**value, name: _altered(rng, value[name])}
        return changed if rng.random() < 0.8 else {each: changed[each] for each in changed if each != name}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], _altered(rng, value[place]), *value[place + rng.choice((0, 1, 1)) :]]
    word = rng.choice(WORDS).decode(errors="surrogateescape")
    number = rng.choice((0, -1, 1.5, 2**53, 2**63, 2**64, 10**400, 1e308, -0.0))
    many = [value] * (3 if isinstance(value, (dict, list)) else 300)
    return rng.choice(
        (
            None,
            True,
            False,
            [],
            {},
            "",
            word,
            word,
            f"{value}"[:9] + word,
            number,
            [value],
            {"code": value},
            many,
        )
    )


Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]
CHANGES: tuple[Change, ...] = (
    *(_bit, _byte, _noise, _word, _word, _delete, _delete, _cut, _repeat),
    *(_move, _splice, _insert, _token, _token, _number, _number, _case, _json),
)
