"""What Prometheus and Grafana are given in docs/monitoring: each expression is whole, and asks for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.web import metrics
from models import gauges

HERE = Path(__file__).parent.parent / "docs" / "monitoring"
RULES = yaml.safe_load((HERE / "alerts.yml").read_text())
DASHBOARD = json.loads((HERE / "grafana.json").read_text())
NAME = re.compile(r"\breferans_\w+")
#: Functions and words of PromQL that are used.
WORDS = {
    *("sum", "by", "rate", "increase", "histogram_quantile", "unless", "and", "or", "on", "up"),
    *("job", "kind", "provider", "le", "end", "result"),
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def known() -> set[str]:
    """The names of all metrics, as `/metrics` has them."""
    source = Path(metrics.__file__).read_text()
    found = set(re.findall(r'"(referans_\w+)"', source)) | {f"referans_{name}" for name in gauges.TEXTS}
    return found | {f"{name}_total" for name in found} | {f"{metrics.SECONDS[0]}_bucket"}


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_is_whole_and_asks_for_what_there_is(expression: str) -> None:
    assert set(NAME.findall(expression)) <= known()
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)
    bare = re.sub(r'"[^"]*"|\[[0-9]+[smhd]\]|\b[0-9.]+\b|referans_\w+', " ", expression)
    assert set(re.findall(r"[a-zA-Z_]+", bare)) <= WORDS


def test_every_rule_says_how_grave_it_is_and_what_is_wrong() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
