"""znet dealer panels: game PINs.

Source of every protocol fact here: the vendor's API document as summarised in public repositories
(Lebid15/watan, docs/znet.md and docs/znetapi.pdf), and how public consumers read the answers.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gateway import inputs, outbound
from gateway.providers import players, refusals
from gateway.providers.base import (
    FAILURE_REASONS,
    About,
    Balance,
    InDoubt,
    Learned,
    NoAnswer,
    NotReached,
    Package,
    ProviderError,
    QuestionRefused,
    Refused,
    Reply,
    Task,
    Traits,
    UnknownReference,
    UnreadableCallback,
)
from models import codes, masking, texts
from models.outcome import Outcome
from models.provider import Provider
from models.status import ExternalStatus, FailureReason

CURRENCY = "TRY"
#: `durum` of a callback and the state of pin_kontrol.
STATES = {"1": ExternalStatus.PROCESSING, "2": ExternalStatus.COMPLETED, "3": ExternalStatus.FAILED}

#: Bytes of the largest answer to each question; of a larger one nothing is known. A check brings a code and a
#: description, a catalogue some thousand lines.
SEND_BYTES, CHECK_BYTES, BALANCE_BYTES, CATALOGUE_BYTES = 32 * 1024, 256 * 1024, 32 * 1024, 4 * 1024 * 1024
#: Characters of a reason that is read. A longer one may say at its end what changes its meaning, so it decides nothing.
MAX_REASON = 1_000
#: Characters from which what the customer wrote is taken out of a reason that repeats it, before its words are read.
SHORTEST_ECHO = 3
#: All patterns are matched against `fold`ed text: lower case, Turkish letters replaced by similar Latin ones.
SENT_BEFORE = re.compile(
    r"daha once (?:\w+ ){0,1}(?:gonderil|kullanil|yapil|veril|islen|kaydedil|girilmis|olusturul|iletil|alinmis)"
    r"|sent before|already (?:sent|exists|used|in use|processed|placed|received|registered)|duplicate|mukerrer"
    r"|ayni referans|zaten (?:mevcut|var|kayitli|kullan|gonder|isle|alin|yapil|veril)"
    r"|\btekrar(?:lanan|li) (?:islem|siparis)"
    r"|\b(?:siparis|islem|kayit)\w* (?:var|mevcut(?! degil))\b"
    r"|\b(?:referans|reference)\w*(?: \w+){0,3} (?:kullanil(?!ama)\w*|kullanimda|kayitli(?! degil)|var|mevcut(?! degil)"
    r"|exists|in use|used)\b"
)
#: The panel says that it has taken the order, whatever the number in front of it.
TAKEN = re.compile(
    r"\b(?:siparis|islem|talep|talebi|order|request)\w*(?: \w+){0,3} (?:alindi|alinmis\w*|olusturul(?:du|mus)\w*"
    r"|kaydedil(?:di|mis)\w*|onaylan(?:di|mis)\w*|tamamlan(?:di|mis)\w*|iletil(?:di|mis)\w*|gonderil(?:di|mis)\w*"
    r"|verildi\w*|verilmis\w*|gerceklesti(?!ril)\w*|gerceklestirildi|kabul edil(?:di|mis)\w*)"
    r"|\b(?:teslim|kabul) edil(?:di|mis)|\b(?:siraya|kuyruga) alin(?:di|mis)|\bdusuldu\b"
    r"|\bbasari(?:li(?! degil)|yla|ile)\b"
    r"|(?<!not )(?<!not be )\b(?:success|successful|successfully|accepted|received|created|queued|delivered)\b"
    r"|\biptal edileme|\biptal\w* (?:bekl|taleb|iste)"
)
#: Balance or stock was missing, so nothing can have been bought, even if the panel is not sure why it failed.
NO_BALANCE_OR_STOCK = re.compile(
    r"\byetersiz (?:bakiye|kredi|stok)|\bout of stock\b"
    r"|\b(?:bakiye|kredi|stok)\w*(?: \w+){0,2} (?:yetersiz\w*|yeterli degil\w*|yetmiyor|yetmedi|yok\w*|bitti|bitmis\w*"
    r"|kalmadi|kalmamis\w*|tukendi|tukenmis\w*|bulunmuyor|bulunmamakta\w*|bulunamadi)\b"
    r"|\b(?:insufficient|not enough|no) (?:balance|funds|credit|stock)\b"
)
#: Our account may not call: nothing was taken, although the words begin with those of a lost connection.
ACCOUNT_REFUSED = re.compile(r"kullanici api yetki|kisitli ip")


def _word_with(part: str) -> str:
    """A word that contains `part`, read once from its beginning: from each `part` on would be once for each of them."""
    return rf"\b(?=\w*{part})\w*+"


#: An error between the panel and its own supplier or within the panel, or an order in progress: it may have been
#: accepted.
UNCLEAR = re.compile(
    r"zaman asimi|time ?out|timed out|isleniyor|\bislemde\b|\bsirada\b|\bkuyrukta\b|\bonayda\b"
    rf"|\bbekle(?:mede|niyor|yin|yiniz)\b|\bbekliyor\b|{_word_with('islem')} devam ed|bilinmiyor|belirsiz"
    r"|(?:bilinmeyen|beklenmeyen|beklenmedik) (?:bir )?hata|\b(?:unknown|unexpected) error|\bpending\b|\bprocessing\b"
    r"|\bhata\w* olustu|^\W*(?:hata|error|null|none|undefined|exception|\d+)\W*$|\bexception\b"
    rf"|baglanti|connection|supplier|tedarikci|saglayici|{_word_with('sistem')} hata|internal|\bgateway\b"
    r"|\b(?:cevap|yanit|response|reply|json|xml)|veritabani|\bdatabase\b|sql\b|\bdeadlock\b|\bcurl\b|\bhttp\b"
    r"|\bservis\w*(?: \w+){0,2} (?:hata\w*|mesgul|kullanilamiyor|calismiyor|ulasilam\w*)"
    rf"|sunucu(?:dan|ya|lar)|{_word_with('sunucu')} (?:hata|mesgul|cevap)"
    r"|server (?:error|busy|down|unavailable)"
)
#: How panels refuse an order. "Error" alone is not enough: the panel may fail after booking.
REFUSAL = re.compile(
    r"\b(?:gecersiz\w*|invalid|hatali\w*|eksik\w*|kapali\w*|pasif\w*|yetki(?!li)\w*|yetkili degil\w*|izin\w*|denied"
    r"|unauthorized|authentication|yetersiz\w*|sifre(?!le)\w*|password|reddedil\w*|rejected|iptal\w*"
    r"|(?:oyun|kupur|urun|paket|bayi|kullanici|product|package|player)\w*(?: \w+)? (?:bulunama\w*|not found|yok))\b"
)
_ORDER = r"(?:siparis|islem|referans|kayit|tahsilat|order|reference|transaction|record)\w*"
_BETWEEN = r"(?: (?:api|islem|no|numarasi|kaydi|bilgisi|sistemde|id|number|\d+)){0,3}"
#: Says that the order was not found, and nothing else.
UNKNOWN = re.compile(
    rf"^\W*bulunamadi\W*$|\b{_ORDER}{_BETWEEN} (?:bulunama\w*|bulunmuyor|bulunmamakta\w*|mevcut degil|yok"
    r"|(?:was |is )?(?:not found|unknown)|does not exist)\W*$"
    r"|\b(?:gecersiz (?:referans|siparis)(?: no| numarasi)?|(?:no such|unknown) (?:order|reference|transaction))\W*$"
    r"|\bno (?:order|record|transaction) found\W*$"
)
#: What was not found is the account, or a pending order in general, and not this order.
ABOUT_SOMETHING_ELSE = re.compile(r"bayi|kullanici|sifre|yetki|\bip\b|dealer|user|password|bekleyen|pending")

_FOLD = str.maketrans("çğıöşüâîûÇĞİÖŞÜÂÎÛI", "cgiosuaiucgiosuaiui")


def fold(text: str) -> str:
    """`text` for comparisons: in lower case, without Turkish letters."""
    return text.translate(_FOLD).lower()


class Znet:
    """A znet panel. All calls are GET with the credentials in the query; answers are text, whatever their type."""

    HAS_SERVICE: ClassVar[bool] = True
    NEEDS_PERSON: ClassVar[bool] = False
    CURRENCY: ClassVar[str | None] = CURRENCY
    CREDENTIALS: ClassVar[tuple[str, ...]] = ("kod", "sifre")
    OPTIONAL_CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    PARAMS: ClassVar[tuple[str, ...]] = ("oyun", "kupur")
    OPTIONAL_PARAMS: ClassVar[tuple[str, ...]] = ()
    FIELDS: ClassVar[tuple[str, ...]] = ("oyuncu_bilgi", "musteri_tel")
    NEEDS: ClassVar[tuple[str, ...]] = ("oyuncu_bilgi",)
    ACKNOWLEDGEMENT: ClassVar[Reply | None] = Reply("OK")
    TRAITS: ClassVar[Traits] = Traits()

    def __init__(self, provider: Provider, client: outbound.Client) -> None:
        self._base = provider.base_url.rstrip("/")
        self._account = {name: provider.credentials[name] for name in self.CREDENTIALS}
        self._client = client

    def send(self, task: Task) -> Outcome:
        """pin_ekle. Accepted is `OK|cost|remaining balance`."""
        fields = _order_fields(task)
        answer = self._ask("pin_ekle", fields, SEND_BYTES)
        head, _, rest = answer.partition("|")
        if head.strip().upper() == "OK":
            return _accepted(task, answer, rest)
        given = (fields["oyuncu_bilgi"], fields["musteri_tel"])
        raise _not_accepted(answer, head.strip(), rest.strip(), given)

    def check(self, tasks: Sequence[Task]) -> list[Learned]:
        """pin_kontrol, once for each. `OK|state|pin|description`; without OK at its beginning, the question failed."""
        return [self._learned(task) for task in tasks]

    def _learned(self, task: Task) -> Learned:
        try:
            return self._asked_for(task)
        except ProviderError as error:
            return error

    def _asked_for(self, task: Task) -> Outcome:
        answer = self._ask("pin_kontrol", {"tahsilat_api_islem_id": task.referans}, CHECK_BYTES)
        head, *fields = (part.strip() for part in answer.split("|", 3))
        if head.upper() != "OK":
            raise _question_failed(answer)
        return _state(task, answer, fields)

    def balance(self) -> Balance:
        """bakiye_kontrol. `OK|balance`, on some panels followed by the debt."""
        answer = self._ask("bakiye_kontrol", {}, BALANCE_BYTES)
        head, *fields = (part.strip() for part in answer.split("|"))
        amount = texts.clean_money(fields[0]) if fields else None
        if head.upper() != "OK" or amount is None:
            raise _refused_question(answer)
        return Balance(amount, CURRENCY, f"debt {fields[1]}" if fields[1:] else None)

    def catalogue(self) -> list[Package]:
        """pin_listesi. `oyun` of an order is `oyun_bilgi_id`, not `id`."""
        answer = self._ask("pin_listesi", {}, CATALOGUE_BYTES)
        try:
            listed = json.loads(answer)
            if not listed["success"]:
                raise QuestionRefused(f"the panel said: {listed.get('error')}")
            return [_package(line) for line in listed["result"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise NoAnswer("the catalogue cannot be read", answer) from None

    @staticmethod
    def read_callback(fields: Mapping[str, Any], text: str = "") -> Outcome:
        """`referans` (or `tahsilat_api_islem_id`), `durum`, `pin`, `aciklama`."""
        referans = _text(fields.get("referans")) or _text(fields.get("tahsilat_api_islem_id"))
        status = STATES.get(_text(fields.get("durum")))
        if not referans:
            raise UnreadableCallback("the reference is missing: send `referans`")
        if status is None:
            raise UnreadableCallback("`durum` must be 1, 2 or 3")
        message = _text(fields.get("aciklama")) or None
        found = codes.read(fields.get("pin"))
        return Outcome(
            status,
            referans,
            codes=found.codes,
            unreadable_code=found.unreadable,
            message=message,
            failure_reason=_failure_reason(status, message),
        )

    @staticmethod
    def write_callback(outcome: Outcome) -> Mapping[str, str]:
        """As `read_callback` reads it; of several codes the first, and an open order is `durum` 1."""
        if outcome.status is ExternalStatus.REVERSED:
            raise ValueError("a znet panel has no word for reversed")
        words = {status: word for word, status in STATES.items()}
        fields = {
            "referans": outcome.referans,
            "durum": words.get(outcome.status, "1"),
            "pin": outcome.codes[0].code if outcome.codes else None,
            "aciklama": outcome.whole_message(),
        }
        return {name: value for name, value in fields.items() if value}

    def _ask(self, service: str, fields: Mapping[str, str], max_bytes: int) -> str:
        """The answer as text. Raises NotReached, and NoAnswer for one that is larger than `max_bytes`, too."""
        try:
            response = self._client.get(
                f"{self._base}/servis/{service}.php",
                params={**self._account, **fields},
                max_bytes=max_bytes,
            )
        except outbound.Unreachable as error:
            raise NotReached(str(error)) from None
        except outbound.OutboundError as error:
            raise NoAnswer(str(error)) from None
        return _readable(response)


def _readable(response: outbound.Response) -> str:
    text = _decoded(response.body).strip().lstrip("\ufeff")
    if response.status != 200:
        raise NoAnswer(f"the panel answered HTTP {response.status}", text)
    if not text:
        raise NoAnswer(
            masking.ours(
                "the panel's answer is empty: the dealer code or the password is wrong, the API right is not granted,"
                " or our address is not on the panel's list"
            )
        )
    if text.startswith("<"):
        raise NoAnswer(
            "the panel answered with an HTML page: the base URL is wrong, or access is blocked", text
        )
    return text.replace("\x00", "")


def _decoded(body: bytes) -> str:
    """UTF-8, or windows-1254 as older panels send it."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("windows-1254", errors="replace")


def _order_fields(task: Task) -> dict[str, str]:
    """The parameters of pin_ekle. Raises Refused where the panel could not take the order."""
    missing = [name for name in Znet.PARAMS if not task.params.get(name)]
    if missing:
        raise Refused(
            f"not sent: the route lacks {' and '.join(missing)}; set it with `gateway routes add … --param`"
        )
    if task.quantity != Znet.TRAITS.max_quantity:
        raise Refused(f"not sent: znet panels take one item per order, not {task.quantity}")
    player, phone = _player_and_phone(task)
    if not player:
        # Another provider's route may take the player from another field.
        raise Refused(
            "not sent: the player's id is empty once blanks and invisible characters are gone",
            About.CUSTOMER,
            is_certain=False,
        )
    return {
        "oyun": str(task.params["oyun"]),
        "kupur": str(task.params["kupur"]),
        "referans": task.referans,
        "musteri_tel": phone,
        "oyuncu_bilgi": player,
    }


def _player_and_phone(task: Task) -> tuple[str, str]:
    if task.field_map:
        return players.mapped_fields(task.field_map, task.inputs())
    return players.default_fields(task.user_identifier, task.extra_field)


def _accepted(task: Task, answer: str, rest: str) -> Outcome:
    """An answer may be cut off anywhere. With a balance it is whole, and means the same if its cost cannot be read."""
    cost_text, _, balance = rest.partition("|")
    cost = texts.clean_money(cost_text)
    if cost is None and not balance.strip():
        raise NoAnswer("the panel's answer is incomplete", answer)
    remaining = texts.clean_money(balance)
    return Outcome(ExternalStatus.SENT, task.referans, cost=cost, currency=CURRENCY, remaining=remaining)


def _not_accepted(answer: str, head: str, reason: str, given: Sequence[str]) -> Refused | InDoubt | NoAnswer:
    """What an answer other than OK means. The customer wrote `given`: where a reason repeats it, it says nothing."""
    is_answer = head.isdigit() or head.upper() == "ERROR"
    if not is_answer:
        return NoAnswer("the panel's answer cannot be read", answer)
    if len(reason) > MAX_REASON:
        return InDoubt("the panel's answer is too long to be read", answer)
    whole = fold(texts.clean(reason, MAX_REASON))
    said = whole
    for echo in (fold(each) for each in given if len(each) >= SHORTEST_ECHO):
        said = said.replace(echo, "…")
    if not SENT_BEFORE.search(whole) and _is_refusal(head, said, whole):
        means = refusals.meaning(said)
        return Refused(reason, means.about, is_certain=means.is_certain, lacks_balance=means.lacks_balance)
    return InDoubt(f"the panel answered {answer}")


def _is_refusal(head: str, said: str, whole: str) -> bool:
    """Whether an answer other than OK means that the order was not accepted; 3 is the panel's own code for that.

    `said` is the `whole` without what the customer wrote, which must not make it one.
    """
    if TAKEN.search(whole):
        return False
    if NO_BALANCE_OR_STOCK.search(said) or ACCOUNT_REFUSED.search(said):
        return True
    return not UNCLEAR.search(whole) and bool(REFUSAL.search(said) or (head == "3" and said))


def _question_failed(answer: str) -> QuestionRefused | UnknownReference | NoAnswer:
    head, bar, reason = answer.partition("|")
    if not bar or not (head.strip().isdigit() or head.strip().upper() == "ERROR"):
        return NoAnswer("the panel's answer cannot be read", answer)
    if len(reason) > MAX_REASON:
        return QuestionRefused("the panel's answer is too long to be read", answer)
    said = fold(texts.clean(reason, MAX_REASON))
    if UNKNOWN.search(said.replace("_", " ")) and not ABOUT_SOMETHING_ELSE.search(said):
        return UnknownReference(f"the panel answered {answer}")
    return _refused_question(answer)


def _refused_question(answer: str) -> QuestionRefused:
    about = refusals.meaning(fold(texts.clean(answer, MAX_REASON))).about
    head, _, reason = (part.strip() for part in answer.partition("|"))
    if (head.isdigit() or head.upper() == "ERROR") and len(reason) <= MAX_REASON:
        return QuestionRefused(f"the panel answered {answer}", about=about)
    return QuestionRefused("the panel's answer cannot be read", answer, about=about)


def _state(task: Task, answer: str, fields: list[str]) -> Outcome:
    """A PIN counts only with the separator after it, so that an incomplete line is not mistaken for a complete one."""
    status = STATES.get(fields[0]) if len(fields) > 1 else None
    if status is None or (status is ExternalStatus.COMPLETED and len(fields) < 3):
        raise NoAnswer("the panel's answer is incomplete, or its state is unknown", answer)
    found = codes.read(fields[1]) if status is ExternalStatus.COMPLETED else codes.Codes()
    message = fields[2] if len(fields) > 2 else None
    return Outcome(
        status,
        task.referans,
        codes=found.codes,
        unreadable_code=found.unreadable,
        message=message,
        failure_reason=_failure_reason(status, message),
    )


def _failure_reason(status: ExternalStatus, message: str | None) -> FailureReason | None:
    """What the words of a failure are about, where they leave no doubt: "bakiye" may be the refund.

    Of a long text nothing is known: its end may change what it means.
    """
    if status is not ExternalStatus.FAILED or not message or len(message) > MAX_REASON:
        return None
    means = refusals.meaning(fold(texts.clean(message, MAX_REASON)))
    return FAILURE_REASONS[means.about] if means.is_certain and means.about is not About.ORDER else None


def _package(line: Mapping[str, Any]) -> Package:
    params = {"oyun": _text(line["oyun_bilgi_id"]), "kupur": _text(line.get("kupur"))}
    name = " ".join(filter(None, (_text(line.get("oyun_adi")), _text(line.get("adi")))))
    return Package(_text(line["id"]), name, texts.clean_money(_text(line.get("fiyat"))), CURRENCY, params)


def _text(value: Any) -> str:
    """A field as text; panels send numbers as strings or as numbers."""
    return "" if value is None or isinstance(value, (bool, dict, list)) else str(inputs.exact(value)).strip()
