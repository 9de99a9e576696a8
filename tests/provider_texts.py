"""Codes and credentials as providers put them into texts, and the search for them in everything that is kept."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from models.db import database
from tests import factories
from tests.conftest import TABLES

CODE = "WXYZ-4821-KLMN-7735"
#: The same code as panels write it into their texts.
SPELLINGS = (CODE, CODE.replace("-", ""), CODE.replace("-", " "), CODE.lower(), CODE.replace("-", "."))
#: Letters and digits of a part of the code that is long enough to be worth something.
PART = re.compile(r"4821.?KLMN|KLMN.?7735|WXYZ.?4821", re.IGNORECASE)
CREDENTIALS = {**factories.CREDENTIALS, "kod": "Dealer&Söhne", "sifre": 'Hunter"two +&ü'}
SECRETS = (CREDENTIALS["kod"], CREDENTIALS["sifre"], "Hunter", "Söhne", quote("Söhne"))

_FILL = {
    "code": CODE,
    "plain": SPELLINGS[1],
    "spaced": SPELLINGS[2],
    "kod": CREDENTIALS["kod"],
    "sifre": CREDENTIALS["sifre"],
    "query": f"kod={quote_plus(CREDENTIALS['kod'])}&sifre={quote(CREDENTIALS['sifre'])}",
}
#: Answers to any question that cannot be read, or that refuse it.
ANY = (
    "OK;2;<code>;Yüklendi",
    '{"status": "ok", "pin": "<code>", "aciklama": "<plain>"}',
    "TAMAM|2|<code>|x",
    "<code>",
    "Notice: Undefined index in check.php\nOK|2|<spaced>|ok",
    '<html><a href="/servis/pin_ekle.php?<query>">HATA</a> <code></html>',
    "8|Bağlantı hatası: kod <kod>, sifre <sifre> yanlış",
    "8|http://p/servis/pin_ekle.php?<query> <code>",
    "3|<sifre> şifresi hatalı, kod: <kod>",
    "ERROR|<code>",
)
SENDS = (
    *ANY,
    "3|Stok yok, son kod <code> idi",
    "8|Bu işlem daha önce gönderilmiş, PIN <spaced>",
    "3|Paket kapalı, PIN:<plain>",
    "OK|<code>",
    f"3|{'Geçersiz paket ' * 100}<code>",
)
CHECKS = (
    *ANY,
    "OK|2|<code>|PIN <code> teslim edildi",
    "OK|2|<code>|<plain>",
    "OK|2|<code>|PIN: <spaced>, iyi oyunlar",
    "OK|2|Yok|PIN <code> teslim edildi",
    "OK|3||İptal edildi, <code> geçersiz",
    "OK|1||<plain> hazırlanıyor, bayi <kod>",
    "OK|2|<code>",
    "OK|9|<code>|x",
    "3|İşlem bulunamadı <code>",
    f"8|{'Sistem meşgul ' * 100}<code>",
)
BALANCES = (*ANY, "OK|abc|<code>", "OK|100.00|<code>")
CATALOGUES = (
    *ANY,
    '{"success": false, "error": "kod <kod>, sifre Hunter\\"two +&ü, PIN <code>"}',
    '{"success": true, "result": ["<code>"]}',
    '{"success": true, "result": [{"oyun_bilgi_id": 1, "id": 1, "adi": "60 UC <kod>"}]}',
)


def filled(template: str) -> str:
    """An answer with its code and credentials in it."""
    return re.sub(r"<(\w+)>", lambda found: _FILL.get(found[1], found[0]), template)


def assert_clean(text: object) -> None:
    """No spelling of the code, no part of it and no credential stands in it."""
    shown = str(text)
    assert PART.search(shown) is None, shown
    assert not [secret for secret in SECRETS if secret in shown], shown


def everything_kept() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every row of every table, by the table's name."""
    for table in map(str.strip, TABLES.split(",")):
        for row in database.rows(f"SELECT to_jsonb(t) AS row FROM {table} AS t"):
            yield table.removeprefix("referans."), row["row"]
