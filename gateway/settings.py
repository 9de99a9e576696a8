"""Every environment variable, read and checked once at start. Imports nothing of ours."""

import base64
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet
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

#: What every process but `gateway dev` needs.
REQUIRED = ("DATABASE_URL", "REDIS_URL")


class SettingsError(ValueError):
    """One line that names the variable and says what it takes; it never holds the value of a secret."""


def _scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if url.get_secret_value().partition("://")[0] not in schemes:
            raise ValueError(f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return url

    return AfterValidator(check)


def _fernet_keys(value: Any) -> Any:
    keys = [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value
    try:
        [Fernet(key) for key in keys]
    except (ValueError, TypeError):
        raise ValueError("comma-separated Fernet keys (32 random bytes each, in URL-safe base64)") from None
    return keys


def _webhook_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        text = ""
    if not text.startswith("whsec_"):
        raise ValueError("`whsec_` and then base64")
    return secret


def _path(prefix: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix.rstrip("/")):
        raise ValueError("a path such as /api-dj")
    return prefix.rstrip("/")


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("an address such as https://gateway.example")
    return url.rstrip("/")


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("a time zone such as Asia/Damascus") from None
    return name


def _minutes(spec: str) -> tuple[int, ...]:
    """The minutes of the hour at which a simple pattern is due. Raises ValueError."""
    fields = spec.split()
    if len(fields) != 5 or fields[1:] != ["*"] * 4:
        raise ValueError("not simple")
    step = re.fullmatch(r"\*(?:/(\d+))?", fields[0])
    if step:
        minutes = tuple(range(0, 60, int(step[1] or 1)))
    else:
        minutes = tuple(sorted({int(part) for part in fields[0].split(",")}))
    if not minutes or minutes[-1] > 59:
        raise ValueError("no such minute")
    return minutes


def _cron(spec: str) -> str:
    try:
        _minutes(spec)
    except ValueError:
        raise ValueError(
            "a cron pattern of minutes only, such as */5 * * * *, because others fail silently"
        ) from None
    return " ".join(spec.split())


#: Seconds; fractions are allowed, so that tests can run a day's life in seconds.
Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86400, allow_inf_nan=False)]
_EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)


class Settings(BaseModel):
    """The environment, checked. A field is the variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: Annotated[SecretStr, _scheme("postgres", "postgresql")] = SecretStr("")
    redis_url: Annotated[SecretStr, _scheme("redis", "rediss")] = SecretStr("")
    redis_tls_verify: bool = True
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    web_concurrency: Annotated[int, Field(ge=1, le=1000)] = 2
    public_url: Annotated[str, AfterValidator(_web_address)] = Field(default="", validate_default=False)
    encryption_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_fernet_keys)] = ()
    order_api_prefix: Annotated[str, AfterValidator(_path)] = "/api-dj"
    first_check_delay: Seconds = 60
    backoff_min: Seconds = 30
    backoff_max: Seconds = 600
    max_checks: Annotated[int, Field(ge=1, le=10_000)] = 20
    slow_check_interval: Seconds = 1800
    callback_trust: Seconds = 600
    order_timeout: Seconds = 86400
    sweep_cron: Annotated[str, AfterValidator(_cron)] = "*/5 * * * *"
    sweep_batch: Annotated[int, Field(ge=1, le=10_000)] = 100
    callback_retention: Seconds = 2592000
    notify_url: Annotated[str | None, _EMPTY_IS_NONE, Field(pattern=r"^https?://\S+$")] = None
    notify_secret: Annotated[SecretStr, AfterValidator(_webhook_secret)] | None = None
    notify_with_pin: bool = False
    notify_allow_private: bool = False
    timezone: Annotated[str, AfterValidator(_timezone)] = "Asia/Damascus"
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    sentry_dsn: SecretStr | None = None

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("backoff_max")
    @classmethod
    def _not_below_min(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("backoff_min", 0):
            raise ValueError("no less than BACKOFF_MIN")
        return value

    @property
    def sweep_period_seconds(self) -> float:
        """The longest time between two sweeps of SWEEP_CRON."""
        minutes = _minutes(self.sweep_cron)
        return 60.0 * max(b - a for a, b in zip(minutes, (*minutes[1:], minutes[0] + 60), strict=True))


#: What a variable takes, where pydantic's own words would not tell.
TAKES = {
    "DATABASE_URL": "a URL that begins with postgres:// or postgresql://",
    "REDIS_URL": "a URL that begins with redis:// or rediss://",
    "LOG_FORMAT": "json or console",
    "LOG_LEVEL": "debug, info, warning or error",
    "NOTIFY_URL": "an address that begins with http:// or https://",
}


def load(environ: Mapping[str, str] = os.environ, require: Sequence[str] = REQUIRED) -> Settings:
    """The settings in `environ`. Raises SettingsError for the first variable that is missing or bad."""
    for name in require:
        if not environ.get(name):
            raise SettingsError(f"{name} is not set: it takes {TAKES[name]}")
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    given.setdefault("public_url", f"http://localhost:{given.get('port', 8000)}")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def load_or_exit(environ: Mapping[str, str] = os.environ, require: Sequence[str] = REQUIRED) -> Settings:
    """The settings, or one line on standard error and exit status 2."""
    try:
        return load(environ, require)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]).upper()
    takes = TAKES.get(name) or first["msg"].removeprefix("Value error, ")
    return f"{name} has a bad value: it takes {takes[0].lower() + takes[1:]}"
