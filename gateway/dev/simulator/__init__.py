"""A znet dealer panel to develop and test against: it takes orders, settles them and calls back.

    with Simulator(callback_url="http://localhost:8000/callbacks/sandbox", callback_secret="whsec_…") as panel:
        requests.get(f"{panel.url}/servis/bakiye_kontrol.php", params={"kod": "sandbox", "sifre": "sandbox"})

It speaks the provider's side of the protocol and shares no code with the adapters. The player id chooses what an order
does (`ali+poll+after=3`: see `behaviours`, or GRAMMAR for the table), and /sim/ what the whole panel does (see
`control`). It accepts any `oyun` and `kupur`; the price is the catalogue's, or 10.12 TRY. In a URL typed by hand `+`
means a space: write `ali%2Bpoll`.
"""

from gateway.dev.simulator.behaviours import GRAMMAR
from gateway.dev.simulator.book import Book, Order, State
from gateway.dev.simulator.callbacks import STYLES
from gateway.dev.simulator.pins import pin_for
from gateway.dev.simulator.simulator import PORT, Simulator, serve

__all__ = ["GRAMMAR", "PORT", "STYLES", "Book", "Order", "Simulator", "State", "pin_for", "serve"]
