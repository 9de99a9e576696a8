"""An operator with a phone and nothing but the page: what is read, pressed and typed is counted, and timed.

Texts are given in English, and looked for in the language of the page.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

from gateway.web.ops.language import Reader, now
from tests.browser.conftest import DESK, PHONE
from tests.browser.usable import SIDEWAYS, TOO_SMALL, faults

#: What a person needs beside the machine: seconds for a press, words read and characters typed in a second.
PRESS_SECONDS, WORDS_A_SECOND, CHARACTERS_A_SECOND = 1.5, 4, 4
PASSWORD = "correct horse"


@dataclass
class Phone:
    """A browser of a phone's size in which a person is signed in; or of a desk's."""

    page: Page
    shots: Path
    reader: Reader = field(default_factory=lambda: Reader("en", "UTC", now()))
    is_desk: bool = False
    began: float = 0.0
    pages: int = 0
    presses: int = 0
    words: int = 0
    typed: int = 0
    _read: set[str] = field(default_factory=set)

    @classmethod
    def signed_in(cls, chromium: Browser, address: str, name: str, shots: Path) -> "Phone":
        phone = cls.before_sign_in(chromium, address, shots)
        phone.sign_in(name)
        return phone

    @classmethod
    def before_sign_in(
        cls, chromium: Browser, address: str, shots: Path, *, language: str = "en", is_desk: bool = False
    ) -> "Phone":
        """One that shows the form to sign in."""
        context = chromium.new_context(
            base_url=address,
            viewport=DESK if is_desk else PHONE,  # type: ignore[arg-type]
            has_touch=not is_desk,
            is_mobile=not is_desk,
        )
        page = context.new_page()
        page.goto(f"/ops/login?lang={language}")
        return cls(page, shots, Reader(language, "UTC", now()), is_desk)

    def sign_in(self, name: str) -> None:
        self.type("input[name=name]", name)
        self.type("input[name=password]", PASSWORD)
        self.page.click("button.primary")
        self.presses += 1
        self.page.wait_for_url("**/ops")

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
        for each in map(self.said, said):
            part.get_by_text(each).first.wait_for(timeout=1000 * timeout_seconds)
        text = part.inner_text()
        if text not in self._read:
            self.words += len(text.split())
            self._read.add(text)
        return text

    def press(self, what: str, *, within: str = "main") -> None:
        """Press what has this text."""
        self.follow(self._pressable(what, within))

    def follow(self, link: Locator) -> None:
        """Press it."""
        before = self.page.url.partition("#")[0]
        link.click()
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
        assert self.is_desk or self.page.evaluate(TOO_SMALL) == [], name
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
        found = self.page.locator(within).locator("a, button, summary").filter(has_text=self.said(text))
        return found.locator("visible=true").first

    def said(self, english: str) -> str:
        return self.reader.text(english).unescape()
