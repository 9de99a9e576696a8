"""Letting both systems run, and killing the gateway's processes meanwhile."""

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests import factories
from tests.acceptance.beside import cases, filling
from tests.acceptance.beside.audit import Audit
from tests.acceptance.beside.scene import PACE, PROCESSES, Scene
from tests.acceptance.beside.shop import Shop
from tests.acceptance.storm.storm import Every

#: Seconds between two looks at what is due, and between two at whether everything has ended.
TICK_SECONDS, LOOK_SECONDS = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run goes."""

    #: Orders of each side.
    orders: int
    kill_every_seconds: float
    kills: int
    #: Seconds within which everything must then have come to its end.
    patience_seconds: float
    #: Seconds between two sweeps; None leaves them to the scheduler.
    sweep_every_seconds: float | None = None


def run(scene: Scene, pace: Pace, echo: Callable[[str], None] = print) -> Audit:
    """Both systems from their start to the end of every order."""
    tell_panel(scene)
    for name, command in PROCESSES.items():
        scene.system.start(name, command)
    began = time.monotonic()
    shop = Shop(scene, pace.orders, filling.ORDER_TIMEOUT_SECONDS)
    shop.open()
    killed: Counter[str] = Counter()
    names = itertools.cycle(PROCESSES)
    kill = Every(pace.kill_every_seconds, next_at=pace.kill_every_seconds)
    sweep = Every(pace.sweep_every_seconds or math.inf, next_at=0 if pace.sweep_every_seconds else math.inf)
    look = Every(LOOK_SECONDS)
    over_at = math.inf
    while (seconds := time.monotonic() - began) < over_at and not shop.complaints:
        if killed.total() < pace.kills and kill.is_due(seconds):
            scene.kill(name := next(names))
            killed[name] += 1
            echo(f"{seconds:6.1f} s  {name} killed; {len(shop.by_id())} orders placed")
        if over_at == math.inf and killed.total() == pace.kills and shop.has_placed_all():
            echo(f"{seconds:6.1f} s  everything is placed; waiting for what is open")
            over_at = seconds + pace.patience_seconds
        if sweep.is_due(seconds):
            scene.system.sweep()
        if over_at < math.inf and look.is_due(seconds):
            seen = _audit(scene, shop, killed, began)
            if seen.is_clean() and scene.simulator.is_quiet():
                break
            open_still = {name: len(orders) for name, orders in seen.offences.items() if orders}
            echo(f"{seconds:6.1f} s  {open_still or 'the shop or the panel is not done'}")
        time.sleep(TICK_SECONDS)
    shop.close()
    return _audit(scene, shop, killed, began)


def _audit(scene: Scene, shop: Shop, killed: Counter[str], began: float) -> Audit:
    return Audit(
        found=cases.read(scene, shop),
        shop=shop,
        columns_of_ours=scene.columns_of_ours,
        first_check_seconds=float(PACE["FIRST_CHECK_DELAY"]),
        killed=killed,
        took_seconds=time.monotonic() - began,
    )


def tell_panel(scene: Scene) -> None:
    """The panel is sent what the shop has sent it long ago."""
    credentials = {name: factories.CREDENTIALS[name] for name in ("kod", "sifre")}
    with requests.Session() as session:
        session.trust_env = False
        for each in scene.filled:
            fields = {"oyun": "1", "kupur": "60", "referans": each.referans, "oyuncu_bilgi": each.player}
            session.get(f"{scene.simulator.url}/servis/pin_ekle.php", params=credentials | fields, timeout=10)
