"""What people read: every text in both languages, counts that agree, times with their zone."""

import ast
import re
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from string import Formatter

import pytest

import gateway.web.ops
from gateway.web.ops import (
    browsers,
    callbacks,
    completion,
    login,
    order,
    provider,
    providers,
    pulses,
    reconcile,
    reports,
    sentences,
    shapes,
    story,
    troubles,
    words_ar,
    words_en,
)
from gateway.web.ops.desk import ENTRIES
from gateway.web.ops.language import Reader, plural_form
from models.person import Role

HERE = Path(gateway.web.ops.__file__).parent
NOW = datetime(2026, 5, 14, 0, 12, 32, tzinfo=UTC)
#: Texts that templates put together, by their beginnings.
JOINED = {
    "bulk ": [*(action.value for action in order.deeds.IN_BULK), "replay", "redeliver"],
    "result ": [kept.value for kept in callbacks.Kept],
    "last ": ["1h", "24h", "7d"],
    "rule ": [
        *("stuck_orders", "provider_down", "balance_low", "balance_gap"),
        *("callbacks_silent", "scheduler_dead", "notification_dead", "oldest_waiting"),
    ],
}
ARABIC = re.compile("[\u0600-\u06ff]")
ARABIC_OR_LATIN = re.compile("[A-Za-z\u0600-\u06ff]")


def in_templates() -> set[str]:
    """Every text of a template: what `t` is called with, and what stands in its tables of words."""
    found = set()
    for path in HERE.glob("templates/*.html"):
        source = path.read_text()
        found |= set(re.findall(r"""\bt\("([^"]+)"(?! ~)""", source))
        found |= set(re.findall(r"""\bt\('([^']+)'(?! ~)""", source))
        for table in re.findall(r"{% set \w+ = ({\".*?}) %}", source):
            found |= set(ast.literal_eval(table).values())
        for call in re.findall(r"{{ (?:fact|picked|typed|act)\((.*?)\) }}", source):
            found |= {each for each in re.findall(r'"([^"]*)"', call) if each[:1].isupper() or " " in each}
        for given in re.findall(r"""\bt\((?=[^"'])([^()]*)""", source):
            found |= set(re.findall(r'"([^"]+)"', given))
    hints = re.compile(r"\d[hd], ")
    return {each for each in found if ARABIC_OR_LATIN.search(each) and not hints.match(each)} - {
        "UUID",
        *JOINED,
        *words_en.COUNTED,
    }


def in_code() -> set[str]:
    found = {each.word for each in (*shapes.STAGES.values(), *shapes.KINDS.values())}
    for each in (*sentences.ADVICE.values(), sentences.UNKNOWN, sentences.ELSEWHERE):
        found |= {each.why, each.next} | ({each.unasked} if each.unasked else set())
    found |= {
        *sentences.UNASKED.values(),
        *(english for _, english in story.WHYS),
        *completion.NAMES.values(),
    }
    found |= {*provider.STRATEGIES.values(), *provider.ASKED.values(), *provider.FORMATS.values()}
    found |= {*provider.ORIGINS, *providers.CHANGES.values(), "Balance"}
    for parts in sentences.STAGES.values():
        found |= {part for part in parts if part}
    found |= {*sentences.FAILED.values(), *order.DONE.values(), *order.REASONS, *story.SOURCES.values()}
    found |= {text for each in order.BUTTONS.values() for text in (each.text, each.hint)}
    found |= {*provider.DONE.values(), login.WRONG, login.WRONG_KEY, *map(str, Role)}
    found |= {each.text for each in ENTRIES} | set(reports.KEYS.values())
    found |= {text for each in reconcile.ADVICE.values() for text in (each.word, each.next)}
    found |= {text for said in troubles.SAID.values() for text in said if ARABIC_OR_LATIN.search(text)}
    found -= {troubles.SAID["stuck"][0]}
    found |= {*troubles.LINKS, *provider.REASONS, *(word for _, word in providers.STATES.values())}
    found |= {*reconcile.COLUMNS.values(), *pulses.TOLD.values()}
    found |= {each.title for each in reports._charts([], "USD")}
    found |= {
        "Queue",
        "Workers",
        "Scheduler",
        "Sweep",
        "Work in time",
        "Up",
        "Down",
        "Paused",
        "No balance",
        "Balance low",
    }
    found |= {
        "It failed.",
        "It is delivered.",
        "It is delivered, without a code.",
        "To try again, resend it.",
    }
    return found | {f"{begin}{end}" for begin, ends in JOINED.items() for end in ends}


def test_every_text_is_there_in_arabic() -> None:
    assert len(in_templates()) > 150
    wanted = in_templates() | in_code() | {"{time} ago"}
    assert sorted(wanted - words_ar.TEXTS.keys()) == []


def test_what_is_put_together_has_english_words() -> None:
    joined = {f"{begin}{end}" for begin, ends in JOINED.items() for end in ends}
    assert joined == words_en.TEXTS.keys()


def test_a_translation_has_the_same_places_and_is_arabic() -> None:
    def places(each: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(each) if name}

    for text, said in words_ar.TEXTS.items():
        assert places(said) == places(text), text
        is_bare = not re.search(r"[^\W\d]", re.sub("\u2066.*?\u2069|{[a-z_]+}", "", said))
        assert ARABIC.search(said) or is_bare or text == "Referans", text


def test_counts_have_all_forms_in_both_languages() -> None:
    assert words_ar.COUNTED.keys() == words_en.COUNTED.keys()
    for what, count in product(words_ar.COUNTED, range(120)):
        for code in ("en", "ar"):
            assert Reader(code, "UTC", NOW).counted(count, what)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "لا طلبات"),
        (1, "طلب واحد"),
        (2, "طلبان"),
        (3, "3 طلبات"),
        (10, "10 طلبات"),
        (11, "11 طلباً"),
        (37, "37 طلباً"),
        (100, "100 طلب"),
        (102, "102 طلب"),
        (103, "103 طلبات"),
        (12408, "12,408 طلبات"),
    ],
)
def test_arabic_counts_agree(count: int, said: str) -> None:
    assert Reader("ar", "UTC", NOW).counted(count, "order") == said


def test_plural_forms_are_those_of_cldr() -> None:
    assert [plural_form("en", count) for count in (0, 1, 2)] == ["other", "one", "other"]
    forms = {
        "zero": (0,),
        "one": (1,),
        "two": (2,),
        "few": (3, 10, 103, 1010),
        "many": (11, 26, 99, 111),
        "other": (100, 101, 102, 200),
    }
    for form, counts in forms.items():
        assert {plural_form("ar", count) for count in counts} == {form}


def test_times_are_in_the_zone_and_say_so() -> None:
    reader = Reader("en", "Asia/Damascus", NOW)
    assert reader.clock(NOW - timedelta(seconds=20)) == "03:12:12"
    assert reader.clock(NOW - timedelta(hours=4)) == "2026-05-13 23:12:32"
    assert reader.zone == "Damascus, UTC+3"
    assert "2026-05-14 03:12:32 Damascus, UTC+3" in reader.when(NOW)
    assert Reader("en", "UTC", NOW).zone == "UTC, UTC"
    assert Reader("en", "Asia/Kolkata", NOW).zone == "Kolkata, UTC+5:30"


def test_a_length_that_stands_alone_has_its_own_dual_in_arabic() -> None:
    reader = Reader("ar", "UTC", NOW)
    assert [reader.length(seconds) for seconds in (7200, 10_800)] == ["ساعتان", "3 ساعات"]
    assert [reader.lasting(seconds) for seconds in (7200, 10_800)] == ["ساعتين", "3 ساعات"]
    assert Reader("en", "UTC", NOW).length(7200) == "2 h"


def test_a_share_keeps_its_sign_behind_it_in_arabic() -> None:
    said = Reader("ar", "UTC", NOW).text("usually {share}", share="91.8%")
    assert said == 'المعتاد <bdi class="ltr">91.8%</bdi>'


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
            "Chrome · Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1",
            "Safari · iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36 Edg/126.0", "Edge · Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        (None, "–"),
    ],
)
def test_browsers_have_names(agent: str | None, said: str) -> None:
    assert browsers.name(agent) == said


@pytest.mark.parametrize(
    ("seconds", "said", "in_arabic"),
    [
        (0, "0 s ago", "منذ 0 ثانية"),
        (59.9, "59 s ago", "منذ 59 ثانية"),
        (300, "5 min ago", "منذ 5 دقائق"),
        (7200, "2 h ago", "منذ ساعتين"),
        (90_000, "1 day ago", "منذ يوم"),
    ],
)
def test_ages(seconds: float, said: str, in_arabic: str) -> None:
    at = NOW - timedelta(seconds=seconds)
    assert Reader("en", "UTC", NOW).age(at) == said
    assert Reader("ar", "UTC", NOW).age(at) == in_arabic
