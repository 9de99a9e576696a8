"""The panel's catalogue, with the mix of strings and numbers that panels send."""

from decimal import Decimal
from typing import Any

#: Price of every `oyun` and `kupur` that is not in the list below, in TRY: a sandbox route may be for any package.
DEFAULT_PRICE = Decimal("10.12")

PACKAGES: tuple[dict[str, Any], ...] = (
    {
        "id": "101",
        "adi": "60 UC",
        "aciklama": "PUBG Mobile 60 UC",
        "oyun_id": "11",
        "oyun_adi": "PUBG Mobile",
        "fiyat": "25.50",
        "kupur": "60",
        "oyun_bilgi_id": "1",
    },
    {
        "id": 102,
        "adi": "325 UC",
        "aciklama": "",
        "oyun_id": 11,
        "oyun_adi": "PUBG Mobile",
        "fiyat": 127.5,
        "kupur": 325,
        "oyun_bilgi_id": 1,
    },
    {
        "id": "201",
        "adi": "100 Elmas",
        "aciklama": None,
        "oyun_id": "12",
        "oyun_adi": "Free Fire",
        "fiyat": 30,
        "kupur": "100",
        "oyun_bilgi_id": "2",
    },
    {
        "id": 301,
        "adi": "Steam 50 TL Cüzdan Kodu",
        "aciklama": "Türkiye hesapları için",
        "oyun_id": 13,
        "oyun_adi": "Steam",
        "fiyat": "49.9",
        "kupur": 50,
        "oyun_bilgi_id": "3",
    },
)


def price_of(oyun: str, kupur: str) -> Decimal:
    """The price of a denomination in TRY; DEFAULT_PRICE if the list does not have it."""
    for package in PACKAGES:
        if (str(package["oyun_bilgi_id"]), str(package["kupur"])) == (oyun, kupur):
            return Decimal(str(package["fiyat"]))
    return DEFAULT_PRICE
