"""What Prometheus and Grafana are given in docs/monitoring: each expression is read by a parser of PromQL, and asks for
what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from gateway import measuring
from gateway.web import metrics
from models import gauges

HERE = Path(__file__).parent.parent / "docs" / "monitoring"
RULES = yaml.safe_load((HERE / "alerts.yml").read_text())
DASHBOARD = json.loads((HERE / "grafana.json").read_text())
NAME = re.compile(r"\breferans_\w+")
HISTOGRAM = ("_bucket", "_count", "_sum")


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def known() -> dict[str, set[str]]:
    """Each name that `/metrics` has, with the labels it may have."""
    found = {f"{one.name}_total": set(one.labels) for one in measuring.COUNTERS}
    for one in measuring.HISTOGRAMS:
        found |= {f"{one.name}{end}": {*one.labels, "le"} for end in HISTOGRAM}
    found |= {f"{metrics.SECONDS[0]}{end}": {"provider", "le"} for end in HISTOGRAM}
    found[f"{metrics.ENDED[0]}_total"] = {"provider", "end", "by"}
    source = Path(metrics.__file__).read_text()
    for name, label in re.findall(r'"(referans_\w+)",\s*"[^"]*",\s*"(\w+)"', source):
        found[name] = {label}
    for name in {*re.findall(r'"(referans_\w+)"', source), *(f"referans_{one}" for one in gauges.TEXTS)}:
        found.setdefault(name, set())
    return found


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        below = getattr(node, name, None)
        if below is not None and not isinstance(below, (str, int, float)):
            yield from selectors(below)
    for argument in getattr(node, "args", None) or ():
        yield from selectors(argument)


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_is_whole_and_asks_for_what_there_is(expression: str) -> None:
    names = known()
    found = list(selectors(promql_parser.parse(expression)))
    assert {each.name for each in found} - {"up"} == set(NAME.findall(expression))
    for each in found:
        if each.name != "up":
            assert {matcher.name for matcher in each.matchers.matchers} <= names[each.name], each.name


def test_every_expression_of_a_histogram_keeps_its_bounds() -> None:
    for expression in expressions():
        if "histogram_quantile" in expression:
            assert re.search(r"by \([\w, ]*\ble\)", expression), expression


def test_a_rule_or_a_panel_asks_for_everything_that_is_measured() -> None:
    asked = " ".join(expressions())
    assert [one.name for one in (*measuring.COUNTERS, *measuring.HISTOGRAMS) if one.name not in asked] == []


def test_every_rule_says_how_grave_it_is_and_what_is_wrong() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
