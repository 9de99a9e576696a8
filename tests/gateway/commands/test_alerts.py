"""`gateway alerts`: incidents, and whether every place takes what it is told."""

import json

import pytest

from models import alert
from models.alert import Firing
from tests.gateway.commands.conftest import Models, Run
from tests.gateway.fulfilment.test_notifying import SECRET, shop_open

DOWN = Firing("provider_down", "kuzey", "The provider kuzey is down.", "/ops/providers/kuzey")


def test_incidents_are_listed(cli: Run, models: Models) -> None:
    assert "No incidents." in cli("alerts", "list").err
    with models():
        alert.note([DOWN], [])
    assert "goes on" in cli("alerts", "list").out
    [found] = json.loads(cli("alerts", "list", "--json").out)
    assert (found["rule"], found["subject"], found["endedAt"]) == ("provider_down", "kuzey", None)


def test_every_place_is_tried(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no place is configured" in cli("alerts", "test").err
    with shop_open() as shop:
        for name, value in {
            "ALERT_URL": shop.url,
            "ALERT_SMTP_URL": "smtp://127.0.0.1:1",
            "ALERT_EMAIL": "rana@shop.example",
            "NOTIFY_SECRET": SECRET,
        }.items():
            monkeypatch.setenv(name, value)
        done = cli("alerts", "test")
        assert (done.code, done.out) == (1, "url: sent\nemail: not sent: ConnectionRefusedError\n")
        assert shop.requests[0].document["data"]["rule"] == "test"
