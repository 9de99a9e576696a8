"""An operator with a phone and nothing but the page: what is read, pressed and typed is counted, and timed."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

from tests.browser.conftest import PHONE
from tests.browser.usable import SIDEWAYS, TOO_SMALL, faults

#: What a person needs beside the machine: seconds for a press, words read and characters typed in a second.
PRESS_SECONDS, WORDS_A_SECOND, CHARACTERS_A_SECOND = 1.5, 4, 4
PASSWORD = "correct horse"


@dataclass
class Phone:
    """A browser of a phone's size in which a person is signed in."""

    page: Page
    shots: Path
    began: float = 0.0
    pages: int = 0
    presses: int = 0
    words: int = 0
    typed: int = 0
    _read: set[str] = field(default_factory=set)

    @classmethod
    def signed_in(cls, chromium: Browser, address: str, name: str, shots: Path) -> "Phone":
        context = chromium.new_context(
            base_url=address,
            viewport=PHONE,
            has_touch=True,
            is_mobile=True,  # type: ignore[arg-type]
        )
        page = context.new_page()
        page.goto("/ops/login?lang=en")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/ops")
        return cls(page, shots)

    def open(self) -> None:
        """Start the stopwatch with the first page."""
        self.pages = self.presses = self.words = self.typed = 0
        self._read.clear()
        self.began = time.monotonic()
        self.page.goto("/ops")
        self.pages = 1

    def read(self, what: str, *said: str, timeout_seconds: float = 30) -> str:
        """Read a part of the page, once it says all of these."""
        part = self.page.locator(what).first
        for each in said:
            part.get_by_text(each).first.wait_for(timeout=1000 * timeout_seconds)
        text = part.inner_text()
        if text not in self._read:
            self.words += len(text.split())
            self._read.add(text)
        return text

    def press(self, what: str, *, within: str = "main") -> None:
        """Press what has this text."""
        before = self.page.url.partition("#")[0]
        self._pressable(what, within).click()
        self.presses += 1
        self.page.wait_for_load_state()
        self.pages += self.page.url.partition("#")[0] != before

    def type(self, where: str, text: str) -> None:
        """Type into a field, or choose a suggestion of it with one press."""
        self.page.locator(where).locator("visible=true").first.fill(text)
        self.presses += 1
        self.typed += len(text)

    def choose(self, where: str, text: str) -> None:
        """One of the suggested reasons: two presses."""
        self.page.locator(where).locator("visible=true").first.fill(text)
        self.presses += 2

    def photograph(self, name: str) -> None:
        """A picture of the page, which must be usable by everybody; the stopwatch stands still."""
        began = time.monotonic()
        self.page.screenshot(path=self.shots / f"{name}.png")
        assert self.page.evaluate(SIDEWAYS) <= 0, name
        assert self.page.evaluate(TOO_SMALL) == [], name
        assert faults(self.page) == [], name
        self.began += time.monotonic() - began

    @property
    def machine_seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def person_seconds(self) -> float:
        """The machine's time, and that of eyes and thumbs."""
        hands = PRESS_SECONDS * self.presses + self.typed / CHARACTERS_A_SECOND
        return self.machine_seconds + hands + self.words / WORDS_A_SECOND

    def _pressable(self, text: str, within: str) -> Locator:
        found = self.page.locator(within).locator("a, button, summary").filter(has_text=text)
        return found.locator("visible=true").first
