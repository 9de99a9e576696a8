"""Real samples: what panels, providers, storefronts and operators send."""

import json

#: Answers of znet panels to pin_ekle, pin_kontrol and bakiye_kontrol.
ANSWERS = [
    text.encode()
    for text in (
        "OK|10.12|980.88",
        "OK|10,12|1.980,88",
        "OK|2|ABCD-1234-EFGH|Yükleme başarılı",
        "OK|2|5678-9012|kod 5678-9012 teslim edildi, bakiye 12,50 TL",
        "OK|1||İşleminiz sırada",
        "OK|3||Oyuncu bulunamadı",
        "OK|12755.23|10",
        "3|Geçersiz oyuncu bilgisi",
        "3|Bakiye yetersiz: 1.234,56 TL",
        "3|Bu referans daha önce kullanılmış",
        "8|Kullanıcı API yetkiniz bulunmamaktadır",
        "ERROR|Tedarikçi bağlantı hatası, işlem devam ediyor",
        "2|İşlem bulunamadı",
        "<!DOCTYPE html><html><title>502 Bad Gateway</title></html>",
        "Notice: Undefined index: kod=dealer&sifre=not-a-real-one in /var/www/check.php\nOK|2|SECRET-PIN|ok",
        '{"success": false, "error": "token=abcdef0123456789", "url": "https://u:p@host/callbacks/a/b"}',
        "",
    )
]
ANSWERS += ["OK|2|ABCD1234|Yükleme başarılı şğıİ".encode("windows-1254"), b"\xef\xbb\xbfOK|1||"]
_PACKAGE = {
    "id": "17",
    "oyun_bilgi_id": "5",
    "kupur": "60",
    "oyun_adi": "PUBG Mobile",
    "adi": "60 UC",
    "fiyat": "31,50",
}
CATALOGUES = [
    json.dumps({"success": True, "result": [_PACKAGE, {**_PACKAGE, "id": 18, "fiyat": 61.25}] * 20}).encode(),
    json.dumps({"success": False, "error": "Yetki yok"}).encode(),
    b'{"success": true, "result": []}',
    b"3|Yetki yok",
]
#: The method, the content type and the query of a callback in front of its body.
CALLBACKS = [
    b"GET\n\nreferans=123456789012345&durum=2&pin=ABCD-1234&aciklama=Y%C3%BCkleme+tamam\n",
    b"GET\n\ntahsilat_api_islem_id=123456789012345&durum=3&aciklama=hata\n",
    b"GET\n\nreferans=123456789012345&durum=2&pin[]=AB&pin[]=CD\n",
    b"POST\napplication/x-www-form-urlencoded\n\nreferans=123456789012345&amp;durum=1&amp;aciklama=s%FDrada",
    b"POST\napplication/x-www-form-urlencoded\n\nreferans=1&durum=2&codes[0][code]=AB&codes[0][serial]=1&codes[1][code]=CD",
    b'POST\napplication/json\n\n{"referans": 123456789012345, "durum": 2, "pin": ["AB", {"code": "CD", "serial": 7}]}',
    b'POST\nmultipart/form-data; boundary=xx\n\n--xx\r\nContent-Disposition: form-data; name="referans"\r\n\r\n1\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="durum"\r\n\r\n2\r\n--xx--\r\n',
    b"HEAD\n\n\n",
    b'POST\napplication/json\n\n{"type": "ping"}',
]
_ORDER = {
    "provider_referans": "123456789012345",
    "status": "completed",
    "pin_code": "ABCD-1234",
    "message": "tamam",
}
_CODES = [{"code": "AB", "pin": "1", "serial": "S1", "expires_at": "2027-12-31"}, "CD", 17]
NEUTRAL = [
    b"POST\napplication/json\n\n" + json.dumps(each).encode()
    for each in (
        _ORDER,
        {**_ORDER, "codes": _CODES, "receipt": "player"},
        {**_ORDER, "status": "PROCESSING", "pin_code": None, "provider_referans": 123456789012345.0},
        {"orders": [_ORDER, {**_ORDER, "provider_referans": "2", "status": "failed"}, {"status": "what"}, 7]},
        {"orders": [{**_ORDER, "provider_referans": str(number)} for number in range(60)]},
        {"type": "ping"},
    )
]
FORMS = [each.split(b"\n", 3)[2] or each.split(b"\n", 3)[3] for each in CALLBACKS] + [
    b"a=1&b[]=2&b[]=3&c[x][y]=4&d"
]
MULTIPART = [
    b'multipart/form-data; boundary=xx\n--xx\r\nContent-Disposition: form-data; name="referans"\r\n\r\n1\r\n--xx\r\n'
    b'Content-Disposition: form-data; name="pin"; filename="a.txt"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    b"ABCD\r\n--xx--\r\n",
    b'multipart/form-data; boundary="a b"\n--a b\r\n'
    b"Content-Disposition: form-data; name*=UTF-8''pin\r\n\r\n1\r\n--a b--",
]
ORDERS = [
    json.dumps(each).encode()
    for each in (
        {
            "productId": "game",
            "packageId": "60",
            "userIdentifier": "player",
            "extraField": "05321234567",
            "quantity": 1,
            "metadata": {"cart": "1"},
            "fields": {"zone": "7"},
            "price": {"amount": "9.90", "currency": "USD"},
            "allowRepeat": True,
        },
        {"productId": "game", "packageId": "60", "userIdentifier": "لاعب 💥", "notifyUrl": None},
        {
            "reason": "the customer says so",
            "externalStatus": "completed",
            "pinCode": "ABCD",
            "codes": [{"code": "AB", "serial": "1"}],
        },
        {"reason": "seen", "accept": True},
        {"reason": "again", "providerId": "panel", "mayBuyTwice": True},
        {},
    )
]
QUERIES = [
    b"externalStatus=completed&providerId=panel&userIdentifier=player&limit=50",
    b"createdAfter=2026-07-01T00:00:00%2B03:00&createdBefore=2026-07-02&reference=R-1",
    b"limit=1&cursor=WyIyMDI2LTA3LTAxVDEyOjAwOjAwKzAwOjAwIiwiMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwIl0",
    b"cursor=MTc&limit=100",
    b"",
]
LINES = [
    b"ABCD-1234-EFGH\n5678-9012\n",
    b'{"code": "AB", "pin": "1234", "serial": "S-1", "expires_at": "2027-12-31"}\n'
    b'{"code": "CD", "expiresAt": "2027-12-31T20:00:00Z"}\n',
    b'"ABCD"\n\n["AB"]\n',
    "\ufeffABCD;12\r\nşifre\r\n".encode(),
]
ENVIRONMENTS = [
    b"DATABASE_URL=postgres://user:p%40ss@localhost:5432/shop?sslmode=require&schema=public\n"
    b"REDIS_URL=rediss://:secret@localhost:6379/0\nALLOW_PLAINTEXT=1\nPORT=8000\nRATE_LIMIT=100/second\n"
    b"SWEEP_CRON=*/5 * * * *\nORDER_API_PREFIX=/api-dj\nTIMEZONE=Asia/Damascus\nBACKOFF_MIN=0.5\nBACKOFF_MAX=600",
    b"DATABASE_URL=postgresql:///shop?host=/var/run\nREDIS_URL=redis://localhost\n"
    b"ENCRYPTION_KEYS=bm90LWEta2V5LWZvci1hbnl0aGluZy1idXQtdGVzdHM=\nPUBLIC_URL=https://gateway.example/x\n"
    b"NOTIFY_URL=https://shop.example/hook\nNOTIFY_SECRET=whsec_c2VjcmV0\nLOG_FORMAT=json\nTRUSTED_PROXIES=1\n"
    b"SENTRY_DSN=https://key@sentry.example/1\nMAX_CHECKS=20\nREDIS_TLS_VERIFY=0",
]
#: Texts that providers write, beside their answers.
TEXTS = [
    *ANSWERS,
    *(each.split(b"\n", 3)[3] for each in NEUTRAL[:3]),
    b"Kod: ABCD-1234-EFGH, 1234 5678 9012 3456, seri 5512/7781, 12:30:59, 2026-11-25T22:58:00, 1.234,56 TL,"
    b" +90 532 123 45 67",
    b"pin=1234&sifre='x y' Authorization: Bearer abc.def whsec_c2VjcmV0 rk_abcdefgh https://u:p@h/ /callbacks/p/t",
    "1 2 3 4 5 6 7 8, AB12.CD34.EF56, ١٢٣٤٥٦٧٨, Ａ１２３４５６７".encode(),
]


def _request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    return (
        "\r\n".join((f"{method} {target} HTTP/1.1", "Host: gateway.example", *lines, "", "")).encode() + body
    )


def heads(key: str, token: str) -> list[bytes]:
    """Whole requests as storefronts, providers and probes send them."""
    order, neutral = ORDERS[0], NEUTRAL[1].split(b"\n", 3)[3]
    mine, json_type = f"Authorization: Bearer {key}", "Content-Type: application/json"
    query = "referans=123456789012345&durum=2&pin=ABCD&aciklama=tamam"
    form = query.encode()
    return [
        _request("GET", "/health/live"),
        _request("GET", "/orders?limit=5&externalStatus=not_sent", mine, "Accept: */*", "X-Request-ID: abc"),
        _request("GET", "/api-dj/orders/00000000-0000-4000-8000-000000000000", mine),
        _request("GET", "/orders/00000000-0000-4000-8000-000000000000/events?limit=3&cursor=MTc", mine),
        _request(
            "POST",
            "/orders",
            mine,
            json_type,
            "Idempotency-Key: k",
            f"Content-Length: {len(order)}",
            body=order,
        ),
        _request(
            *("POST", "/api-dj/orders/", mine, json_type, "Transfer-Encoding: chunked"),
            body=f"{len(order):x}\r\n".encode() + order + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        _request("POST", "/orders/00000000-0000-4000-8000-000000000000/check", mine, "Content-Length: 0"),
        _request(
            "POST",
            "/orders/00000000-0000-4000-8000-000000000000/resolve",
            mine,
            f"Content-Length: {len(ORDERS[2])}",
            body=ORDERS[2],
        ),
        _request("GET", f"/callbacks/panel/{token}?{query}", "X-Forwarded-For: 203.0.113.9"),
        _request("GET", f"/callbacks/panel/{token}?{query} ile #1 ş"),
        _request(
            *("POST", f"/callbacks/panel?token={token}", "Content-Type: application/x-www-form-urlencoded"),
            *("Expect: 100-continue", f"Content-Length: {len(form)}"),
            body=form,
        ),
        _request(
            "POST",
            "/callbacks/panel",
            f"X-Callback-Token: {token}",
            json_type,
            f"Content-Length: {len(neutral)}",
            body=neutral,
        ),
        _request(
            "POST",
            "/callbacks/sandbox",
            "webhook-id: msg_1",
            "webhook-timestamp: 1",
            "webhook-signature: v1,x",
            f"Content-Length: {len(neutral)}",
            body=neutral,
        ),
        _request("GET", "/metrics", mine, "Connection: close"),
        _request("GET", "http://gateway.example/health/ready", "Connection: keep-alive")
        + _request("GET", "/health/live"),
        _request("OPTIONS", "/orders") + _request("HEAD", "/orders"),
    ]


HEADS = heads("rk_" + "0" * 43, "token-of-the-panel")
