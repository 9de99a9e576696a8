"""What every adapter has in common, those without a service included."""

import inspect
from collections.abc import Iterator

import pytest

from gateway import outbound, providers
from gateway.providers import kinds
from gateway.providers.base import (
    About,
    Adapter,
    Kind,
    QuestionRefused,
    Refused,
    Task,
    UnknownReference,
    UnreadableCallback,
)
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus
from tests import factories

#: What an adapter must have, from the interface itself.
TRAITS = tuple(name for name in Kind.__annotations__ if name.isupper())
CALLS = ("send", "check", "balance", "catalogue")
OF_KIND = ("read_callback", "write_callback")
WITHOUT_SERVICE = tuple(name for name in kinds.shipped() if not kinds.get(name).HAS_SERVICE)
EACH = pytest.mark.parametrize("name", kinds.shipped())
EACH_WITHOUT_SERVICE = pytest.mark.parametrize("name", WITHOUT_SERVICE)


@pytest.fixture
def database(emptied_database_url: str) -> Iterator[None]:
    with factories.bound(emptied_database_url):
        yield


def adapter(name: str) -> Adapter:
    return providers.adapter_for(Provider("own", name, "", "none", {}), outbound.Client())


@EACH
def test_it_has_every_trait_and_call(name: str) -> None:
    kind = kinds.get(name)
    assert len(TRAITS) >= 7 and not [each for each in (*TRAITS, *OF_KIND) if not hasattr(kind, each)]
    account = Provider("own", name, "http://127.0.0.1:1", "none", dict.fromkeys(kind.CREDENTIALS, "x"))
    made = providers.adapter_for(account, outbound.Client())
    for shape, spoken, calls in ((Adapter, made, CALLS), (Kind, kind, OF_KIND)):
        for call in calls:
            expected = [each for each in inspect.signature(getattr(shape, call)).parameters if each != "self"]
            assert list(inspect.signature(getattr(spoken, call)).parameters) == expected


@EACH
def test_it_needs_no_person_unless_it_has_no_service(name: str) -> None:
    assert not (kinds.get(name).NEEDS_PERSON and kinds.get(name).HAS_SERVICE)


def test_those_without_a_service_are_these() -> None:
    assert set(WITHOUT_SERVICE) == {"stock", "manual"}


@EACH_WITHOUT_SERVICE
def test_it_works_without_url_and_credentials(name: str) -> None:
    assert providers.fault(Provider("own", name, "", "none", {}), outbound.Client()) is None


@EACH_WITHOUT_SERVICE
@pytest.mark.parametrize("question", ["balance", "catalogue"])
def test_it_has_no_account_to_ask_about(name: str, question: str) -> None:
    with pytest.raises(QuestionRefused, match=f"no {question}"):
        getattr(adapter(name), question)()


@EACH_WITHOUT_SERVICE
def test_it_has_no_callbacks(name: str) -> None:
    with pytest.raises(UnreadableCallback):
        kinds.get(name).read_callback({"referans": "1", "durum": "2"})
    with pytest.raises(ValueError, match="no callbacks"):
        kinds.get(name).write_callback(Outcome(ExternalStatus.COMPLETED, "1"))


@EACH_WITHOUT_SERVICE
@pytest.mark.usefixtures("database")
def test_it_calls_nobody(name: str) -> None:
    before = outbound.calls_sent()
    with pytest.raises(UnknownReference):
        raise adapter(name).check([Task("1")])[0]
    if name == "manual":
        assert adapter(name).send(Task("1")) == Outcome(ExternalStatus.SENT, "1")
    else:
        with pytest.raises(Refused) as refused:
            adapter(name).send(Task("1"))
        assert refused.value.about is About.PRODUCT
    assert outbound.calls_sent() == before
