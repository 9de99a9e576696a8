"""A protocol file that cannot work says in which file, on which line and at which key."""

import time

import pytest

from gateway.providers.described import schema
from gateway.providers.described.located import line_of
from gateway.providers.described.schema import Means
from tests.gateway.providers.parties import DESCRIBED, load

GOOD = """title = "T"
source = "S"
credentials = ["key"]
params = ["product"]

[traits]
traces = "reference"

[send]
path = "/send"
headers = { X-Key = "{credentials.key}" }

[send.query]
product = "{params.product}"

[[send.rules]]
where = { status = "ok" }
means = "sent"

[[send.rules]]
means = "in_doubt"

[check]
path = "/check"
rules = [
    { where = { a = "b" }, means = "failed" },
    { means = "nothing_learned" },
]
"""
#: A step that books, and what is said where anything else leads to it.
BUY = '[steps.buy]\npath = "/buy"\nbooks = true\n'
BUYS = (
    "f.toml:1: the file: only a rule of `send` that means `sent` or `processing` leads to `buy`, which books"
)
#: What is changed, into what, and what is said.
BAD = [
    ('title = "T"', "", "f.toml:1: title: is missing"),
    ('title = "T"', 'titel = "T"', "f.toml:1: title: is missing\nf.toml:1: titel: is not known"),
    ('source = "S"', "source = 5", "f.toml:2: source: input should be a valid string"),
    ('traces = "reference"', 'traces = "memory"', "f.toml:7: traits.traces: input should be 'reference',"),
    ('traces = "reference"', "ask_buys = true", "f.toml:6: traits.traces: is missing"),
    (
        'traces = "reference"',
        'traces = "reference"\nask_within = 90',
        "f.toml:8: traits.ask_within: must be a duration",
    ),
    (
        'traces = "reference"',
        'traces = "reference"\nmax_check = 0',
        "f.toml:8: traits.max_check: input should be greater",
    ),
    ('path = "/send"', "", "f.toml:9: send: says either `path` or `url`"),
    ('path = "/send"', 'path = "/{send"', "f.toml:10: send.path: has a `{` outside of a place"),
    ('path = "/send"', 'path = "/{key}"', "f.toml:10: send.path: names the unknown value `key`"),
    (
        "{credentials.key}",
        "{credentials.kye}",
        "f.toml:11: send.headers.X-Key: names the unknown value `credentials.kye`",
    ),
    (
        "{credentials.key}",
        "{credentials.key|md6}",
        "f.toml:11: send.headers.X-Key: has the unknown filter `md6`",
    ),
    (
        'product = "{params.product}"',
        'product = { text = "{params.product}", as = "md5" }',
        "f.toml:14: send.query.product.as: must be a list of filters",
    ),
    (
        'product = "{params.product}"',
        "product = 2026-11-26",
        "f.toml:14: send.query.product: must be a text in quotes, a number",
    ),
    (
        'product = "{params.product}"',
        '"{params.prod}" = "1"',
        "f.toml:14: send.query.{params.prod}: names the unknown value `params.prod`",
    ),
    (
        'where = { status = "ok" }',
        "where = { 'a[' = 1 }",
        "f.toml:17: send.rules.0.where.a[: is not a path (JMESPath)",
    ),
    ('where = { status = "ok" }', 'where = "ok"', "f.toml:17: send.rules.0.where: input should be a table"),
    ('where = { status = "ok" }', "text = '(a+)+'", "f.toml:17: send.rules.0.text: has a repetition"),
    (
        'where = { status = "ok" }',
        "text = '(?P<codes>a)'",
        "f.toml:16: send.rules.0: has the group `codes`, which is not a part",
    ),
    ('where = { status = "ok" }', "http = 99", "f.toml:17: send.rules.0.http: must be a status such as 200"),
    ('means = "sent"', 'means = "send"', "f.toml:18: send.rules.0.means: input should be 'sent',"),
    (
        'means = "sent"',
        'means = "sent"\nabout = "money"',
        "f.toml:19: send.rules.0.about: input should be 'order',",
    ),
    (
        'means = "sent"',
        'means = "sent"\nthen = "cards"',
        "f.toml:19: send.rules.0.then: names the unknown step `cards`",
    ),
    ('means = "in_doubt"', "", "f.toml:20: send.rules.1.means: is missing"),
    ('means = "nothing_learned" }', 'mean = "x" }', "f.toml:25: check.rules.1.means: is missing"),
    (
        'params = ["product"]',
        'params = ["pro duct", "product"]',
        "f.toml:4: params.0: string should match pattern",
    ),
    (
        'params = ["product"]',
        'params = ["product"]\ndefaults = { "params.x" = "1" }',
        "f.toml:5: defaults.params.x: names the unknown value `params.x`",
    ),
    ("[check]", '[catalogue]\npath = "/list"\n[check]', "f.toml:23: catalogue.packages: is missing"),
    (
        "[check]",
        '[catalogue]\npath = "/list"\npackages = { id = "id", name = "name", group = "title" }\n[check]',
        "f.toml:25: catalogue.packages: `group` is the name of one of `groups`, which are not said",
    ),
    ('credentials = ["key"]', 'credentials = "key"', "f.toml:3: credentials: input should be a valid list"),
    (
        'path = "/check"',
        'path = "/check/{own}"',
        "f.toml:1: the file: `check` asks by `own` alone, which a lost answer does not bring",
    ),
    *(
        (
            "[check]",
            f'[callback]\nrules = []\nverify = {{ header = "X", equals = {equals} }}\n[check]',
            f"f.toml:25: callback.verify: `equals` names {told}",
        )
        for equals, told in (
            ('"{credentials.key}{params.product}"', "`params.product`, which is not known of a callback"),
            (
                '{ text = "{body}", as = ["hmac_sha1:user", "hex"] }',
                "`user`, which is not known of a callback",
            ),
            ('{ text = "{body}", as = ["sha1", "hex"] }', "no secret, so that everyone can make it"),
        )
    ),
    (
        "[check]",
        "[callback]\nrules = []\nverify = { token = true, standard_webhooks = true }\n[check]",
        "f.toml:25: callback.verify: says one of",
    ),
    (
        "[send.query]",
        '[send.xml]\n"a {params.product}" = "1"\n[send.query]',
        "f.toml:9: send: `a {params.product}` is no",
    ),
    (
        "[send.query]",
        '[send.xml.a]\n"{user}" = "1"\n[send.query]',
        "f.toml:9: send: `{user}` is no name of an element",
    ),
    (
        'path = "/check"',
        'url = "https://x.example/?id={user}"',
        "f.toml:23: check: `url` is not encoded, so it takes nothing of an order, such as `user`",
    ),
    # What no rule matches is never a refusal, and nobody makes it one.
    *(
        (
            'where = { status = "ok" }\nmeans = "sent"',
            f'{condition}means = "{means}"',
            f"f.toml:16: send.rules.0: takes {told} for `{means}`",
        )
        for means in Means
        if means not in schema.UNDECIDED
        for condition, told in (
            ("", "any answer"),
            ('http = "5xx"\n', "a status 5xx"),
            ("http = [502, 503]\n", "a status 5xx"),
        )
    ),
    # A worker waits for a call, and dates end.
    *(
        (
            'traces = "reference"',
            f'traces = "reference"\n{key} = "{value}"',
            f"f.toml:8: traits.{key}: must be {told}",
        )
        for key, value, told in (
            ("timeout", "6m", "at most 5m"),
            ("timeout", "9999d", "at most 5m"),
            ("ask_within", "3651d", "at most 3650d"),
            ("ask_within", "9999999999999d", "a duration"),
        )
    ),
    (
        'means = "sent"',
        'means = "sent"\nretry_after = "25h"',
        "f.toml:19: send.rules.0.retry_after: must be at most 1d",
    ),
    # What a file says is taken as it stands: `"50"` is no number, and `"yes"` is neither true nor false.
    *(
        (
            'traces = "reference"',
            f'traces = "reference"\n{key} = {value}',
            f"f.toml:8: traits.{key}: input should be a",
        )
        for key in ("max_check", "max_quantity", "ask_buys")
        for value in ('"50"', '"yes"', "5.0", "1.0" if key == "ask_buys" else "true")
    ),
    (
        "[check]",
        '[callback]\nrules = []\nverify = { token = "yes" }\n[check]',
        "f.toml:25: callback.verify.token: ",
    ),
    (
        "[send.query]",
        "[send.json]\na = 1\n[send.form]",
        "f.toml:9: send: a request has either `json`, or `form` or `xml`",
    ),
    (
        "[send.query]",
        '[send.json]\nsign = ["{body}"]\n[send.query]',
        "f.toml:9: send: `json` names `body`, which is known in `query`, `headers` and `verify` alone",
    ),
    (
        "{credentials.key}",
        "{header.x_key}",
        "f.toml:9: send: `headers` names `header.x_key`, which is known in `verify` alone",
    ),
    ('path = "/send"', 'path = "/send"\ncolumns = "|"', 'f.toml:9: send: `columns` needs `answer = "text"`'),
    ('means = "nothing_learned" },\n]', f'means = "processing", then = "buy" }},\n]\n{BUY}', BUYS),
    ('means = "in_doubt"', f'means = "in_doubt"\nthen = "buy"\n{BUY}', BUYS),
    *(
        ('path = "/send"', f'path = "{path}"', "f.toml:9: send: `path` begins with `/`, or is empty")
        for path in ("send", "@evil.example/", ".evil.example", "{params.product}")
    ),
    *(
        ("X-Key", f'"{name}"', f"f.toml:9: send: `{said}` is not the name of a header")
        for name, said in (("X Key", "X Key"), ("X:", "X:"), ("", ""))
    ),
    (
        "[send.query]",
        "[send.json]\na = nan\n[send.query]",
        "f.toml:14: send.json.a: must be a text in quotes",
    ),
    (
        "[send]",
        '[reference]\nmake = "{reference}"\n[send]',
        "f.toml:10: reference.make: names `reference`; it takes referans and created_at alone",
    ),
    (
        "[traits]",
        'fields = { a = "{fields.b}", b = "{fields.c}", c = "{fields.b}" }\n[traits]',
        "f.toml:1: the file: the field `b` is made of itself",
    ),
    ("[traits]", f"x = {'1' * 5000}\n[traits]", "f.toml: is not valid TOML: "),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD, ids=[f"{old} → {new}"[:200] for old, new, _ in BAD])
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(schema.BadFile) as error:
        schema.load(GOOD.replace(old, new), "f.toml")
    assert str(error.value).startswith(said)


def test_a_file_without_mistakes() -> None:
    assert schema.load(GOOD, "f.toml").params == ("product",)


def test_every_mistake_is_told_at_once() -> None:
    bad = GOOD.replace('means = "sent"', 'means = "x"').replace('title = "T"', "title = 1")
    with pytest.raises(schema.BadFile) as error:
        schema.load(bad, "f.toml")
    assert [each.partition(": ")[0] for each in str(error.value).splitlines()] == ["f.toml:1", "f.toml:18"]


@pytest.mark.parametrize(
    "text",
    [
        "params = [\n" + '"a",\n' * 5_000 + "5]\n",
        'title = """\n' + "# [\n" * 5_000 + '"""\nsource = 5\n',
        "credentials = [\n" + "5,\n" * 5_000 + "]\n",
        "[send.json]\n" + "\n".join(f"k{number} = 1979-05-27" for number in range(1_000)),
    ],
    ids=["one long list", "a text of many lines", "a list of mistakes", "many mistakes"],
)
def test_mistakes_are_told_in_a_bounded_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(schema.BadFile) as error:
        schema.load(text, "f.toml")
    assert time.process_time() - began < 15
    assert len(str(error.value).splitlines()) <= schema.MOST_TOLD


def test_what_is_not_toml() -> None:
    with pytest.raises(schema.BadFile, match=r"f\.toml: is not valid TOML: .*line 2"):
        schema.load('title = "T"\nsource = x\n', "f.toml")


def test_a_file_that_is_too_large() -> None:
    with pytest.raises(schema.BadFile, match=r"f\.toml: is larger than 128 KiB"):
        schema.load("#" * (schema.MAX_FILE + 1), "f.toml")


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_ships_says_where_its_facts_come_from(name: str) -> None:
    file = load(name).file
    assert file.title and file.source
    assert file.rules or file.send.rules


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 1), (("send",), 9), (("send", "rules"), 16), (("send", "rules", 1), 20),
        (("send", "rules", 1, "means"), 21), (("check", "rules"), 25), (("nowhere",), 1),
        (("send", "nowhere"), 9), (("send", "function-before[f()]", "path"), 10),
    ],
)  # fmt: skip
def test_the_line_of_a_key(keys: tuple[str | int, ...], line: int) -> None:
    assert line_of(GOOD, keys) == line
