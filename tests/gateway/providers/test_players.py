"""Phones and player ids as people write them, and the map from an order's fields to a provider's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers import players
from tests.growth import is_linear

ANY = st.text(st.characters() | st.sampled_from("\x00\n\t\ud800\u200b\u202a+0٣ -.(){}"), max_size=60)
FIELDS = {"userIdentifier": "987456", "extraField": "+90 555 111 22 33", "server": "Asia", "empty": None}


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("51234567890", "51234567890"),
        ("+90 555 111 22 33", "905551112233"),
        ("0090 555 111 22 33", "905551112233"),
        ("+00 90 555 111 22 33", "905551112233"),
        ("0 (555) 111-22-33", "05551112233"),
        ("(+90) 555.111.22.33", "905551112233"),
        ("\u202a+90 555 111 22 33\u202c", "905551112233"),
        ("\u200e+963\u00a0944\u2011123\u2013456", "963944123456"),
        ("+٩٦٣ ٩٤٤ ١٢٣ ٤٥٦", "963944123456"),
        ("＋９０（５５５）１１１－２２－３３", "905551112233"),
        ("[90] {555} 1112233\n", "905551112233"),
        ("123456789", "123456789"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_a_phone_as_people_write_it(text: str, digits: str) -> None:
    assert players.phone(text) == digits


@pytest.mark.parametrize(
    "text",
    ["", " ", "12345678", "1234567890123456", "server 7", "0012345678", "90+5551112233", "++905551112233",
     "555/1112233", "x5551112233", "5551112233 ext 1", "²²²²²²²²²²", "-"],
)  # fmt: skip
def test_not_a_phone(text: str) -> None:
    assert players.phone(text) is None


@pytest.mark.parametrize(
    ("text", "player"),
    [
        ("987456", "987456"),
        (" 987456\r\n", "987456"),
        ("987 456", "987456"),
        ("987\n456", "987456"),
        ("987\u00a0456", "987456"),
        ("\u202a987456\u202c", "987456"),
        ("98\u200b74\ufeff56", "987456"),
        ("٩٨٧٤٥٦", "987456"),
        ("９８７ ４５６", "987456"),
        ("1234 (2001)", "1234 (2001)"),
        ("Ali\tVeli\n", "Ali Veli"),
        ("Ali  Veli", "Ali Veli"),
        ("Şule_77", "Şule_77"),
        ("اللاعب ٧", "اللاعب 7"),
        ("a\x00b\ud800c\x1b[31md", "abcd"),
        ("+90 555 111 22 33", "+90 555 111 22 33"),
        ("", ""),
        ("\u200b \n", ""),
    ],
)
def test_a_player_as_people_write_it(text: str, player: str) -> None:
    assert players.player(text) == player


@pytest.mark.parametrize(
    ("user", "extra", "player", "phone"),
    [
        ("987456", "+90 555 111 22 33", "987456", "905551112233"),
        ("987456", "0 (555) 111-22-33", "987456", "05551112233"),
        ("987456", "\u202a+90 555 111 22 33\u202c", "987456", "905551112233"),
        ("987456", "٠٥٥٥١١١٢٢٣٣", "987456", "05551112233"),
        ("987456\n", "905321234", "987456", "905321234"),
        ("987456", "server 7", "987456 server 7", ""),
        ("987456", "12345678", "987456 12345678", ""),
        ("987456", "\u200b", "987456", ""),
        ("987456", "", "987456", ""),
        ("987456", None, "987456", ""),
        ("", "server 7", "server 7", ""),
    ],
)
def test_where_two_fields_go_without_a_map(user: str, extra: str | None, player: str, phone: str) -> None:
    assert players.default_fields(user, extra) == (player, phone)


@pytest.mark.parametrize(
    ("field_map", "player", "phone"),
    [
        (
            {"oyuncu_bilgi": "{userIdentifier}", "musteri_tel": "{userIdentifier}"},
            "+90 555 111 22 33",
            "905551112233",
        ),
        ({"oyuncu_bilgi": "{extraField}", "musteri_tel": "{userIdentifier}"}, "987456", "905551112233"),
        ({"oyuncu_bilgi": "{extraField} {userIdentifier}"}, "987456 +90 555 111 22 33", ""),
        ({"oyuncu_bilgi": "{extraField}"}, "987456", ""),
        ({"musteri_tel": "{extraField}"}, "+90 555 111 22 33", "987456"),
    ],
)
def test_what_clients_of_panels_do_is_a_map(field_map: dict[str, str], player: str, phone: str) -> None:
    fields = {"userIdentifier": "+90 555 111 22 33", "extraField": " ٩٨٧ ٤٥٦\n"}
    assert players.mapped_fields(field_map, fields) == (player, phone)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{userIdentifier}", "987456"),
        ("{extraField} {userIdentifier}", "+90 555 111 22 33 987456"),
        ("{userIdentifier}|{server}", "987456|Asia"),
        ("{userIdentifier} {empty} {missing} {server}", "987456 Asia"),
        ("{missing}", ""),
        ("5550000000", "5550000000"),
        ("", ""),
    ],
)
def test_a_template_is_filled(template: str, filled: str) -> None:
    assert players.fill(template, FIELDS) == filled


def test_what_a_player_writes_is_never_a_template() -> None:
    assert players.fill("{a}", {"a": "{b}", "b": "secret"}) == "{b}"


@pytest.mark.parametrize(
    "template", ["{userIdentifier}", "{extraField} {userIdentifier}", "", "555", "ID:{extraField}"]
)
def test_a_template_that_can_be_filled(template: str) -> None:
    players.check_template(template)


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{extrafield}", "`extrafield`; known fields: userIdentifier, extraField"),
        ("{userIdentifier} {server}", "`server`"),
        ("{ extraField }", "` extraField `"),
        ("{}", "``"),
        ("{extraField", "`{`"),
        ("extraField}", "`}`"),
        ("{{extraField}}", "`{`"),
        ("{extraField}}", "`}`"),
        ("{extra\u200bField}", "invisible"),
        ("x" * 501, "500"),
    ],
)
def test_a_template_that_cannot_be_filled(template: str, named: str) -> None:
    with pytest.raises(ValueError, match=r"^the template ") as refused:
        players.check_template(template)
    assert named in str(refused.value)


def test_a_template_may_name_what_orders_bring_in_fields() -> None:
    players.check_template("{userIdentifier} {server}", further_names=["server"])
    assert players.names_in("{userIdentifier} {server} {userIdentifier}") == ["userIdentifier", "server"]


def test_a_megabyte_is_read() -> None:
    text = "\u202a- +\n{" * 160_000 + "٣ " * 20_000
    assert players.player(text).endswith("{3 " + "3 " * 19_998 + "3")
    assert players.phone(text) is None


@given(ANY, ANY)
def test_what_is_sent_is_one_safe_line(user: str, extra: str) -> None:
    player, phone = players.default_fields(user, extra)
    for text in (player, phone, players.fill("{a} {b}", {"a": user, "b": extra})):
        assert text == " ".join(text.split())
        assert not set(text) & set("\x00\n\t\ud800\u200b\u202a٣")
    assert players.player(players.player(user)) == players.player(user)
    assert phone == "" or (phone.isdecimal() and 9 <= len(phone) <= 15)


@given(ANY)
def test_a_template_is_refused_or_filled(template: str) -> None:
    try:
        players.check_template(template)
    except ValueError:
        pass
    else:
        assert "{" not in players.fill(template, {"userIdentifier": "1", "extraField": "2"})


@pytest.mark.parametrize("piece", ["+", "00", "- ", "(", "٣", "\u200b", "{", "{a", "{a}", "}", "\n", "\x1b["])
def test_fields_take_linear_time(piece: str) -> None:
    def every_function(text: str) -> None:
        players.default_fields(text, text)
        players.fill(text, {"a": "1"})

    assert is_linear(every_function, piece)
