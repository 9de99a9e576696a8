"""What PostgreSQL alone does with our statements: pgbench, prepared, sixteen clients."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from psycopg2.extensions import QuotedString, adapt

from models.codes import Code
from models.db.prepared import PLACE as VALUE
from models.order import SETTLE, parameters
from models.outcome import Arrival, Outcome
from models.placing import PLACE_PLAIN
from models.status import ExternalStatus, Source
from tests import factories
from tests.benchmarks.stage import Stage

CLIENTS = 16
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
#: The next number of each client.
COUNT = "\\set i :i + 1\n\\set n :client_id * :each + :i\n"


def settle(stage: Stage, count: int) -> float:
    """Callbacks settled a second, one statement and one commit each."""
    each = count // CLIENTS
    base = stage.numbered_orders_sent(CLIENTS * (each + 1))
    outcome = Outcome(ExternalStatus.COMPLETED, "0", codes=(Code("PIN-1"),), message="Yukleme basarili")
    raw = '{"method": "POST", "query": {}, "body": "' + "x" * 150 + '"}'
    arrival = Arrival(factories.SANDBOX, Source.CALLBACK, outcome, dedupe_key="", raw=raw)
    values = {name: f"ARRAY[{_sql(value)}]" for name, value in parameters(0, arrival).items()}
    values["referans"] = f"ARRAY[({base} + :n)::text]"
    values["dedupe_key"] = (
        f"ARRAY['id-' || ({base} + :n)::text]"  # a colon before letters is a variable to pgbench
    )
    values |= {
        "order_timeout": "86400",
        "own_in_clear": "false",
        "theirs_in_clear": "true",
        "pin_limit": "NULL",
        "has_receiver": "false",
    }
    return _run(stage, "settle", _script(SETTLE, values), each)


def place(stage: Stage, count: int) -> float:
    """Orders placed a second."""
    values = {
        "position": "ARRAY[0]",
        "id": "ARRAY[gen_random_uuid()]",
        "referans": "ARRAY[(400000000000000000 + :n::bigint)::text]",
        "product": "ARRAY['game']",
        "package": "ARRAY['60']",
        "product_id": "ARRAY['game']",
        "package_id": "ARRAY['60']",
        "quantity": "ARRAY[1]",
        "user_identifier": "ARRAY['player']",
        "extra_field": "ARRAY[NULL]",
        "said": "ARRAY[NULL]",
        "notify_url": "ARRAY[NULL]",
        "note": "ARRAY['placed with key benchmark']",
        "key_id": "ARRAY[1]",
        "key": "ARRAY[NULL]",
        "fingerprint": "ARRAY[NULL]",
        "wake": "60",
        "guard": "0",
        "traits": "'{}'",
        "tenant": "ARRAY[NULL]",
        "by": "ARRAY['benchmark']",
        "needs_tenant": "false",
    }
    return _run(stage, "place", _script(PLACE_PLAIN, values), count // CLIENTS)


def _script(statement: str, values: dict[str, str]) -> str:
    """The statement with SQL in place of its values."""
    sql = VALUE.sub(
        lambda found: "%" if found[0] == "%%" else f"({values[found['name']]}){found['type'] or ''}",
        statement,
    )
    lines = (line.partition("--")[0].strip() for line in sql.splitlines())
    return COUNT + " ".join(line for line in lines if line) + ";\n"


def _sql(value: Any) -> str:
    adapted = adapt(value)
    if isinstance(adapted, QuotedString):
        adapted.encoding = "utf-8"
    return adapted.getquoted().decode()


def _run(stage: Stage, name: str, script: str, each: int) -> float:
    path = Path(stage.directory) / f"{name}.pgbench"
    path.write_text(script)
    command = [
        str(stage.postgres.binaries / "pgbench"),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(CLIENTS),
        "-j",
        "2",
    ]
    command += ["-t", str(each), "-D", "i=0", "-D", f"each={each}", "-f", str(path), stage.postgres.url]
    env = {**os.environ, "PGOPTIONS": "-c plan_cache_mode=force_generic_plan"}
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    found = TPS.search(run.stdout)
    if run.returncode or found is None or "failed transactions: 0 " not in run.stdout:
        raise RuntimeError(f"pgbench: {run.stdout}\n{run.stderr}")
    return float(found[1])
