"""Whether a page can be used by everybody: what axe finds, what is smaller than a finger, what goes over the edge."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).with_name("axe.min.js").read_text()
#: Everything that is pressed, and is smaller than a finger.
TOO_SMALL = """[...document.querySelectorAll('a, button, input:not([type=hidden], [type=checkbox]), select, summary')]
    .filter(each => { const box = each.getBoundingClientRect();
        return box.height > 0 && box.height < 43.5 && !each.closest('p, .list') })
    .map(each => each.outerHTML.slice(0, 100))"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def faults(page: Page) -> Any:
    """What axe finds, which is loaded beside the page's own policy, since that forbids it."""
    talk = page.context.new_cdp_session(page)
    talk.send("Runtime.evaluate", {"expression": AXE})
    found = talk.send(
        "Runtime.evaluate",
        {
            "expression": "axe.run().then(found => JSON.stringify(found.violations.map("
            "each => [each.id, each.impact, each.nodes[0].html])))",
            "awaitPromise": True,
        },
    )
    return json.loads(found["result"]["value"])
