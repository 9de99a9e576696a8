"""What a panel's refusal is about, by its words; and that a customer's words decide nothing."""

import pytest

from gateway.providers import refusals
from gateway.providers.base import About
from gateway.providers.refusals import Meaning
from gateway.providers.znet import fold
from tests.growth import is_linear

NO_BALANCE = Meaning(About.ACCOUNT, lacks_balance=True)
PERHAPS_NO_BALANCE = Meaning(About.ACCOUNT, is_certain=False, lacks_balance=True)
ACCOUNT = Meaning(About.ACCOUNT)
PERHAPS_ACCOUNT = Meaning(About.ACCOUNT, is_certain=False)
PRODUCT, CUSTOMER, ORDER = Meaning(About.PRODUCT), Meaning(About.CUSTOMER), Meaning()


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ("Bağlantı Hatası,Kullanıcı Api Yetki, Kısıtlı Ip yada Kullanıcı Bilgileri Hatalı", ACCOUNT),
        ("KULLANICI API YETKİ", ACCOUNT),
        ("IP adresiniz tanımlı değil", ACCOUNT),
        ("Bu IP için izin yok", ACCOUNT),
        ("Şifre yanlış", ACCOUNT),
        ("Hatalı şifre", ACCOUNT),
        ("Bayi Bilgisi Bulunamadı", ACCOUNT),
        ("Bayi şifresi hatalı", ACCOUNT),
        ("Geçersiz bayi kodu", ACCOUNT),
        ("Invalid credentials", ACCOUNT),
        ("Unauthorized", ACCOUNT),
        ("Bağlantı hatası: şifre yanlış", PERHAPS_ACCOUNT),
        ("Yetkiniz yok", PERHAPS_ACCOUNT),
        ("Yetersiz yetki", PERHAPS_ACCOUNT),
        ("Access denied", PERHAPS_ACCOUNT),
        ("Yetersiz bakiye", NO_BALANCE),
        ("Bakiyeniz yetersiz", NO_BALANCE),
        ("Insufficient balance", NO_BALANCE),
        ("Not enough funds", NO_BALANCE),
        ("Bağlantı hatası veya yetersiz bakiye", PERHAPS_NO_BALANCE),
        ("Bakiye hatası", PERHAPS_NO_BALANCE),
        ("Stok yok", PRODUCT),
        ("Yetersiz stok", PRODUCT),
        ("Out of stock", PRODUCT),
        ("Kupur Bilgisi Bulunamadı", PRODUCT),
        ("Oyun Bilgisi Bulunamadı", PRODUCT),
        ("Ürün satışa kapalı", PRODUCT),
        ("Paket pasif", PRODUCT),
        ("Geçersiz paket", PRODUCT),
        ("Bu ürün için yetkiniz yok", PRODUCT),
        ("Product is not available", PRODUCT),
        ("Oyuncu Bilgisi Bulunamadı", CUSTOMER),
        ("Oyuncu bulunamadı", CUSTOMER),
        ("Geçersiz oyuncu bilgisi", CUSTOMER),
        ("Oyuncu ID hatalı", CUSTOMER),
        ("Player not found", CUSTOMER),
        ("Invalid player id", CUSTOMER),
        ("Bu oyun için oyuncu bulunamadı", PRODUCT),
        ("Kullanıcı bulunamadı", ORDER),
        ("Oyun bakıma alındı", ORDER),
        ("Sipariş reddedildi", ORDER),
        ("Spending limit exceeded", ORDER),
        ("", ORDER),
    ],
)
def test_what_a_refusal_is_about(words: str, means: Meaning) -> None:
    assert refusals.meaning(fold(words)) == means


@pytest.mark.parametrize(
    "piece", ["oyun ", "bayi a ", "gecersiz ", "ip a ", "oyuncu a b ", "sifre a ", "a", " "]
)
def test_reading_takes_time_in_proportion(piece: str) -> None:
    assert is_linear(refusals.meaning, piece)
