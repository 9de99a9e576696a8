"""Every line of a process leaves in one form, once, and without secrets."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import log
from gateway.log import MASKED, mask, mask_error, mask_event
from tests.growth import is_linear
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SETUP = """
import logging, sys
from gateway import log
from gateway.settings import load
log.configure(load(dict({variables}), require=()))
logger = log.get("shop")
"""
#: What `dramatiq` loads in its worker process.
WORKER = """
import dramatiq
from gateway import broker, log
from gateway.settings import load

settings = load(require=("REDIS_URL",))
log.configure(settings)
dramatiq.set_broker(broker.make_broker(settings, strict=False))
log.get("shop").info("Loaded with token=abc")
"""


def output_of(code: str, **variables: str) -> str:
    """What a process of its own, which logs, writes to standard output; nothing may go to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP.format(variables=variables) + code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert done.stderr.decode() == ""
    return done.stdout.decode()


def lines_of(code: str, **variables: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output_of(code, **variables).splitlines()]


def test_a_line_is_a_sentence_an_action_and_ids() -> None:
    [line] = lines_of('logger.info("The order was sent.", action="order_sent", order_id="1")')
    assert line.pop("timestamp")
    assert line == {
        "event": "The order was sent.",
        "action": "order_sent",
        "order_id": "1",
        "level": "info",
        "logger": "shop",
    }


def test_bound_ids_are_on_every_line_until_cleared() -> None:
    first, second, third = lines_of("""
log.bind(request_id="r1")
logger.info("One.")
logging.getLogger("gunicorn.error").info("Two.")
log.clear()
logger.info("Three.")
""")
    assert (first["request_id"], second["request_id"]) == ("r1", "r1")
    assert "request_id" not in third


def test_timestamps_are_in_the_zone_people_read() -> None:
    [line] = lines_of('logger.info("Now.")', TIMEZONE="Asia/Kolkata")
    assert line["timestamp"].endswith("+05:30")


def test_a_console_shows_the_time_with_its_zone() -> None:
    shown = output_of('logger.info("Now.")', TIMEZONE="Asia/Kathmandu", LOG_FORMAT="console")
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d \+0545 ", shown)


def test_the_level_holds_for_us_and_for_libraries() -> None:
    code = """
for each in (logger, logging.getLogger("dramatiq")):
    each.info("No."); each.warning("Yes.")
"""
    assert [line["event"] for line in lines_of(code, LOG_LEVEL="warning")] == ["Yes.", "Yes."]


def test_statements_are_never_logged() -> None:
    assert lines_of('logging.getLogger("peewee").debug("INSERT")', LOG_LEVEL="debug") == []


@pytest.mark.parametrize(
    "name", ["gunicorn.error", "gunicorn.access", "dramatiq.worker", "periodiq", "peewee", "x"]
)
def test_the_lines_of_libraries_are_ours(name: str) -> None:
    [line] = lines_of(f'logging.getLogger("{name}").info("Booted with %s.", "token=abc")')
    assert (line["event"], line["level"], line["logger"]) == (f"Booted with token={MASKED}", "info", name)


def test_configuring_replaces_handlers_installed_before() -> None:
    """As in a worker of dramatiq, whose command line installs handlers before it loads the actors."""
    [line] = lines_of("""
logging.basicConfig(stream=sys.stderr, force=True)
for name in ("dramatiq", "gunicorn.error", "periodiq"):
    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stderr))
    logging.getLogger(name).propagate = False
sys.stdout = sys.stderr
log.configure(load({}, require=()))
log.configure(load({}, require=()))
logging.getLogger("dramatiq").info("Ready.")
""")
    assert line["event"] == "Ready."


def test_a_real_worker_logs_to_standard_output(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "shop_actors.py").write_text(WORKER)
    command = [sys.executable, "-m", "dramatiq", "shop_actors", "--processes", "1", "--threads", "1"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{tmp_path}", "REDIS_URL": redis_url}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=pipe, stderr=pipe) as worker:
        assert worker.stdout is not None
        try:
            events = [json.loads(worker.stdout.readline())["event"] for _ in range(2)]
        finally:
            worker.terminate()
            rest, errors = (stream.decode() for stream in worker.communicate(timeout=30))
    assert events == [f"Loaded with token={MASKED}", "Worker process is ready for action."]
    assert "Worker has been shut down." in [json.loads(line)["event"] for line in rest.splitlines()]
    assert "ready for action" not in errors


#: A line that is longer than a pipe holds, and two signals whose handlers log, each in one of the two ways.
INTERRUPTED = """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: logger.info("Ours."))
signal.signal(signal.SIGUSR2, lambda *_: logging.getLogger("x").info("A library's."))
os.set_blocking(1, {blocks})
{source}.info("x" * 3_000_000)
{source}.info("Next.")
"""


@pytest.mark.parametrize(
    ("blocks", "source"), [(True, "logger"), (True, 'logging.getLogger("x")'), (False, "logger")]
)
def test_a_line_that_a_signals_handler_logs_follows_the_one_it_interrupted(blocks: bool, source: str) -> None:
    """Python's streams refuse it, and a pipe that is full or does not block takes a part of a line."""
    code = SETUP.format(variables={}) + INTERRUPTED.format(blocks=blocks, source=source)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        full = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            wait_until(lambda: _waiting(process.stdout) == full, 30)
            process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert (events[0].strip("x"), sorted(events[1:3]), events[3:]) == (
        "",
        ["A library's.", "Ours."],
        ["Next."],
    )
    assert errors == b""


def test_a_handler_may_log_at_any_instant_of_a_line() -> None:
    """Between any two steps of the interpreter, of which it takes some for a signal."""
    reader, writer = os.pipe()
    output, before, instants = log._Output(writer), sys.gettrace(), 0
    left, is_reached = 0, True

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        frame.f_trace_opcodes = frame.f_code.co_filename == log.__file__
        left -= event == "opcode"
        if event == "opcode" and left == 0:
            output.write("Handled.\n")
        return trace

    while is_reached:
        instants += 1
        left = instants
        sys.settrace(trace)
        try:
            output.write("Line.\n")
        finally:
            sys.settrace(before)
        is_reached = left <= 0
        said = os.read(reader, 1000).decode().splitlines()
        assert sorted(said) == ["Handled.", "Line."][not is_reached :], instants
    os.close(reader)
    os.close(writer)
    assert instants > 30


def test_a_standard_output_that_is_closed_is_noticed_at_once() -> None:
    """A connection that is opened later would get its number, and the lines."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        log._Output(1_000_000)


@pytest.mark.parametrize("output", ["a full disk", "a reader that has gone"])
def test_a_line_that_cannot_be_written_is_lost_and_the_work_goes_on(output: str) -> None:
    """Without a word on standard error either, where `logging` would show it unmasked."""
    lines = 'logger.info("A.")\nlogger.error("B.", pin="1234")\nlogging.getLogger("x").info("C.")'
    if output == "a full disk":
        number = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, number = os.pipe()
        os.close(reader)
    code = SETUP.format(variables={}) + f"{lines}\nraise SystemExit(7)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=number, stderr=subprocess.PIPE, check=False
    )
    os.close(number)
    assert (done.returncode, done.stderr) == (7, b"")


def _waiting(pipe: Any) -> int:
    """Bytes in a pipe that nobody has read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("source", ["logger", 'logging.getLogger("x")'])
def test_tracebacks_are_masked(source: str) -> None:
    [line] = lines_of(f"""
try:
    raise ValueError("GET https://panel.example/?kod=12&sifre=hunter2")
except ValueError:
    {source}.exception("Failed.")
""")
    assert "Traceback" in line["exception"]
    assert f"kod={MASKED}&sifre={MASKED}" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_the_console_form_is_for_people_and_masked_too() -> None:
    shown = output_of(
        """
logger.info("Sent.", pin="1234-5678", order_id="o1")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("Oh.")
""",
        LOG_FORMAT="console",
    )
    assert "Sent." in shown
    assert "o1" in shown
    assert "ZeroDivisionError" in shown
    assert "1234" not in shown


def test_an_invalid_character_does_not_cost_the_line() -> None:
    [line] = output_of(r'logger.info("Said \ud800 ş.")').splitlines()
    assert r"Said \ud800 ş." in line


@pytest.mark.parametrize(
    "name",
    [
        "pin", "pin_code", "pinCode", "PIN", "sifre", "şifre", "kod", "bayi_kodu", "password", "token", "tokens",
        "accessToken", "secret", "clientSecret", "webhook-secret", "Authorization", "api_key", "apiKey", "X-Api-Key",
        "credentials", "encryption_keys", "SENTRY_DSN", "Set-Cookie",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", 4711, b"hunter2", ["hunter2"], {"user": "hunter2"}])
def test_what_stands_under_a_secret_name_is_masked(name: str, value: object) -> None:
    assert mask_event(None, "info", {name: value}) == {name: MASKED}


def test_masking_goes_to_any_depth() -> None:
    event = {"order": {"lines": [{"pinCode": "hunter2", "note": ("sifre=hunter2", {"token=hunter2"})}]}}
    assert "hunter2" not in str(mask_event(None, "info", event))


def test_objects_are_masked_as_they_would_be_shown() -> None:
    assert mask_event(None, "info", {"error": ValueError("token=abc")}) == {"error": f"token={MASKED}"}


@pytest.mark.parametrize(
    "name", ["order_id", "status_code", "spinning", "opinion", "monkey", "keyboard", "action"]
)
@pytest.mark.parametrize("value", ["plain", 3, 0.5])
def test_other_names_are_left_alone(name: str, value: object) -> None:
    assert mask_event(None, "info", {name: value}) == {name: value}


@pytest.mark.parametrize("value", [None, True, False])
def test_whether_a_value_is_set_is_not_secret(value: object) -> None:
    assert mask_event(None, "info", {"pin": value}) == {"pin": value}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://h/servis?kod=12&sifre=ab%20c&x=1", "https://h/servis?kod=***&sifre=***&x=1"),
        ("?access_token=abc#top", "?access_token=***"),
        ("POST /callbacks/znet/s3cret?x=1", "POST /callbacks/znet/***?x=1"),
        ("POST /callbacks//znet/s3cret?x=1", "POST /callbacks//***?x=1"),
        ("POST /callbacks/znet//s3cret/x", "POST /callbacks/znet/***"),
        ("Authorization: Bearer rk_abc.def", "Authorization: Bearer ***"),
        ("Authorization: Basic dXNlcjpw", "Authorization: Basic ***"),
        ("authorization=bearer abc", "authorization=bearer ***"),
        ("sent bearer abc.def, twice", "sent bearer ***, twice"),
        ("key whsec_MfKQ9r8GKYqr+/= is bad", "key *** is bad"),
        ("key rk_0123456789 is bad", "key *** is bad"),
        ('{"pin_code": "12 34", "x": 1}', '{"pin_code": ***, "x": 1}'),
        (r"{\"pinCode\": \"1234\"}", r"{\"pinCode\": ***}"),
        ("{'pin': '12,34', 'x': b''}", "{'pin': ***, 'x': b''}"),
        ("{'token': b'ab'}", "{'token': b***}"),
        ("Şifre: hunter2", "Şifre: ***"),
        ("redis://:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("postgres://user:hun%20ter2@host/d", "postgres://***@host/d"),
        ("https://abc123@o1.ingest.sentry.io/2", "https://***@o1.ingest.sentry.io/2"),
        ("pin=1", "pin=***"),
    ],
)
def test_secrets_inside_text_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "The order was sent.",
        "2026-05-01T12:00:00.250+03:00",
        "mapping: a, spin: b, hata kodlari",
        "https://panel.example:8443/servis/tl_servis.php?oyun=pubg",
        "GET /callbacks/znet",
        "no PIN yet",
        "user@example.com",
        "",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


fields = st.sampled_from(["pin", "kod", "sifre", "token", "password", "api_key", "secret", "pinCode"])


@given(field=fields, secret=st.text("0123456789QXZ", min_size=4), around=st.text(" &?{}\"'", max_size=3))
def test_no_field_of_a_query_or_of_json_gets_through(field: str, secret: str, around: str) -> None:
    assert secret not in mask(f"{around}{field}={secret}{around}")
    assert secret not in mask(json.dumps({field: secret}))
    assert secret not in mask(json.dumps(json.dumps({field: secret})))
    assert secret not in mask(repr({field: secret}))
    assert secret not in mask(f"{field.upper()}: {secret}")


@given(st.text())
def test_masking_takes_any_text_and_masking_again_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


CODE = "WXYZ-4821-KLMN-7735"
TABLE = """
CREATE TEMP TABLE sold (code text CONSTRAINT once UNIQUE, note text CONSTRAINT unnoted CHECK (note IS NULL));
CREATE UNIQUE INDEX once_in_small_letters ON sold (lower(code));
INSERT INTO sold VALUES (%(code)s, NULL), (lower(%(code)s), NULL) ON CONFLICT DO NOTHING;
"""


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("INSERT INTO sold VALUES ('x', %(code)s)", 'violates check constraint "unnoted"'),
        ("INSERT INTO sold VALUES (E'x\\ny', E'\\n' || %(code)s)", 'violates check constraint "unnoted"'),
        ("INSERT INTO sold VALUES (%(code)s)", "Key (code)="),
        ("INSERT INTO sold VALUES (upper(lower(%(code)s)) || '')", "Key (code)="),
        (
            "UPDATE sold SET code = NULL; INSERT INTO sold VALUES (%(code)s), (lower(%(code)s))",
            "Key (lower(code))=",
        ),
        ("SELECT %(code)s::int", "invalid input syntax for type integer: "),
        ("SELECT %(code)s::double precision", "invalid input syntax for type double precision: "),
        ("SELECT %(code)s::int[]", "malformed array literal: "),
        ("SELECT %(code)s::json", "invalid input syntax for type json"),
        ("SELECT away, %(code)s", 'column "away" does not exist'),
        ("SELECT %(code)s\n, away, %(code)s", 'column "away" does not exist'),
    ],
)
def test_an_error_of_the_database_shows_no_value(database_url: str, statement: str, kept: str) -> None:
    """Values are in the row, the key, the part of the statement … that it quotes."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE, {"code": CODE})
        with pytest.raises(psycopg2.Error) as raised:
            cursor.execute(statement, {"code": CODE})
    said = f"Traceback …\n{raised.value}\n\nDuring handling of the above exception …"
    assert CODE in said or CODE.lower() in said, "otherwise this shows nothing"
    for shown in (
        mask_error(said),
        mask_event(None, "", {"event": "Failed.", "exception": said})["exception"],
    ):
        assert CODE.lower() not in shown.lower()
        assert kept in shown and shown.endswith("exception …")


@pytest.mark.parametrize(
    "piece",
    [
        "Failing row contains (x\n",
        "Key (",
        "Key (a(b)",
        "invalid input syntax for type ",
        "malformed ",
        "LINE 1",
        'Token "',
    ],
)
def test_masking_an_error_takes_linear_time(piece: str) -> None:
    assert is_linear(mask_error, piece)
