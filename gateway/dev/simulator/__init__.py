"""Providers to develop and test against: they take orders, settle them and call back.

    with Simulator(callback_url="http://localhost:8000/callbacks/sandbox", callback_secret="whsec_…") as panel:
        requests.get(f"{panel.url}/servis/bakiye_kontrol.php", params={"kod": "sandbox", "sifre": "sandbox"})

By default it is a znet dealer panel (`panel`); `Simulator(protocol="zdk")` is another provider (`described`, with one
sheet for each in `protocols/`). It speaks the provider's side and shares no code with the adapters. The player id
chooses what an order does (`ali+poll+after=3`: see `behaviours`, or GRAMMAR for the table), and /sim/ what the whole
provider does (see `control`). A panel accepts any `oyun` and `kupur`; the price is the catalogue's, or 10.12 TRY. In a
URL typed by hand `+` means a space: write `ali%2Bpoll`.
"""

from gateway.dev.simulator.behaviours import GRAMMAR
from gateway.dev.simulator.book import Book, Order, State
from gateway.dev.simulator.callbacks import STYLES
from gateway.dev.simulator.described import accounts
from gateway.dev.simulator.described.sheet import UnknownProtocol, calls_back
from gateway.dev.simulator.described.sheet import names as protocols
from gateway.dev.simulator.pins import pin_for
from gateway.dev.simulator.simulator import PORT, ZNET, Simulator, serve

__all__ = [
    "GRAMMAR",
    "PORT",
    "STYLES",
    "ZNET",
    "Book",
    "Order",
    "Simulator",
    "State",
    "UnknownProtocol",
    "accounts",
    "calls_back",
    "pin_for",
    "protocols",
    "serve",
]
