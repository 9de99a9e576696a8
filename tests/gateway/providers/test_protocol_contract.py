"""What every protocol keeps to, with the simulator as the other side: its own book counts what was bought.

What an answer means is proven by sample exchanges (described/test_samples.py); here both sides speak.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.callbacks import contents, verifiers
from gateway.callbacks.requests import CallbackRequest
from gateway.dev.simulator import State
from gateway.providers import kinds
from gateway.providers.base import (
    About,
    AskNow,
    CannotAsk,
    InDoubt,
    NoAnswer,
    NotNow,
    NotReached,
    ProviderError,
    Refused,
    Traces,
    UnknownReference,
)
from gateway.signatures import BadSignature
from models.outcome import Outcome
from models.status import ExternalStatus
from tests.gateway.dev.receiving import Call, Receiver, receiving
from tests.gateway.providers.parties import (
    DESCRIBED,
    REFERANS,
    SECRET,
    Parties,
    load,
    parties,
    repeated,
    says,
)
from tests.waiting import wait_until

EACH = pytest.mark.parametrize("name", [*DESCRIBED, "znet"])
OPEN = (ExternalStatus.SENT, ExternalStatus.PROCESSING)
#: The words that make the provider refuse, by the kind of its answer, and what that is about.
REFUSALS = {
    "refused": ("refuse", About.ORDER),
    "refused_account": ("refuse-account", About.ACCOUNT),
    "refused_product": ("refuse-product", About.PRODUCT),
    "refused_customer": ("refuse-customer", About.CUSTOMER),
}
#: The texts of these were not seen, so that they are in doubt.
NOT_SEEN = {("turkpin", "refused")}
#: States that a question cannot bring, since their words were not seen.
NEVER_TOLD = {"turkpin": {ExternalStatus.FAILED}}
#: Direct top-ups: nothing is delivered but the top-up.
WITHOUT_CODES = {"smm_v2", "znet_tl"}
#: The balance is that of the upstream's own providers.
OF_OTHERS = {"referans"}
NOT_BOOKED = ("html", "cut")
LOST = ("cutafter", "lostanswer", "mumble")
NO_ANSWERS = ("html", "empty", "500", "cut", "half", "mumble")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def is_open(said: object) -> bool:
    return isinstance(said, Outcome) and said.status in OPEN


def is_doubt(said: object) -> bool:
    """Whether nothing is decided: the order may be booked, and nothing says that it may be sent again."""
    return isinstance(said, InDoubt | NoAnswer) and not isinstance(said, NotReached)


@EACH
def test_an_order_is_sent_and_asked_about_until_it_is_done(name: str) -> None:
    with parties(name, "after=600") as both:
        said = both.send()
        assert is_open(said), said
        [learned] = both.check(both.after(said))
        assert is_open(learned), learned

        both.settle("completed")
        [order] = both.simulator.book.orders()
        [learned] = both.check(both.after(said))
        assert isinstance(learned, Outcome) and learned.status is ExternalStatus.COMPLETED, learned
        assert [code.code for code in learned.codes] == ([] if name in WITHOUT_CODES else [order.pin])
        assert both.purchases() == 1


@pytest.mark.parametrize("name", [each for each in (*DESCRIBED, "znet") if says(each, "failed", "check")])
def test_an_order_that_fails(name: str) -> None:
    with parties(name, "after=0+fail") as both:
        said = both.send()
        assert not isinstance(said, Refused), "it was booked"
        wait_until(lambda: both.simulator.book.orders()[0].state is not State.PROCESSING)
        [learned] = both.check(both.after(said))
        assert isinstance(learned, Outcome), learned
        assert (learned.status is ExternalStatus.FAILED) is (
            ExternalStatus.FAILED not in NEVER_TOLD.get(name, set())
        )
        assert both.purchases() == 1


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in (*DESCRIBED, "znet") for kind in REFUSALS if says(name, kind)]
)
def test_a_refusal_says_what_it_is_about(name: str, kind: str) -> None:
    """Where a page does not tell kinds apart, it is about the order; about our account it always is that."""
    words, about = REFUSALS[kind]
    with parties(name, words) as both:
        said = both.send()
        assert both.purchases() == 0
        if (name, kind) in NOT_SEEN:
            assert is_doubt(said), said
        else:
            assert isinstance(said, Refused), said
            assert said.about is about or (said.about is About.ORDER and about is not About.ACCOUNT)


@EACH
def test_without_balance_the_account_is_refused(name: str) -> None:
    with parties(name) as both:
        both.simulator.book.move_balance(-both.simulator.book.balance)
        said = both.send()
        assert isinstance(said, Refused) and both.purchases() == 0, said
        assert (said.about is About.ACCOUNT and said.lacks_balance) or name in OF_OTHERS


@pytest.mark.parametrize("name", [each for each in DESCRIBED if says(each, "not_now")])
def test_not_now_is_no_refusal(name: str) -> None:
    with parties(name) as both:
        both.fault("notnow")
        assert isinstance(both.send(), NotNow) and both.purchases() == 0
        both.fault(None)
        assert not isinstance(both.send(), ProviderError) and both.purchases() == 1


@EACH
@pytest.mark.parametrize("words", NOT_BOOKED)
def test_garbage_decides_nothing(name: str, words: str) -> None:
    with parties(name, words) as both:
        assert is_doubt(both.send()) and both.purchases() == 0


@EACH
@pytest.mark.parametrize("words", LOST)
def test_a_lost_answer_is_asked_about_and_never_bought_twice(name: str, words: str) -> None:
    with parties(name, f"{words}+after=600") as both:
        said = both.send()
        assert is_doubt(said) or is_open(said), said
        [learned] = both.check(both.after(said))
        if isinstance(said, Outcome) or both.traits.traces is Traces.REFERENCE:
            assert is_open(learned), learned
        else:
            assert isinstance(learned, CannotAsk), learned
        assert both.purchases() == 1


@EACH
def test_a_repeated_reference_is_neither_refused_nor_bought_again(name: str) -> None:
    """Where it would buy again, no reference of ours can be asked for, or a question tells: nothing is sent again."""
    with parties(name, "after=600") as both:
        both.send()
        if repeated(name) in ("first", "used"):
            again = both.send()
            assert is_open(again) or is_doubt(again), again
        else:
            [learned] = both.check(both.after(NoAnswer("lost")))
            assert not isinstance(learned, UnknownReference)
        assert both.purchases() == 1


@pytest.mark.parametrize("name", [*(each for each in DESCRIBED if not load(each).TRAITS.ask_buys), "znet"])
def test_an_unknown_reference_has_no_outcome(name: str) -> None:
    """Where asking buys, it is never asked about: the core sees to that."""
    with parties(name) as both:
        [learned] = both.check(replace(both.task, external_order_id="777"))
        assert isinstance(learned, ProviderError) and both.purchases() == 0


@EACH
def test_a_question_without_an_answer_teaches_nothing(name: str) -> None:
    with parties(name, "after=600+" + "+".join(f"check-{word}" for word in NO_ANSWERS)) as both:
        task = both.after(both.send())
        for word in NO_ANSWERS:
            [learned] = both.check(task)
            assert is_open(learned) or not isinstance(learned, Outcome | UnknownReference | Refused), word
        assert is_open(*both.check(task)) and both.purchases() == 1


@EACH
def test_wrong_credentials_buy_nothing(name: str) -> None:
    with parties(name) as both:
        both.fault("denied")
        said = both.send()
        assert isinstance(said, Refused) or is_doubt(said) or isinstance(said, NotReached), said
        assert not isinstance(said, Refused) or said.about is About.ACCOUNT
        assert both.purchases() == 0


@pytest.mark.parametrize(
    "name", [each for each in DESCRIBED if load(each).file.check and load(each).file.check.many]
)
def test_several_are_asked_about_in_one_call(name: str) -> None:
    with parties(name, "after=600") as both:
        tasks = []
        for number in range(3):
            task = replace(
                both.task, referans=str(int(REFERANS) + number), user_identifier=f"51234567{number}9"
            )
            tasks.append(both.after(both.send(task), task))
        stranger = replace(both.task, referans="111222333444555", external_order_id="777")
        asked = both.simulator.book.orders()[0].times_checked
        learned = both.check(*tasks, stranger)
        assert [is_open(each) for each in learned] == [True, True, True, False]
        assert isinstance(learned[3], ProviderError) and not isinstance(learned[3], UnknownReference)
        assert [order.times_checked for order in both.simulator.book.orders()] == [asked + 1] * 3


@pytest.mark.parametrize("name", [each for each in DESCRIBED if load(each).file.token])
def test_a_token_that_ran_out_is_renewed_and_nothing_is_bought_twice(name: str) -> None:
    with parties(name, "after=600") as both:
        both.send()
        both.fault("token")
        other = replace(both.task, referans="111222333444555")
        assert is_open(both.send(other)) and both.purchases() == 2
        both.fault("denied")
        assert isinstance(
            both.send(replace(both.task, referans="111222333444556")), NotReached | Refused | InDoubt
        )
        assert both.purchases() == 2


def said_by(both: Parties, call: Call) -> Mapping[str, object]:
    """What comes of a callback. Raises BadSignature."""
    query = {name: [value] for name, value in call.query.items()}
    headers = {name.lower(): value for name, value in call.headers.items()}
    token = call.path.removeprefix("/callbacks/sandbox").strip("/") or None
    request = CallbackRequest(call.method, token, query, headers, call.body, call.path)
    verifiers.verifier_of(both.provider).verify(both.provider, request, datetime.now(UTC))
    said = kinds.get(both.name).read_callback(contents.read_fields(request), call.body.decode())
    if isinstance(said, AskNow):
        return {"ask": True, "referans": said.referans, "own": said.external_order_id}
    assert said is not None
    return {"status": said.status, "referans": said.referans, "own": said.external_order_id}


CALLING = pytest.mark.parametrize("name", [each for each in DESCRIBED if load(each).file.callback])


@CALLING
@pytest.mark.parametrize("words", ["after=0.01", "after=0.01+fail"])
def test_a_callback_names_its_order_and_says_the_outcome(receiver: Receiver, name: str, words: str) -> None:
    """Or that the provider is to be asked, where it proves no state."""
    receiver.says = b'{"response":"success"}'
    with parties(name, words, callback_url=receiver.url) as both:
        task = replace(
            both.task, callback_url=f"{receiver.url}/{SECRET}" if name == "dtone" else receiver.url
        )
        sent = both.after(both.send(task), task)
        [call, *_] = receiver.wait_for(1)
        said = said_by(both, call)
        assert said["referans"] == task.referans or said["own"] == sent.external_order_id
        wanted = ExternalStatus.FAILED if "fail" in words else ExternalStatus.COMPLETED
        if not said.get("ask"):
            assert said["status"] is wanted
        [learned] = both.check(sent)
        assert isinstance(learned, Outcome) and learned.status is wanted and both.purchases() == 1


@CALLING
def test_a_forged_callback_is_not_believed(receiver: Receiver, name: str) -> None:
    with parties(name, "after=0.01+badsign", callback_url=receiver.url) as both:
        address = f"{receiver.url}/{SECRET}" if name == "dtone" else receiver.url
        both.send(replace(both.task, callback_url=address))
        [call, *_] = receiver.wait_for(1)
        with pytest.raises(BadSignature):
            said_by(both, call)
