"""Sealing at rest."""

import hashlib

import pytest
from cryptography.fernet import Fernet

from models.db.sealed import NoKeyOpens, Sealer, Unsealable

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_sealed_value_opens_where_it_belongs_and_nowhere_else() -> None:
    sealer = Sealer([NEW])
    value = sealer.seal("PIN-1234", "order-1")
    assert "PIN-1234" not in value
    assert sealer.unseal(value, "order-0", "order-1") == "PIN-1234"
    with pytest.raises(Unsealable, match="moved"):
        sealer.unseal(value, "order-2")


def test_older_keys_still_open() -> None:
    value = Sealer([OLD]).seal("PIN", "x")
    assert Sealer([NEW, OLD]).unseal(value, "x") == "PIN"


@pytest.mark.parametrize("keys", [[], [NEW]])
def test_a_missing_key_is_said(keys: list[str]) -> None:
    value = Sealer([OLD]).seal("PIN", "x")
    with pytest.raises(NoKeyOpens, match="ENCRYPTION_KEYS"):
        Sealer(keys).unseal(value, "x")


def test_without_keys_values_pass_through_and_stay_readable_later() -> None:
    assert Sealer().seal("PIN", "x") == "PIN"
    assert Sealer([NEW]).unseal("PIN", "x") == "PIN"


def test_pins_compare_across_keys() -> None:
    stored = Sealer([OLD]).digests("PIN")[0]
    assert stored in Sealer([NEW, OLD]).digests("PIN")
    assert stored not in Sealer([NEW, OLD]).digests("PIM")
    assert Sealer().digests("PIN")[0] in Sealer([NEW]).digests("PIN", with_plain=True)


def test_a_digest_that_tells_a_pin_to_who_tries_them_all_is_made_only_where_it_is_asked_for() -> None:
    plain = hashlib.sha256(b"PIN").hexdigest()
    assert Sealer().digests("PIN") == [plain], "without keys there is no other"
    assert plain not in Sealer([NEW, OLD]).digests("PIN")


@pytest.mark.parametrize("value", ["sealed:", "sealed:under a key that is gone", "sealed:gAAAAA=="])
@pytest.mark.parametrize("keys", [[], [NEW]])
def test_a_value_that_no_key_could_open_is_not_blamed_on_the_keys(value: str, keys: list[str]) -> None:
    with pytest.raises(Unsealable, match="damaged") as raised:
        Sealer(keys).unseal(value, "x")
    assert not isinstance(raised.value, NoKeyOpens)


def test_what_opens_is_told_without_its_owner() -> None:
    value = Sealer([OLD]).seal("PIN", "x")
    assert Sealer([NEW, OLD]).opens(value)
    assert not Sealer([NEW]).opens(value) and not Sealer().opens(value)
    assert not Sealer([OLD]).opens("PIN"), "what is not sealed shows nothing about the keys"
    assert not Sealer([OLD]).opens("sealed:cut")


def test_no_error_of_sealing_can_be_mistaken_for_a_bad_value() -> None:
    assert issubclass(NoKeyOpens, Unsealable) and not issubclass(Unsealable, ValueError)
