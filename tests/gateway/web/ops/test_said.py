"""Sentences of ours in the reader's language: each is translated, and what is stored is read back as it was made."""

import ast
import copy
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from string import Formatter

import pytest

import gateway
import models
from gateway.said import Said, said_by
from gateway.settings import MOST_SECONDS
from gateway.web.ops import language, sentences_ar, stored
from gateway.web.ops.language import Reader

ROOTS = [Path(gateway.__file__).parent, Path(models.__file__).parent]
ARABIC = Reader("ar", "UTC", datetime(2026, 5, 14, tzinfo=UTC))
ENGLISH = Reader("en", "UTC", datetime(2026, 5, 14, tzinfo=UTC))
#: Modules that have the words themselves.
OF_WORDS = {"sentences_ar.py", "words_ar.py", "words_en.py"}
#: Pieces that the code puts together from shorter ones.
COMPOSED = [
    *("accepted by", "as asking again may buy it again", "as it cannot be asked any more"),
    *("codes read on the command line", "codes read on the ops page", "cost unknown"),
    *("then it refused", "then it refused our account"),
]
#: What stands at a place, by its name, in a sentence that is read back.
SAMPLES = {
    **dict.fromkeys(("status", "before"), "completed"),
    **dict.fromkeys(("provider", "next"), "kuzey-2"),
    "kind": "no_code",
    "role": "viewer",
    "least": "operator",
    "filter": "since",
    "type": "order.completed",
    "result": "conflict",
    "results": "stale, duplicate",
    "order": "00000000-0000-4000-8000-000000000000",
    "address": "https://a.example/b",
    "amount": "31.40 TRY",
    "former": "30.00 TRY",
    "currency": "TRY",
    "error": "Stokta yok (0)",
    "note": "x",
    "many": "x",
    "why": "share 1 of 4",
    "cure": "x",
}


def sources() -> Iterator[ast.Module]:
    for path in chain.from_iterable(root.rglob("*.py") for root in ROOTS):
        if path.name not in OF_WORDS:
            yield ast.parse(path.read_text())


def said_in_code() -> Iterator[str]:
    """Every template that the code says, with the places that it fills."""
    for call in (node for tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "id", None) == "Said":
            assert isinstance(call.args[0], ast.Constant), ast.dump(call)
            template = str(call.args[0].value)
            assert places(template) == sorted(each.arg or "" for each in call.keywords), template
            yield template


def places(template: str) -> list[str]:
    return sorted({name for _, name, _, _ in Formatter().parse(template) if name})


def test_everything_that_is_said_has_arabic_words() -> None:
    found = set(said_in_code())
    assert len(found) > 100
    assert sorted(found - language._TEXTS["ar"].keys()) == []


def test_what_is_translated_is_said_somewhere() -> None:
    """A sentence that was changed where it is written must be changed here: it would be shown in English."""
    constants = [
        node.value
        for tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    sql = [path.read_text() for root in ROOTS for path in root.rglob("*.sql")]
    corpus = "\n".join([*constants, *sql])
    literals = {literal for each in stored.templates() for literal, _, _, _ in Formatter().parse(each)}
    pieces = {piece.strip() for literal in literals for piece in re.split(r"[^\w' ]", literal)}
    assert sorted(piece for piece in pieces if " " in piece and piece not in corpus) == COMPOSED


def test_what_is_stored_is_read_back_as_it_was_made() -> None:
    for template in stored.templates():
        given = {name: SAMPLES.get(name, "12") for name in places(template)}
        assert stored.read(template.format(**given)) == (template, given)


@pytest.mark.parametrize(
    "text",
    [
        "Stokta yok",
        "hello, world",
        "completed",
        "refused",
        "delivered",
        "PIN not valid: try again",
        "a: b; c",
    ],
)
def test_what_others_wrote_stays_as_it_is(text: str) -> None:
    assert stored.read(text) is None
    assert ARABIC.said(text) == f"<bdi>{text}</bdi>" == ENGLISH.said(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("placed with key shop", "أُنشئ بالمفتاح shop"),
        (
            "placed with key shop; kuzey: cheapest at 1.20 USD of 3",
            "أُنشئ بالمفتاح shop؛ kuzey: الأرخص بسعر 1.20 USD من أصل 3",
        ),
        ("claimed; sending to kuzey", "يُرسَل الآن إلى kuzey"),
        (
            "kuzey refused: Stokta yok (0); sending to dalga (share 1 of 4)",
            "رفضه kuzey: Stokta yok (0)؛ يُرسَل إلى dalga (حصّته 1 من 4)",
        ),
        (
            "kuzey is down: no answer in time; routed to dalga",
            "kuzey متوقّف: لم يصل جواب في الوقت المحدّد؛ وُجّه إلى dalga",
        ),
        ("checked (1): processing", "الاستعلام 1: قيد التنفيذ"),
        (
            "checked (2), nothing learned: https://x.example/a: no answer in time",
            "الاستعلام 2 لم يأتِ بجديد: https://x.example/a: لم يصل جواب في الوقت المحدّد",
        ),
        ("conflict: failed, iade edildi", "تناقض: فشل، iade edildi"),
        ("completed with 1 codes by a person: sordum", "أُكمل يدوياً (رمز واحد): sordum"),
        ("completed with 1 code by a person: sordum", "أُكمل يدوياً (رمز واحد): sordum"),
        ("completed with 11 codes by a person: sordum", "أُكمل يدوياً (11 رمزاً): sordum"),
        ("dismissed: sordum (one of 3 orders)", "أُغلق التنبيه: sordum (إجراء جماعي: 3 طلبات)"),
        (
            "timeout: no outcome within 7200 s of sending, one last check included",
            "انتهت المهلة: لا نتيجة خلال 7,200 ثانية من الإرسال، مع استعلام أخير",
        ),
        ("timeout: no outcome within 1e+06 s of sending", "انتهت المهلة: لا نتيجة خلال 1e+06 من الإرسال"),
        (
            "2 orders need a person: no_code. The oldest since 2026-05-14 03:12.",
            "تحتاج إلى تدخّل: طلبان. السبب: اكتمل بلا رمز. الأقدم منذ 2026-05-14 03:12.",
        ),
        ("completed (late: it had timed out)", "مكتمل (متأخّر: كانت مهلته قد انتهت)"),
    ],
)
def test_stored_sentences_in_arabic(text: str, said: str) -> None:
    assert re.sub(r"<[^>]+>", "", ARABIC.said(text)) == said
    assert re.sub(r"<[^>]+>", "", ENGLISH.said(text)) == text


def test_a_number_is_written_without_an_exponent() -> None:
    """Six digits, which is what `g` alone has, are too few for seconds: 1e+06 is not read back."""
    formats = re.compile(r":[<>^+,0-9]*(?:\.(\d+))?[eg]\}")
    for root in ROOTS:
        for path in root.rglob("*.py"):
            assert {found[1] for found in formats.finditer(path.read_text())} <= {"15"}, path
    assert stored.read(f"no outcome within {float(MOST_SECONDS):.15g} s of sending") == (
        "no outcome within {seconds} s of sending",
        {"seconds": str(MOST_SECONDS)},
    )


def test_an_error_keeps_its_sentence_and_speaks_english() -> None:
    error = ValueError(Said("line {line} of the codes: {error}", line=3, error=Said("this is not a code")))
    assert str(error) == said_by(error) == "line 3 of the codes: this is not a code"
    assert ARABIC.said(said_by(error)) == 'السطر <bdi class="ltr">3</bdi> من الرموز: هذا ليس رمزاً'
    assert said_by(ValueError("other")) == "other" and said_by(ValueError()) == ""


def test_a_copy_is_the_sentence_itself_whatever_others_wrote_in_it() -> None:
    """`asdict` makes one for each answer of the command line in JSON."""
    sentence = Said("still invalid: {error}", error="the body is {'a': 1} {")
    assert copy.deepcopy([sentence])[0] is sentence


def test_values_are_escaped() -> None:
    assert "<b>" not in ARABIC.said(Said("{provider} is down: {error}", provider="<b>", error="<b>x"))


def test_single_words_are_those_of_the_pages() -> None:
    assert ARABIC.words("completed, stale") == "مكتمل، أقدم مما نعرف"
    assert ARABIC.words("viewer") == "مشاهد" and ENGLISH.words("viewer") == "<bdi>viewer</bdi>"
    assert ARABIC.event("completed", "completed") == "مكتمل"
    assert ARABIC.contradiction("failed, iade") == "فشل، <bdi>iade</bdi>"
    assert ARABIC.step("adopted") == sentences_ar.TEXTS["step adopted"]
    assert "adopted" in ENGLISH.step("adopted")
