"""All environment variables, read and checked once at start."""

import base64
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psycopg2
from cryptography.fernet import Fernet
from psycopg2.extensions import parse_dsn
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from gateway.inputs import http_url, is_storable

#: Needed by every process except `gateway dev`; the keys not where `ALLOW_PLAINTEXT` is 1.
REQUIRED = ("DATABASE_URL", "REDIS_URL", "ENCRYPTION_KEYS")
#: Needed by a command that reads or writes the database.
OF_COMMANDS = ("DATABASE_URL", "ENCRYPTION_KEYS")
#: The command that prints a new key.
MAKE_KEY = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
#: Where `gateway dev` writes the variables of what it runs, unless it is given another directory.
DEVELOPMENT = Path(".data/env")
#: A PostgreSQL URL up to its options. As in libpq, a password may contain a `?`.
BEFORE_OPTIONS = re.compile(r"[^:]*://(?:[^@/]*@)?[^?]*")
#: An option whose name is one at all.
OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_]*=[^=]*")
#: The command that prints a new secret for NOTIFY_SECRET.
MAKE_WHSEC = "python -c 'import base64, os; print(\"whsec_\" + base64.b64encode(os.urandom(32)).decode())'"


class SettingsError(ValueError):
    """One line that names the variable and says what it takes; it never contains the value of a secret."""


class Reason(ValueError):
    """Why a value is not valid, in words that may be shown: they repeat nothing of it."""


def _scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text.partition("://")[0] not in schemes or "://" not in text:
            raise ValueError("wrong scheme")
        _ = urlsplit(text).port  # raises ValueError for an invalid port
        return url

    return AfterValidator(check)


def _postgres_url(url: SecretStr) -> SecretStr:
    """The URL without the options that are not libpq's own; other clients add theirs. Raises Reason."""
    known, others = _split_options(url.get_secret_value())
    if others.get("schema", "public") != "public":
        raise Reason("its option `schema` may only be public")
    try:
        parse_dsn(known)
    except psycopg2.ProgrammingError:  # its message may repeat the password
        raise Reason("its percent-encoding or its options are wrong") from None
    return SecretStr(known)


def _schema(name: str) -> str:
    """Not `public`: it belongs to everyone, and the storefront's own tables have the same names there."""
    if not re.fullmatch(r"(?!pg_|public$|information_schema$)[a-z_][a-z0-9_]{0,62}", name):
        raise ValueError("not the name of a schema of our own")
    return name


def _split_options(url: str) -> tuple[str, dict[str, str]]:
    """A PostgreSQL URL without the options of other clients, and those options."""
    before = BEFORE_OPTIONS.match(url)
    base = before[0] if before else url
    query = url[len(base) + 1 :]
    options = [option for option in query.split("&") if option]
    others = [option for option in options if OPTION.fullmatch(option) and not _is_libpq_option(option)]
    kept = "&".join(option for option in options if option not in others)
    return (f"{base}?{kept}" if kept else base), dict(option.split("=", 1) for option in others)


def _is_libpq_option(option: str) -> bool:
    """Asks libpq, which knows those of its version: for the name, and for `ssl=true`, which it takes as a whole."""
    for known in (option.partition("=")[0] + "=", option):
        with suppress(psycopg2.ProgrammingError):
            parse_dsn(f"postgresql:///?{known}")
            return True
    return False


def _fernet_keys(value: Any) -> Any:
    keys = [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value
    if not keys:
        raise ValueError("no key")
    for key in keys:
        Fernet(key)
    return keys


def _webhook_secrets(value: Any) -> Any:
    """Those of Standard Webhooks, separated by commas."""
    secrets = [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value
    if not secrets:
        raise ValueError("no secret")
    for each in secrets:
        if not each.startswith("whsec_") or not base64.b64decode(each.removeprefix("whsec_"), validate=True):
            raise ValueError("not a webhook secret")
    return secrets


def _path(prefix: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix.rstrip("/")):
        raise ValueError("not a path")
    return prefix.rstrip("/")


def _base_url(url: str) -> str:
    http_url(url)
    if "?" in url or "#" in url:
        raise ValueError("a query or a fragment")
    return url.rstrip("/")


def _url(url: str | None) -> str | None:
    if url is not None:
        http_url(url)
    return url


def _telegram_token(token: SecretStr | None) -> SecretStr | None:
    if token is not None and not re.fullmatch(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,100}", token.get_secret_value()):
        raise ValueError("not a token")
    return token


def _addresses(value: Any) -> Any:
    found = [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value
    if not found or not all(re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", each) for each in found):
        raise ValueError("not an address")
    return found


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, LookupError, RecursionError) as error:  # the last for thousands of slashes
        raise ValueError("unknown time zone") from error
    return name


def _minutes(spec: str) -> tuple[int, ...]:
    """The minutes of the hour of a cron pattern that has minutes only. Raises ValueError."""
    fields = spec.split()
    if len(fields) != 5 or fields[1:] != ["*"] * 4:
        raise ValueError("not a pattern of minutes")
    if step := re.fullmatch(r"\*(?:/([0-9]{1,2}))?", fields[0]):
        return tuple(range(0, 60, int(step[1] or 1)))
    if not re.fullmatch(r"[0-9]{1,2}(,[0-9]{1,2})*", fields[0]):
        raise ValueError("not a pattern of minutes")
    minutes = sorted({int(part) for part in fields[0].split(",")})
    if minutes[-1] > 59:
        raise ValueError("minute out of range")
    return tuple(minutes)


#: Seconds of each unit of a rate.
UNITS = {"second": 1, "minute": 60, "hour": 3600}
#: Largest count of a rate: for benchmarks it stands for "without limit".
MOST_REQUESTS = 10**9


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests within so many seconds."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name, seconds in UNITS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"

    def tenth(self) -> "Rate":
        """A tenth of it, one request at least."""
        return Rate(max(1, self.count // 10), self.seconds)


def _rate(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([0-9]{1,10})\s*/\s*(second|minute|hour)", value.lower())
    if not found or not 1 <= int(found[1]) <= MOST_REQUESTS:
        raise ValueError("not a rate")
    return Rate(int(found[1]), UNITS[found[2]])


def _cron(spec: str) -> str:
    _minutes(spec)
    return " ".join(spec.split())


def _count(least: int, most: int) -> Any:
    return Field(ge=least, le=most, description=f"a whole number from {least} to {most}")


#: Ten years in seconds: longer than any wait here, and within the range of every database type.
MOST_SECONDS = 10 * 365 * 86400
#: Seconds; fractions are allowed, so that tests can run a day's life in seconds.
Seconds = Annotated[
    float,
    Field(
        gt=0,
        le=MOST_SECONDS,
        allow_inf_nan=False,
        description=f"seconds, more than 0 and at most {MOST_SECONDS} (ten years)",
    ),
]
Switch = Annotated[bool, Field(description="1 or 0")]


class Settings(BaseModel):
    """The checked environment. A field is the variable of that name in capitals; its description says what it takes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: Annotated[
        SecretStr,
        _scheme("postgres", "postgresql"),
        AfterValidator(_postgres_url),
        Field(description="a URL that begins with postgres:// or postgresql://"),
    ] = SecretStr("")
    #: The schema of the gateway's own tables.
    database_schema: Annotated[
        str,
        AfterValidator(_schema),
        Field(
            description="lower-case letters, digits and _, up to 63 characters; not public, nor a name of PostgreSQL"
        ),
    ] = "referans"
    #: Whether codes are sealed in "pinCode" of the orders table; everywhere else they are.
    seal_pins: Literal["auto", "always", "never"] = Field(default="auto", description="auto, always or never")
    redis_url: Annotated[
        SecretStr,
        _scheme("redis", "rediss"),
        Field(description="a URL that begins with redis:// or rediss://"),
    ] = SecretStr("")
    redis_tls_verify: Switch = True
    port: Annotated[int, _count(1, 65535)] = 8000
    web_concurrency: Annotated[int, _count(1, 1000)] = 2
    public_url: Annotated[
        str, AfterValidator(_base_url), Field(description="a URL such as https://gateway.example")
    ] = "http://localhost:8000"
    encryption_keys: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(_fernet_keys),
        Field(description="comma-separated Fernet keys (32 random bytes each, in URL-safe base64)"),
    ] = ()
    order_api_prefix: Annotated[str, AfterValidator(_path), Field(description="a path such as /api-dj")] = (
        "/api-dj"
    )
    first_check_delay: Seconds = 60
    backoff_min: Seconds = 30
    backoff_max: Seconds = Field(
        default=600, validate_default=True, description="seconds, no less than BACKOFF_MIN"
    )
    max_checks: Annotated[int, _count(1, 10_000)] = 20
    slow_check_interval: Seconds = 1800
    callback_trust: Seconds = 600
    order_timeout: Seconds = 86400
    #: Longest time of one call to a provider. Tests shorten it; no deployment should need to.
    call_timeout: Seconds = 30
    #: Time without a sign of life after which a worker's messages go to others. For tests, as above.
    heartbeat_timeout: Seconds = 30
    sweep_cron: Annotated[
        str,
        AfterValidator(_cron),
        Field(description="a cron pattern of minutes only, such as */5 * * * *"),
    ] = "*/5 * * * *"
    sweep_batch: Annotated[int, _count(1, 10_000)] = 100
    callback_retention: Seconds = 2592000
    #: Time in which a second order for the same package and player is taken for the same order sent twice.
    resend_guard: Annotated[
        float,
        Field(
            ge=0,
            le=MOST_SECONDS,
            allow_inf_nan=False,
            description=f"seconds, from 0 (off) to {MOST_SECONDS} (ten years)",
        ),
    ] = 0
    notify_url: Annotated[
        str | None,
        AfterValidator(_url),
        Field(description="a URL that begins with http:// or https://"),
    ] = None
    #: Each of them signs every notification, so that a receiver may know any one of them.
    notify_secret: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(_webhook_secrets),
        Field(description=f"comma-separated secrets: whsec_ followed by base64; make one with {MAKE_WHSEC}"),
    ] = ()
    #: Whether codes are sent with notifications, over https or within the machine.
    notify_with_pin: Switch = False
    #: Whether a `notifyUrl` may lead to a private address; NOTIFY_URL always may.
    notify_allow_private: Switch = False
    #: How long notifications that have ended are kept, with their deliveries.
    notify_retention: Seconds = 7776000
    #: Where alerts go: to a URL, signed with NOTIFY_SECRET; to a chat, by a Telegram bot; by mail.
    alert_url: Annotated[
        str | None,
        AfterValidator(_url),
        Field(description="a URL that begins with http:// or https://"),
    ] = None
    alert_telegram_token: Annotated[
        SecretStr | None,
        AfterValidator(_telegram_token),
        Field(description="the token of a Telegram bot, such as 123456:ABC-DEF"),
    ] = None
    alert_telegram_chat: Annotated[
        str | None,
        Field(
            pattern=r"^(-?[0-9]{1,20}|@\w{1,64})$",
            description="the id of a chat, or @ and the name of a channel",
        ),
    ] = None
    alert_smtp_url: Annotated[SecretStr, _scheme("smtp", "smtps")] | None = Field(
        default=None, description="a URL such as smtps://user:password@host:465?from=gateway@shop.example"
    )
    alert_email: Annotated[
        tuple[str, ...],
        BeforeValidator(_addresses),
        Field(description="comma-separated mail addresses"),
    ] = ()
    #: Entries of `X-Forwarded-For`, counted from its end, that are written by our own proxies.
    trusted_proxies: Annotated[int, _count(0, 20)] = 0
    #: Requests of one API key, over all processes.
    rate_limit: Annotated[
        Rate,
        BeforeValidator(_rate),
        Field(
            description=f"a number from 1 to {MOST_REQUESTS} per second, minute or hour, such as 100/second"
        ),
    ] = Rate(100, 1)
    #: Whether PINs and credentials may be stored in clear, where `encryption_keys` are not set.
    allow_plaintext: Switch = False
    timezone: Annotated[
        str, AfterValidator(_timezone), Field(description="a time zone such as Asia/Damascus")
    ] = "Asia/Damascus"
    log_format: Literal["json", "console"] = Field(default="json", description="json or console")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )
    sentry_dsn: Annotated[SecretStr, _scheme("http", "https")] | None = Field(
        default=None, description="a URL that begins with https://"
    )
    #: OpenTelemetry's own, by which traces are wanted; whatever else it defines is read by its own code.
    otel_exporter_otlp_endpoint: Annotated[
        str | None,
        AfterValidator(_url),
        Field(description="a URL that begins with http:// or https://"),
    ] = None
    otel_exporter_otlp_traces_endpoint: Annotated[
        str | None,
        AfterValidator(_url),
        Field(description="a URL that begins with http:// or https://"),
    ] = None
    otel_exporter_otlp_protocol: str = Field(default="", description="http/protobuf")
    otel_exporter_otlp_traces_protocol: str = Field(default="", description="http/protobuf")
    otel_traces_exporter: str = Field(default="", description="otlp or none")
    otel_sdk_disabled: str = Field(default="", description="true or false")

    @field_validator("log_format", "log_level", "seal_pins", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("backoff_max")
    @classmethod
    def _not_below_min(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("backoff_min", 0):
            raise ValueError("less than BACKOFF_MIN")
        return value

    @property
    def otel_protocol(self) -> str:
        """The protocol in which traces are wanted, in lower case; empty if nothing says it."""
        return (self.otel_exporter_otlp_traces_protocol or self.otel_exporter_otlp_protocol).lower()

    @property
    def sweep_period_seconds(self) -> float:
        """The longest time between two sweeps by SWEEP_CRON, in seconds."""
        minutes = _minutes(self.sweep_cron)
        return 60.0 * max(b - a for a, b in zip(minutes, (*minutes[1:], minutes[0] + 60), strict=True))


def load(environ: Mapping[str, str] = os.environ, require: Sequence[str] = REQUIRED) -> Settings:
    """The settings in `environ`. Raises SettingsError for the first variable that is missing or invalid.

    ENCRYPTION_KEYS, if required, may be missing where ALLOW_PLAINTEXT is 1.
    Blanks and line ends around a value do not count: files and secret stores add them.
    """
    given = {name: environ.get(name.upper(), "").strip() for name in Settings.model_fields}
    given = {name: value for name, value in given.items() if value}
    for name in require:
        if name.lower() not in given and name != "ENCRYPTION_KEYS":
            raise SettingsError(f"{name} is not set: it takes {_takes(name.lower())}")
    for name, value in given.items():
        if not is_storable(value):
            raise SettingsError(f"{name.upper()} is not valid: it is not UTF-8 text; it takes {_takes(name)}")
    given.setdefault("public_url", f"http://localhost:{given.get('port', 8000)}")
    try:
        found = Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None
    if "ENCRYPTION_KEYS" in require and not found.encryption_keys and not found.allow_plaintext:
        raise SettingsError(
            f"ENCRYPTION_KEYS is not set: it takes {_takes('encryption_keys')}; make one with {MAKE_KEY}, or set"
            " ALLOW_PLAINTEXT=1 to store PINs and credentials in clear"
        )
    if require:
        _check_what_belongs_together(found)
    return found


def _check_what_belongs_together(found: Settings) -> None:
    """Raises SettingsError for a variable without the one that it needs."""
    for name, what in (("notify_url", "notifications"), ("alert_url", "alerts")):
        if getattr(found, name) and not found.notify_secret:
            raise SettingsError(
                f"NOTIFY_SECRET is not set, and {name.upper()} is: {what} are never sent unsigned; it takes"
                f" {_takes('notify_secret')}"
            )
    for one, other in (("alert_telegram_token", "alert_telegram_chat"), ("alert_smtp_url", "alert_email")):
        for lacking, given in ((one, other), (other, one)):
            if getattr(found, given) and not getattr(found, lacking):
                raise SettingsError(
                    f"{lacking.upper()} is not set, and {given.upper()} is: it takes {_takes(lacking)}"
                )


def load_or_exit(environ: Mapping[str, str] = os.environ, require: Sequence[str] = REQUIRED) -> Settings:
    """The settings, or one line on standard error and exit status 2."""
    try:
        return load(environ, require)
    except SettingsError as error:
        is_lacking = not environ.get("DATABASE_URL", "").strip() and DEVELOPMENT.is_file()
        hint = (
            f"; to use what `make run` has started here: set -a; . {DEVELOPMENT}; set +a"
            if is_lacking
            else ""
        )
        print(f"error: {error}{hint}", file=sys.stderr)
        raise SystemExit(2) from None


def notes(environ: Mapping[str, str] = os.environ) -> list[str]:
    """What in a valid `environ` has no effect, for people; one sentence without its full stop each."""
    found = []
    _, ignored = _split_options(environ.get("DATABASE_URL", "").strip())
    if ignored:
        found.append(f"ignored in DATABASE_URL: {', '.join(ignored)}")
    return found


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name, cause = str(first["loc"][0]), first.get("ctx", {}).get("error")
    because = f"{cause}; " if isinstance(cause, Reason) else ""
    return f"{name.upper()} is not valid: {because}it takes {_takes(name)}"


def _takes(name: str) -> str:
    return Settings.model_fields[name].description or ""
