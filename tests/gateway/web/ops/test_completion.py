"""What the search field suggests: filters, then their values."""

import re

import pytest

from models import route
from models.db import database
from tests import factories
from tests.gateway.web.ops.browser import Browser


@pytest.fixture
def known(pool: object) -> None:
    """Two providers, and products with capitals and blanks."""
    with database.session():
        factories.add_provider("kuzey")
        for product in ("Star Arena", "steam"):
            route.add(product, "60", "kuzey", {"oyun": "1", "kupur": "60"})


def suggested(browser: Browser, text: str) -> list[str]:
    answer = browser.get("/ops/complete", q=text)
    assert answer.status_code == 200
    return [each.replace("&#34;", '"') for each in re.findall(r'data-search="([^"]*)"', answer.text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pro", ["provider:", "product:"]),
        ("provider:", ["provider:kuzey ", "provider:sandbox "]),
        ("provider:K", ["provider:kuzey "]),
        ("provider:x", []),
        ("product:st", ['product:"Star Arena" ', "product:steam "]),
        ('product:"Star', ['product:"Star Arena" ']),
        ("stage:comp", ["stage:completed "]),
        ("needs:no_c", ["needs:no_code "]),
        ("since:1", ["since:1h "]),
        ("stage:sent prov", ["stage:sent provider:"]),
        ("stage:sent sta", []),  # it is there already
        ("5123456789", []),
        ("5123456789 pro", []),  # a search for a player takes no filter
        ("nonsense:x", []),
    ],
)
def test_what_is_written_last_is_completed(viewer: Browser, known: None, text: str, found: list[str]) -> None:
    assert suggested(viewer, text) == found


def test_an_empty_field_names_every_filter(viewer: Browser) -> None:
    assert len(suggested(viewer, "")) == 9


def test_a_value_with_blanks_stands_in_quotation_marks(viewer: Browser, known: None) -> None:
    answer = viewer.get("/ops/orders", q='product:"Star Arena" stage:sent')
    assert answer.headers["location"] == "/ops/orders?product=Star+Arena&stage=sent"
    text = viewer.get("/ops/orders", product="Star Arena").text
    assert 'value="product:&#34;Star Arena&#34;"' in text


def test_suggestions_are_for_those_who_are_signed_in(stranger: Browser) -> None:
    assert stranger.get("/ops/complete", q="pro").status_code == 303
