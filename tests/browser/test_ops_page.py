"""The night shift: somebody writes that a customer never got the code, and the operator has a phone and a minute."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.fulfilment import reconciling
from models import bulk, report, statement
from models.db import database
from models.status import ExternalStatus
from tests import factories, long
from tests.browser.conftest import PageFor
from tests.browser.usable import SIDEWAYS, TOO_SMALL, faults

PATHS = (
    *("/ops", "/ops/orders", "/ops/orders/{id}", "/ops/stuck", "/ops/bulk/new?needs=conflict", "/ops/bulk"),
    *("/ops/providers", "/ops/providers/sandbox", "/ops/callbacks", "/ops/callbacks/1", "/ops/account"),
    *("/ops/notifications", "/ops/orders?q=nothing", "/ops/reports", "/ops/reports?period=today&by=day"),
    *("/ops/reconcile", "/ops/reconcile/1", "/ops/orders/{id}/proof"),
)


@pytest.fixture
def orders(pool: object) -> dict[str, Any]:
    """The order of the sentence, which has no code, among others; three contradict themselves."""
    with database.session():
        for number in range(3):
            found = factories.sent(f"521000000{number}")
            factories.settle(factories.arrival(found, ExternalStatus.COMPLETED, pin="PIN-1234-ABCD"))
            factories.settle(factories.arrival(found, ExternalStatus.FAILED, message="Iptal edildi"))
        wanted = factories.sent("5123456789")
        factories.settle(factories.arrival(wanted, ExternalStatus.COMPLETED, message="Tamamlandi"))
        factories.put(wanted, attention="no_code")
        report.begin("Asia/Damascus")
        report.sum_up_next("Asia/Damascus")
        statement_id = statement.begin(factories.SANDBOX, "may.csv", "rana", {})
        content = f"referans,player,amount\n{wanted['provider_referans']},x,1.25\n999999999999999,y,5.00\n"
        reconciling.compare(statement_id, content.encode(), "UTC")
    return wanted


def status(found: dict[str, Any]) -> Any:
    with database.session():
        return factories.column(found, "attention"), factories.column(found, "checkRequestedAt") is not None


def test_from_the_sentence_to_the_cure_on_a_phone(page_for: PageFor, orders: dict[str, Any]) -> None:
    page = page_for(is_phone=True)
    page.fill(".find input", "5123456789")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ops/orders/{orders['id']}")
    expect(page.locator(".verdict")).to_contain_text("Completed without a code")

    page.click(".verdict >> text=Check now")
    sheet = page.locator("#sheet-check")
    expect(sheet).to_be_visible()
    sheet.locator("input[name=reason]").fill("the customer asks")
    sheet.locator("button.primary").click()
    expect(page.locator(".note.ok")).to_contain_text("The provider is being asked")
    assert status(orders) == ("no_code", True)

    page.click("summary >> text=Complete with codes")
    page.locator("#do-complete textarea").fill("PIN-5678-EFGH")
    page.locator("#do-complete input[name=reason]").fill("the panel shows it")
    page.locator("#do-complete button.primary").click()
    expect(page.locator(".note.ok")).to_contain_text("The order is completed.")
    assert status(orders)[0] is None
    assert "PIN-5678" not in page.content()
    page.click("text=Show codes")
    expect(page.locator(".codes")).to_contain_text("PIN-5678-EFGH")


def test_all_of_a_kind_on_a_desk(page_for: PageFor, orders: dict[str, Any]) -> None:
    page = page_for()
    page.click("nav >> text=Stuck")
    page.click("#conflict >> text=Accept all…")
    expect(page.locator("h1")).to_have_text("This is about 3 orders.")
    form = page.locator("details[open] form")
    form.locator("input[name=reason]").fill("safran confirmed it")
    form.locator("button.primary").click()
    expect(page.locator("#progress")).to_contain_text("Running")
    with database.session():
        while bulk.work_on_next(1, lambda order_id, seen: None):
            pass
        bulk.note_progress(1)
    expect(page.locator("#progress")).to_contain_text("Done")  # it looks again by itself


def test_a_statement_is_uploaded_in_parts_and_compared(
    page_for: PageFor, orders: dict[str, Any], tmp_path: Path
) -> None:
    lines = "".join(f"9{number:014},player-{number},1.25\n" for number in range(3000))
    file = tmp_path / "june.csv"
    file.write_text(f"referans,player,amount\n{orders['provider_referans']},x,1.25\n{lines}")
    page = page_for()
    page.goto("/ops/reconcile")
    page.click("summary >> text=Compare a statement")
    page.locator("input[type=file]").set_input_files(file)
    page.click("button >> text=Compare")
    page.wait_for_url("**/ops/reconcile/2")
    expect(page.locator("h1")).to_have_text("It is being compared.")
    with database.session():
        content = statement.take(2)
        assert content == file.read_bytes()
        reconciling.compare(2, content, "UTC")
    expect(page.locator("h1")).to_contain_text("3,000 lines differ")  # it looks again by itself


def test_the_search_is_one_key_away(page_for: PageFor) -> None:
    page = page_for()
    page.keyboard.press("/")
    page.keyboard.type("provider:sandbox")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ops/orders?provider=sandbox")


def test_the_search_suggests_filters_and_their_values(page_for: PageFor) -> None:
    page = page_for(language="ar")
    field, options = page.locator(".find input"), page.locator("#suggest [role=option]")
    field.type("prov")
    expect(options).to_have_count(1)
    page.keyboard.press("Tab")
    expect(field).to_have_value("provider:")
    expect(options.first).to_have_text("sandbox")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(field).to_have_value("provider:sandbox ")
    field.type("sta")
    options.first.click()
    expect(field).to_have_value("provider:sandbox stage:")
    expect(options).to_have_count(7)
    page.keyboard.press("Escape")
    expect(page.locator("#suggest")).to_be_hidden()
    field.type("sent")
    expect(options.first).to_contain_text("مُرسَل")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ops/orders?provider=sandbox&stage=sent")


def test_without_a_script_everything_works(
    chromium: Any, address: str, page_for: Callable[..., Page], orders: dict[str, Any]
) -> None:
    page_for()  # there is a person
    page = chromium.new_context(java_script_enabled=False, base_url=address).new_page()
    page.goto("/ops/login")
    page.fill("input[name=name]", "rana")
    page.fill("input[name=password]", "correct horse")
    page.click("button.primary")
    page.goto(f"/ops/orders/{orders['id']}")
    page.click(".verdict >> text=Check now")
    page.fill("#sheet-check input[name=reason]", "to be sure")
    page.click("#sheet-check button.primary")
    expect(page.locator(".note.ok")).to_contain_text("The provider is being asked")
    page.context.close()


@pytest.mark.parametrize(
    ("is_phone", "language", "theme"),
    [
        (False, "en", "light"),
        (True, "ar", "dark"),
        pytest.param(True, "en", "light", marks=long.only),
        pytest.param(False, "ar", "light", marks=long.only),
    ],
)
def test_every_page_fits_and_can_be_used_by_everybody(
    page_for: PageFor, orders: dict[str, Any], is_phone: bool, language: str, theme: str
) -> None:
    page = page_for(is_phone=is_phone, language=language, theme=theme)
    for path in PATHS if not is_phone else long.either(PATHS[::2], PATHS):
        answer = page.goto(path.format(id=orders["id"]))
        assert answer and answer.status == 200, path
        assert page.evaluate(SIDEWAYS) <= 0, path
        assert page.get_attribute("html", "dir") == ("rtl" if language == "ar" else "ltr")
        if is_phone:
            assert page.evaluate(TOO_SMALL) == [], path
        assert faults(page) == [], path


def test_the_pages_are_those_of_the_navigation(page_for: PageFor, orders: dict[str, Any]) -> None:
    page = page_for()
    links = page.locator("nav a").evaluate_all("all => all.map(each => each.getAttribute('href'))")
    assert set(links) <= set(itertools.chain(PATHS))
