"""What a znet panel's refusal is about, told by its words. Pure.

Every panel words them differently, so that only what leaves no doubt is certain. All patterns are matched against text
in lower case, with similar Latin letters for the Turkish ones (`znet.fold`), and take time in proportion to it.
"""

import re
from dataclasses import dataclass

from gateway.providers.base import About


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the words of a refusal mean; see `base.Refused`."""

    about: About = About.ORDER
    is_certain: bool = True
    lacks_balance: bool = False


#: The vendor's own words for an account that may not call; they begin with those of a lost connection.
VENDOR_ACCOUNT = re.compile(r"\bkullanici api yetki|\bkisitli ip\b")
#: No stock, or the product is not sold at this panel.
PRODUCT = re.compile(
    r"\bstok|out of stock|no stock"
    r"|\b(?:oyun|kupur|urun|paket|product|package)(?!cu)\w*(?: \w+){0,2}"
    r" (?:bulunama\w*|bulunmuyor|yok|kapali\w*|pasif\w*|gecersiz\w*|hatali\w*|mevcut degil|yetki\w*|satis\w*"
    r"|not found|not available|unavailable|closed|inactive|invalid)\b"
    r"|\b(?:gecersiz|hatali|pasif|eksik|invalid|unknown|inactive)"
    r" (?:oyun(?!cu)|kupur|urun|paket|product|package)"
)
#: The player is wrong.
CUSTOMER = re.compile(
    r"\b(?:gecersiz|hatali|yanlis|eksik) oyuncu|\b(?:invalid|wrong|unknown) player"
    r"|\b(?:oyuncu|player)\w*(?: \w+){0,2}"
    r" (?:bulunama\w*|bulunmuyor|yok|gecersiz\w*|hatali\w*|yanlis\w*|eksik\w*"
    r"|not found|invalid|wrong|does not exist)\b"
)
#: Our balance does not suffice.
BALANCE = re.compile(
    r"\byetersiz (?:bakiye|kredi)|\b(?:bakiye|kredi)\w* (?:yetersiz|yeterli degil|yok|bitti|bitmis|kalmadi)"
    r"|\b(?:insufficient|not enough|no) (?:balance|funds|credit)\b"
)
#: Our account may not call, or its credentials are wrong.
ACCOUNT = re.compile(
    r"\bapi yetki|\bip\b(?: \w+){0,3} (?:yetki\w*|izin\w*|tanimli degil|kisitli|engelli|not allowed)"
    r"|\bbayi(?! degil)\w*(?: \w+){0,2} (?:bulunama\w*|yok|gecersiz|hatali|yanlis|pasif|kapali|askida)\b"
    r"|\b(?:gecersiz|hatali|yanlis|pasif) (?:bayi|sifre)|\bsifre\w*(?: \w+){0,1} (?:hatali|yanlis|gecersiz)"
    r"|\b(?:invalid|wrong|bad) (?:credentials|password|dealer|api key)|\bunauthorized\b|\bauthentication\b"
)
#: It may mean our account, or what this one order wants.
PERHAPS_ACCOUNT = re.compile(
    r"\bbakiye|\byetki(?!li)\w*|\byetkili degil|\bsifre(?!le)|\bpassword\b|\bbalance\b|\bdenied\b"
)
#: The panel does not say which of two things it is, and the other one will pass.
PERHAPS_PASSING = re.compile(r"baglanti|connection|zaman asimi|time ?out|tedarikci|supplier")


def is_about_account(said: str) -> bool:
    """Whether something in these words is about our account: a storefront is not to see them."""
    return any(pattern.search(said) for pattern in (VENDOR_ACCOUNT, BALANCE, ACCOUNT))


def meaning(said: str) -> Meaning:
    """What a refusal is about that says this."""
    lacks_balance = bool(BALANCE.search(said))
    if VENDOR_ACCOUNT.search(said):
        return Meaning(About.ACCOUNT)
    if PRODUCT.search(said):
        return Meaning(About.PRODUCT)
    if lacks_balance or ACCOUNT.search(said):
        return Meaning(About.ACCOUNT, not PERHAPS_PASSING.search(said), lacks_balance)
    if CUSTOMER.search(said):
        return Meaning(About.CUSTOMER)
    if PERHAPS_ACCOUNT.search(said):
        return Meaning(About.ACCOUNT, is_certain=False, lacks_balance="bakiye" in said or "balance" in said)
    return Meaning()
