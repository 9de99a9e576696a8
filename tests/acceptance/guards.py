"""`make guards`: takes each guard out of a copy of the project, and shows which test fails.

    python -m tests.acceptance.guards [--only NAME ...]

A guard is what keeps an order from being lost, sent twice or shown as something it is not. Ends with exit status 1
if a guard is not found in the code, or if every test passes without it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.dev.servers import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
COPIED = (
    "gateway",
    "actors",
    "models",
    "migrations",
    "tests",
    "setup.cfg",
    "pyproject.toml",
    "gunicorn.conf.py",
)
#: Seconds for the tests of one guard; those of most take five.
TIMEOUT_SECONDS = 240
FALLEN = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is taken out: `text` stands in `file` once, and `instead` takes its place."""

    name: str
    file: str
    text: str
    instead: str
    #: Files or tests, of which at least one must fall.
    tests: str


DESCRIBED = "gateway/providers/described"
PLAN, SETTLE = "tests/models/test_claims.py", "tests/models/test_settle.py"
INBOX, PLACING = "tests/models/test_inbox.py", "tests/models/test_placing.py"
CALLBACKS = "tests/gateway/web/test_callbacks.py"
LIMITS, ACCESS = "tests/gateway/web/test_limits.py", "tests/gateway/web/test_access.py"
SETTINGS, RESEALING = "tests/gateway/test_settings.py", "tests/models/test_resealing.py"
LOGGED = (
    "tests/gateway/web/test_over_http.py::test_a_token_in_a_url_that_is_slightly_wrong_is_not_logged"
    " tests/gateway/web/test_over_http.py::test_what_no_route_takes_is_logged_by_its_first_segment"
)
CANARIES = "tests/acceptance/test_canaries.py::test_secrets_stay_where_they_belong"
POOL, LISTING = "tests/models/db/test_database.py", "tests/models/test_listing.py"
SHARES, METRICS = "tests/gateway/web/test_shares.py", "tests/gateway/web/test_health.py"
ATTENTION = "tests/models/test_attention.py"
CHAIN = "tests/models/test_balance_chain.py"
LEDGER = " ".join(
    f"tests/models/test_balance_ledger.py::{name}" for name in ("TestAGap", "TestTheAccount", "TestReadings")
)
STOCK, STOCK_RACES = "tests/models/test_stock.py", "tests/models/test_stock_races.py"
STOCK_ORDERS, MANUAL = "tests/gateway/fulfilment/test_stock.py", "tests/gateway/fulfilment/test_manual.py"
RESOLVING, RACES = "tests/models/test_resolving.py", "tests/models/test_races.py"
HEALTH, PASSING_OVER, ACCOUNTS = (
    "tests/models/test_provider_health.py",
    "tests/gateway/fulfilment/test_passing_over.py",
    "tests/gateway/fulfilment/test_accounts.py",
)
TENANTS, OF_TENANTS = "tests/gateway/web/test_tenants.py", "tests/models/test_tenants.py"
DISPATCHING, CHECKING, SWEEPING, PERMITS, CODE_ASKS, ENDINGS, OWN_TROUBLE = (
    f"tests/gateway/fulfilment/test_{name}.py"
    for name in ("dispatching", "checking", "sweeping", "permits", "code_asks", "endings", "own_trouble")
)
PROVIDER_TEXTS, MASKING = "tests/gateway/fulfilment/test_provider_texts.py", "tests/models/test_masking.py"
OTHERS = "tests/gateway/fulfilment/test_orders_of_others.py"
OTHERS_WAYS = f"{OTHERS}::test_of_what_the_storefront_has_nothing_else_is_written"
OTHERS_FOLLOWED, OTHERS_TIMED_OUT, OTHERS_DECIDED, OTHERS_PINS = (
    f"{OTHERS}::{name}" for name in ("TestFollowed", "TestTimedOut", "TestDecidedByHand", "TestPins")
)
GUARDS = [
    # --- patterns, sizes, and what hides in a request
    Guard(
        "a long word is read once by a pattern",
        "gateway/providers/znet.py",
        'return rf"\\b(?=\\w*{part})\\w*+"',
        'return rf"{part}\\w*"',
        "tests/test_patterns.py::test_a_pattern_takes_time_in_proportion_to_the_text",
    ),
    Guard(
        "an answer past its bound says nothing",
        "gateway/outbound.py",
        "        if len(body) > max_bytes:",
        "        if len(body) > 10**9:",
        "tests/gateway/providers/test_znet.py::test_an_answer_past_its_bound_says_nothing",
    ),
    Guard(
        "an answer to a send has a bound of its own",
        "gateway/providers/znet.py",
        'self._ask("pin_ekle", fields, SEND_BYTES)',
        'self._ask("pin_ekle", fields, CATALOGUE_BYTES)',
        "tests/gateway/providers/test_znet.py::test_an_answer_past_its_bound_says_nothing",
    ),
    Guard(
        "heads and chunks of an answer are bounded too",
        "gateway/outbound.py",
        'raise ConnectionError("past the bound")',
        "pass",
        "tests/gateway/test_outbound.py::TestNoAnswer::test_too_large_beside_its_body",
    ),
    Guard(
        "nothing is read behind half a body",
        "gateway/clients.py",
        "        self._has_ended |= not data\n",
        "",
        "tests/gateway/test_clients.py::test_what_comes_behind_half_a_body_is_never_read",
    ),
    Guard(
        "what is left of a large body is no request",
        "gateway/clients.py",
        "self._has_ended |= self._received > MAX_REQUEST_BYTES",
        "self._has_ended = self._received > MAX_REQUEST_BYTES",
        "tests/gateway/test_clients.py::test_a_body_is_not_read_without_end_and_what_is_left_is_never_read"
        " tests/gateway/web/test_smuggling.py::test_what_is_left_of_a_body_is_no_request",
    ),
    Guard(
        "any coding but chunked is refused",
        "gateway/serving.py",
        'if name == "TRANSFER-ENCODING" and value.lower() != "chunked":',
        "if False:",
        "tests/gateway/test_serving.py::test_any_coding_but_chunked_is_refused_as_a_fault_of_the_client",
    ),
    Guard(
        "a malformed body that nothing reads is not answered twice",
        "gateway/serving.py",
        "except (ParseException, NoMoreData):",
        "except ():",
        "tests/gateway/web/test_smuggling.py::test_a_malformed_body_that_nothing_reads_is_not_answered_twice",
    ),
    Guard(
        "a client that ends is not answered any more",
        "gateway/serving.py",
        '"close" in map(str.strip, value.lower().split(","))',
        "False",
        "tests/gateway/test_serving.py::test_a_client_may_say_anywhere_in_a_list_that_it_ends",
    ),
    # --- the schema of the gateway's own tables
    Guard(
        "statements go to the schema of DATABASE_SCHEMA",
        "models/db/database.py",
        "return super().execute_sql(qualified(sql, self.schema), params)",
        "return super().execute_sql(sql, params)",
        "tests/models/db/test_qualified.py",
    ),
    Guard(
        "a table of a version before is known by its columns",
        "models/db/moving.py",
        "if columns.get(name, set()) >= expected.created(name)]",
        "if name in columns]",
        "tests/models/db/test_moving.py",
    ),
    Guard(
        "a view takes the place of a table that moves",
        "models/db/moving.py",
        'f"CREATE VIEW {view} AS SELECT * FROM {quoted(schema)}.{table.name}",',
        'f"CREATE VIEW {view} AS SELECT DISTINCT * FROM {quoted(schema)}.{table.name}",',
        "tests/models/db/test_moving.py",
    ),
    Guard(
        "what a version before has applied is not applied again",
        "models/db/moving.py",
        'f" SELECT name, applied FROM {earlier.home}.{HISTORY} WHERE name IN ({names})"',
        'f" SELECT name, applied FROM {earlier.home}.{HISTORY} WHERE false AND name IN ({names})"',
        "tests/models/db/test_moving.py",
    ),
    Guard(
        "the owner of the tables sees their schema",
        "models/db/moving.py",
        'yield f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {owners}"',
        'yield f"SELECT 1 AS owners"',
        "tests/models/db/test_beside.py",
    ),
    Guard(
        "what is recorded as applied but is not there is missing",
        "models/db/state.py",
        "broken = expected.missing(found, applied)",
        "broken: list[Step] = []",
        "tests/models/db/test_beside.py",
    ),
    Guard(
        "another table of the same name is not taken for ours",
        "models/db/migrate.py",
        "if lacking := sorted(step.created[table] - before.found.columns.get(table, set())):",
        "if lacking := sorted(set[str]()):",
        "tests/models/db/test_beside.py",
    ),
    Guard(
        "rights are looked at before anything is changed",
        "models/db/migrate.py",
        "if lacks := list(rights.lacking(pool, before.steps, before.earlier, home)):",
        "if lacks := []:",
        "tests/models/db/test_beside.py",
    ),
    Guard(
        "a script stops at its first error",
        "models/db/script.py",
        "\\\\set ON_ERROR_STOP on\n--",
        "--",
        "tests/models/db/test_script.py",
    ),
    Guard(
        "a script stops no writes while it is read",
        "models/db/script.py",
        "own += [each for each in found if not ON_ORDERS.search(each)]",
        "own += found",
        "tests/models/db/test_script.py",
    ),
    Guard(
        "the orders table of a fresh database is no table of ours",
        "models/db/migrate.py",
        'pool.execute_sql(f"SET search_path = {quoted(expected.home(pool))}")',
        'pool.execute_sql("SELECT 1")',
        "tests/models/db/test_moving.py",
    ),
    # --- texts of providers
    Guard(
        "a message of an outcome is masked where it becomes one",
        "models/outcome.py",
        "message = masking.mask(self.message, codes=self.secrets(), own=numbers)",
        "message = texts.clean(self.message, texts.WHOLE)",
        PROVIDER_TEXTS,
    ),
    Guard(
        "an error of a provider is masked where it becomes one",
        "gateway/providers/base.py",
        "self.text = masking.mask(message) if answer is None",
        "self.text = masking.ours(message) if answer is None",
        PROVIDER_TEXTS,
    ),
    Guard(
        "of an answer that cannot be read only the shape is shown",
        "models/masking.py",
        'told = ProviderText(f"{said}: {shape(answer)}")',
        'told = ProviderText(f"{said}: {answer}")',
        PROVIDER_TEXTS,
    ),
    Guard(
        "a receipt repeats no code",
        "models/outcome.py",
        "receipt = masking.strike(texts.clean(self.receipt, masking.MAX_READ), self.secrets())",
        "receipt = self.receipt",
        PROVIDER_TEXTS,
    ),
    Guard(
        "what a panel answers repeats no credential of ours",
        "gateway/providers/__init__.py",
        "with masking.knowing(known(provider, *tasks)):",
        "with masking.knowing(masking.Known()):",
        PROVIDER_TEXTS,
    ),
    Guard(
        "what a callback says repeats no credential of ours",
        "gateway/callbacks/reading.py",
        "    with masking.knowing(known(provider)):\n        return _receive(",
        "    with masking.knowing(masking.Known()):\n        return _receive(",
        PROVIDER_TEXTS,
    ),
    Guard(
        "a name in a catalogue repeats no credential of ours",
        "gateway/providers/base.py",
        "name = masking.strike(texts.clean(self.name, masking.MAX_READ))",
        "name = self.name",
        PROVIDER_TEXTS,
    ),
    Guard(
        "an adapter that fails quotes no code in the log",
        "gateway/providers/__init__.py",
        "shown = masking.mask_lines(traceback.format_exc())",
        "shown = traceback.format_exc()",
        PROVIDER_TEXTS,
    ),
    Guard(
        "a credential is struck from the whole text too",
        "models/masking.py",
        "    kept, decoded = _readings(cleaned, known.credentials)\n",
        "    kept, decoded = cleaned, _decoded(cleaned)\n",
        f"{PROVIDER_TEXTS} {MASKING}",
    ),
    Guard(
        "a credential is struck however it is written",
        "models/masking.py",
        '            found.update(written, (quote(each, safe=""), quote_plus(each), quote(each)))',
        "            found.update(written[:1])",
        MASKING,
    ),
    Guard(
        "a code is struck however it is grouped",
        "models/masking.py",
        "    return _strike_grouped(text, grouped) if grouped else text",
        "    return text",
        MASKING,
    ),
    Guard(
        "a code is masked however it is encoded",
        "models/masking.py",
        "        if again != decoded:\n            kept,",
        "        if False:\n            kept,",
        MASKING,
    ),
    Guard(
        "a credential is struck however it is encoded",
        "models/masking.py",
        "    return (struck, decoded) if again == decoded else (again, _decoded(again))",
        "    return struck, decoded",
        MASKING,
    ),
    Guard(
        "a text is masked before it is cut",
        "models/masking.py",
        "return _masked(_cleaned(text), _known.get(), codes, own, limit)",
        "return _masked(texts.clean(text, limit), _known.get(), codes, own, limit)",
        MASKING,
    ),
    Guard(
        "half a code at the end of what is read is not shown",
        "models/masking.py",
        "LAST_TOKEN.sub('', cut[-TAIL:])",
        "cut[-TAIL:]",
        MASKING,
    ),
    Guard(
        "the whole text is kept sealed",
        "models/timeline.py",
        "return whole and sealed.seal(whole, order_owner(order_id))",
        "return whole",
        PROVIDER_TEXTS,
    ),
    Guard(
        "the whole text is for those who may read codes",
        "gateway/web/seen.py",
        "if Scope.PINS_READ in self._key.scopes and any(event.whole for event in page):",
        "if any(event.whole for event in page):",
        PROVIDER_TEXTS,
    ),
    Guard(
        "reading a whole text stands on the timeline",
        "gateway/web/seen.py",
        "            page = timeline.opened(found.id, page)\n            self._record_reading(found)\n",
        "            page = timeline.opened(found.id, page)\n",
        PROVIDER_TEXTS,
    ),
    Guard(
        "the order's own numbers stay in a callback's text",
        "models/order.py",
        "    arrivals = _knowing_their_orders(arrivals)\n",
        "",
        PROVIDER_TEXTS,
    ),
    Guard(
        "no statement has a digest that tells a code",
        "models/db/sealed.py",
        "if with_plain or not keyed else keyed",
        "",
        f"{SETTLE} {STOCK}",
    ),
    Guard(
        "a code that was stored in clear is compared",
        "models/settle.sql",
        "            WHEN wants_plain THEN 'wants_plain'\n",
        "",
        SETTLE,
    ),
    Guard(
        "what waits for its plain digest is not kept twice",
        "models/settle.sql",
        " AND result <> 'wants_plain'\n    ORDER BY",
        "\n    ORDER BY",
        SETTLE,
    ),
    # --- trouble of ours
    Guard(
        "trouble of ours moves no order and lets none time out",
        "gateway/fulfilment/routing.py",
        "    except sealed.Unsealable as error:",
        "    except Exception as error:",
        OWN_TROUBLE,
    ),
    Guard(
        "keys that open nothing are no fault of a provider",
        "gateway/fulfilment/routing.py",
        "        if not provider.are_lost(error):\n",
        "        if False:\n",
        OWN_TROUBLE,
    ),
    Guard(
        "a last check that could not go out ends nothing",
        "gateway/fulfilment/asking.py",
        "        if isinstance(error, NotTried):\n",
        "        if False:\n",
        OWN_TROUBLE,
    ),
    Guard(
        "a fault of this machine is no fault of a provider",
        "gateway/outbound.py",
        "kind = LocalFault if _is_local(error) else NoAnswer",
        "kind = NoAnswer",
        OWN_TROUBLE,
    ),
    Guard(
        "what an adapter has sent before it failed is asked about",
        "gateway/providers/__init__.py",
        "kind = NotTried if outbound.calls_sent() == sent_before else InDoubt",
        "kind = NotTried",
        DISPATCHING,
    ),
    Guard(
        "a code whose last answer was lost is asked for again",
        "models/claims.py",
        "            ELSE %(grace)s::float8\n        END AS delay",
        "        END AS delay",
        CODE_ASKS,
    ),
    # --- decided by others
    Guard(
        "what another hand has approved is not rejected",
        "models/settle.sql",
        "WHEN by_hand = 'approved' AND kind IN ('failed', 'reversed') THEN 'conflict'",
        "WHEN false THEN 'conflict'",
        ENDINGS,
    ),
    Guard(
        "a delivery by a former provider is a conflict",
        "models/settle.sql",
        "WHEN is_former AND kind = 'completed' THEN 'conflict'",
        "WHEN false THEN 'conflict'",
        ENDINGS,
    ),
    Guard(
        "what another hand has decided is not asked about for ever",
        "models/settle.sql",
        "WHEN n.ends OR n.ends_asking OR n.applies",
        "WHEN n.ends OR n.applies",
        ENDINGS,
    ),
    Guard(
        "what another hand has decided is not followed again",
        "models/plans.py",
        " AND o.status = 'pending'\n",
        "\n",
        SWEEPING,
    ),
    # --- floods of reads
    Guard(
        "the body of a list is kept once",
        "gateway/callbacks/reading.py",
        "raw=None if keeper else raw,",
        "raw=raw,",
        CALLBACKS,
    ),
    Guard(
        "a list has 200 entries at most",
        "gateway/callbacks/neutral.py",
        "if len(orders) > MAX_ENTRIES:",
        "if False:",
        CALLBACKS,
    ),
    Guard(
        "a batch takes no more statements than turns",
        "models/order.py",
        "if name in firsts or key in keys:",
        "if name in firsts or key in keys or firsts:",
        SETTLE,
    ),
    Guard(
        "reads leave connections for work",
        "models/db/database.py",
        "{Use.REQUEST: (requests,), Use.LIST: (lists, requests)}",
        "{Use.LIST: (lists,)}",
        POOL,
    ),
    Guard(
        "lists leave a connection for single orders",
        "models/db/database.py",
        "Use.LIST: (lists, requests)",
        "Use.LIST: (requests,)",
        POOL,
    ),
    Guard(
        "requests about one order take no connection of work",
        "gateway/web/middleware.py",
        "database.session(Use.REQUEST)",
        "database.session()",
        SHARES,
    ),
    Guard(
        "a list looks at a part of the orders at a time",
        "models/listing.py",
        "_sizes() if others.conditions and wanted.reference is None else [None]",
        "[None]",
        LISTING,
    ),
    Guard(
        "a list is given up after seconds",
        "models/db/database.py",
        'f"SET LOCAL statement_timeout = {LIST_TIMEOUT_MS}; {sql}"',
        "sql",
        LISTING,
    ),
    Guard(
        "metrics are read by one of many that ask",
        "gateway/web/metrics.py",
        "with self._lock:  # of several requests, one reads",
        "if True:",
        METRICS,
    ),
    Guard(
        "those that waited for metrics read none of their own",
        "gateway/web/metrics.py",
        "self._kept = time.monotonic(), text",
        "self._kept = time.monotonic() - KEPT_SECONDS, text",
        METRICS,
    ),
    # --- sending
    Guard(
        "an order is claimed by one",
        "models/claims.py",
        'o."externalStatus" = \'not_sent\' AND o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}\n      AND {MAY',
        'o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}\n      AND {MAY',
        PLAN,
    ),
    Guard(
        "another system's order is not ours to send",
        "models/claims.py",
        " = 'not_sent' AND o.\"nextCheckAt\" IS NOT NULL AND {WITH_PROVIDER}\n      AND {MAY",
        " = 'not_sent' AND {WITH_PROVIDER}\n      AND {MAY",
        PLAN,
    ),
    Guard(
        "a resend needs two answers", "models/claims.py", """ AND o."unknownCount" >= %(asks)s""", "", PLAN
    ),
    Guard(
        "what was denied before a send does not count after it",
        "models/claims.py",
        """"unknownCount" = 0, "unknownAt" = NULL\n    WHERE""",
        """"unknownAt" = NULL\n    WHERE""",
        PLAN,
    ),
    Guard(
        "only an order in doubt is sent again",
        "models/claims.py",
        """o."externalStatus" = 'pending' AND o."unknownCount" >=""",
        """o."unknownCount" >=""",
        PLAN,
    ),
    Guard(
        "the two answers are apart",
        "models/claims.py",
        """<= now() THEN 1 ELSE 0 END""",
        """<= now() THEN 1 ELSE 1 END""",
        PLAN,
    ),
    Guard(
        "an unclear answer does not allow a resend",
        "models/claims.py",
        """%(never_reached)s::boolean AND NOT o."mayBeKnown" THEN""",
        """true THEN""",
        DISPATCHING,
    ),
    Guard(
        "one unclear send and the provider is always asked",
        "models/claims.py",
        """%(never_reached)s::boolean AND NOT o."mayBeKnown" THEN""",
        """%(never_reached)s::boolean THEN""",
        PLAN,
    ),
    Guard(
        "a send that was cut off counts as unclear",
        "models/claims.py",
        """o."mayBeKnown" OR o."sendingUntil" IS NOT NULL,""",
        """o."mayBeKnown",""",
        PLAN,
    ),
    Guard(
        "what is said while a send is under way does not count",
        "models/claims.py",
        '\'not_sent\'\n  AND (o."sendingUntil" IS NULL OR o."sendingUntil" <= now()) AND',
        "'not_sent'\n  AND",
        PLAN,
    ),
    Guard(
        "nothing is sent again while it is being sent",
        "models/claims.py",
        'AND (o."sendingUntil" IS NULL OR o."sendingUntil" <= now()) AND {SAME_SEND} AND {MAY',
        "AND {SAME_SEND} AND {MAY",
        PLAN,
    ),
    Guard(
        "a provider that speaks of an order knows it",
        "models/settle.sql",
        """"mayBeKnown" = o."mayBeKnown" OR n.is_known,""",
        """"mayBeKnown" = o."mayBeKnown",""",
        PLAN,
    ),
    Guard(
        "an error alone is not a refusal",
        "gateway/providers/znet.py",
        'bool(REFUSAL.search(said) or (head == "3" and said))',
        "bool(said)",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "what the panel says that it has taken is not a refusal",
        "gateway/providers/znet.py",
        "if TAKEN.search(whole):",
        "if False:",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "a reason too long to be read is not a refusal",
        "gateway/providers/znet.py",
        "if len(reason) > MAX_REASON:\n        return InDoubt(",
        "if False:\n        return InDoubt(",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "half an answer is in doubt",
        "gateway/providers/znet.py",
        "if cost is None and not balance.strip():",
        "if False:",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "an order without a player is not sent",
        "gateway/providers/znet.py",
        "if not player:",
        "if False:",
        "tests/gateway/providers/test_znet.py tests/gateway/fulfilment/test_fields.py",
    ),
    Guard(
        "a cost that cannot be stored keeps no outcome from its order",
        "models/outcome.py",
        "money if money is not None and abs(money) <= MAX_COST else None",
        "amount",
        "tests/models/test_outcome.py",
    ),
    Guard(
        "a reference that is taken is drawn again",
        "models/placing.py",
        "if database.constraint(error) != REFERENCE_INDEX:",
        "if True:",
        PLACING,
    ),
    Guard(
        "only the order that is not there was not sent",
        "gateway/providers/znet.py",
        " and not ABOUT_SOMETHING_ELSE.search(said):",
        ":",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "a provider that cannot be used is passed over",
        "gateway/fulfilment/routing.py",
        "    while found := route.next_for(product, package, tried, tenant_id=claimed.tenant_id):",
        "    if found := route.next_for(product, package, tried, tenant_id=claimed.tenant_id):",
        DISPATCHING,
    ),
    Guard(
        "a provider that refuses a resend is asked",
        "gateway/fulfilment/dispatching.py",
        "    if claimed.may_be_known and not _is_denied(worker, claimed, account, error):\n        return None\n",
        "",
        DISPATCHING,
    ),
    Guard(
        "an order that its provider does not deny goes to no other",
        "gateway/fulfilment/dispatching.py",
        "        worker.hints.check_later(claimed.id, worker.settings.backoff_min)\n    return False\n",
        "        worker.hints.check_later(claimed.id, worker.settings.backoff_min)\n    return True\n",
        DISPATCHING,
    ),
    Guard(
        "an order that a busy provider never got is sent to it",
        "gateway/fulfilment/dispatching.py",
        "never_reached=True,\n            provider_id",
        "never_reached=False,\n            provider_id",
        DISPATCHING,
    ),
    Guard(
        "no fault of an adapter loses an order",
        "gateway/providers/__init__.py",
        """    except Exception as error:\n        # The error may quote""",
        """    except ZeroDivisionError as error:\n        # The error may quote""",
        DISPATCHING,
    ),
    Guard(
        "nothing is sent without a permit",
        "gateway/fulfilment/dispatching.py",
        "    with worker.one_call(assigned.provider):\n",
        "    with ExitStack():\n",
        DISPATCHING,
    ),
    Guard(
        "an order whose time is up is not sent again",
        "gateway/fulfilment/asking.py",
        " or claimed.expired:\n        return False",
        ":\n        return False",
        CHECKING,
    ),
    Guard(
        "the next provider follows only the one that refused",
        "models/claims.py",
        """'pending' AND o."providerId" = %(former)s""",
        """'pending'""",
        PLAN,
    ),
    Guard(
        "only what was not sent is cancelled",
        "models/settle.sql",
        "(i.only_if IS NULL OR o.is_unsent AND (i.only_if = 'unsent' OR o.is_overdue))",
        "(i.only_if IS NULL OR (i.only_if = 'unsent' OR o.is_overdue))",
        f"{PLACING} tests/gateway/web/test_orders.py",
    ),
    Guard(
        "one idempotency key is one order",
        "models/place.sql",
        "WHERE r.key IS NULL OR (r.turn = 1 AND reserved.key IS NOT NULL)",
        "WHERE r.key IS NULL OR r.turn = 1",
        "tests/gateway/web/test_idempotency.py",
    ),
    Guard(
        "one idempotency key twice at once is one order",
        "models/place.sql",
        "WHERE r.key IS NULL OR (r.turn = 1 AND reserved.key IS NOT NULL)",
        "WHERE r.key IS NULL OR reserved.key IS NOT NULL",
        PLACING,
    ),
    Guard(
        "keys are reserved in one order",
        "models/place.sql",
        "    ORDER BY key_id, key\n",
        "    ORDER BY position\n",
        PLACING,
    ),
    Guard(
        "a request that waits for a key delays no other",
        "models/placing.py",
        "if keyed and impatient:",
        "if False:",
        "tests/gateway/web/test_idempotency.py",
    ),
    Guard(
        "what may have been committed is not repeated",
        "models/db/database.py",
        "return state is not None and not state.startswith(UNCLEAR)",
        "return True",
        "tests/models/db/test_database.py",
    ),
    # --- settling
    Guard("the order is locked", "models/settle.sql", "    FOR UPDATE\n", "", SETTLE),
    Guard(
        "orders are locked in one order",
        "models/settle.sql",
        "    ORDER BY o.id\n    FOR UPDATE",
        "    ORDER BY (SELECT min(m.position) FROM matched AS m WHERE m.id = o.id)\n    FOR UPDATE",
        SETTLE,
    ),
    Guard(
        "the dedupe key settles once",
        "models/settle.sql",
        "d.dedupe_key IS NOT NULL AND inbox.dedupe_key IS NULL\n"
        "            AND d.result NOT IN ('unmatched', 'wants_plain') AS seen_before",
        "false AS seen_before",
        SETTLE,
    ),
    Guard(
        "outcomes for one order take turns",
        "models/settle.sql",
        "    WHERE p.order_id IS NULL OR p.order_turn = 1\n",
        "",
        SETTLE,
    ),
    Guard(
        "the same event takes turns",
        "models/order.py",
        "if name in firsts or key in keys:",
        "if name in firsts:",
        SETTLE,
    ),
    Guard(
        "stages never go back",
        "models/settle.sql",
        "WHEN from_kind = 'open' AND rank < from_rank THEN 'stale'",
        "WHEN from_kind = 'open' AND rank < from_rank THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "final stays final",
        "models/settle.sql",
        "WHEN kind = 'open' THEN 'stale'",
        "WHEN kind = 'open' THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "completed does not fail",
        "models/settle.sql",
        "WHEN kind = 'failed' THEN 'conflict'",
        "WHEN kind = 'failed' THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "our own timeout is not a conflict",
        "models/settle.sql",
        "WHEN kind = 'failed' AND failure_reason = 'timeout' THEN 'stale'",
        "kind = 'failed' AND failure_reason = 'timeout' THEN 'conflict'",
        SETTLE,
    ),
    Guard(
        "the first code stays",
        "models/settle.sql",
        "WHEN NOT from_has_code THEN 'applied'",
        "WHEN true THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "failed by the provider stays failed",
        "models/settle.sql",
        "WHEN from_kind = 'failed' AND from_reason = 'timeout' THEN 'applied'",
        "WHEN from_kind = 'failed' AND true THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "a success after the timeout counts",
        "models/settle.sql",
        "WHEN from_kind = 'failed' AND from_reason = 'timeout' THEN 'applied'",
        "WHEN from_kind = 'failed' AND false THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "an outcome counts for the order's providers only",
        "models/settle.sql",
        "            OR i.provider_id = ANY (o.tried_providers)\n",
        "            OR true\n",
        SETTLE,
    ),
    Guard(
        "completedAt is set once",
        "models/settle.sql",
        """COALESCE(o."completedAt", CASE WHEN n.completes THEN now() END)""",
        """CASE WHEN n.completes THEN now() ELSE o."completedAt" END""",
        SETTLE,
    ),
    Guard(
        "a conflict is kept in full",
        "models/settle.sql",
        "CASE WHEN n.result = 'conflict' THEN n.outcome END",
        "NULL::text",
        f"{SETTLE} tests/gateway/web/test_callbacks.py",
    ),
    # --- how an order ends
    Guard(
        "the same codes again are no conflict",
        "models/settle.sql",
        "WHERE given.code -> 'digests' ? (each.code ->> 'digest')",
        "WHERE false",
        SETTLE,
    ),
    Guard(
        "another code is a conflict",
        "models/settle.sql",
        "WHEN brings_only_known OR brings_all_known AND fits THEN 'applied'",
        "WHEN true THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "further codes come with all that are there",
        "models/settle.sql",
        "WHEN brings_only_known OR brings_all_known AND fits THEN 'applied'",
        "WHEN brings_only_known OR fits THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "codes are added up to the quantity",
        "models/settle.sql",
        "WHEN brings_only_known OR brings_all_known AND fits THEN 'applied'",
        "WHEN brings_only_known OR brings_all_known THEN 'applied'",
        SETTLE,
    ),
    Guard(
        "a serial that was missing is filled in",
        "models/settle.sql",
        "WHEN brings_only_known AND NOT brings_serials THEN 'duplicate'",
        "WHEN brings_only_known THEN 'duplicate'",
        SETTLE,
    ),
    Guard(
        "codes that are there stay with their place",
        "models/settle.sql",
        "ELSE jsonb_array_length(n.from_codes) END + given.place",
        "ELSE -9 END + given.place",
        ATTENTION,
    ),
    Guard(
        "a former provider moves nothing",
        "models/settle.sql",
        "            WHEN is_former THEN 'stale'\n",
        "",
        SETTLE,
    ),
    Guard(
        "what a former provider says finds its order",
        "models/settle.sql",
        """(o."providerId" = i.provider_id OR i.provider_id = ANY (o."triedProviders"))\n            ORDER""",
        """o."providerId" = i.provider_id\n            ORDER""",
        ENDINGS,
    ),
    Guard(
        "the protocol's own word for it takes a delivery back",
        "models/settle.sql",
        "WHEN kind = 'reversed' THEN 'applied'",
        "WHEN kind = 'reversed' THEN 'conflict'",
        SETTLE,
    ),
    Guard(
        "what was taken back is not delivered again",
        "models/settle.sql",
        "WHEN from_kind <> 'completed' THEN 'conflict'",
        "WHEN from_kind = 'failed' THEN 'conflict'",
        SETTLE,
    ),
    Guard(
        "what another hand rejected is not delivered",
        "models/settle.sql",
        "WHEN by_hand = 'rejected' AND kind = 'completed' THEN 'conflict'",
        "WHEN false THEN 'conflict'",
        SETTLE,
    ),
    Guard(
        "a conflict needs a person",
        "models/settle.sql",
        "WHEN n.result = 'conflict' OR o.attention = 'conflict' THEN 'conflict'",
        "WHEN o.attention = 'conflict' THEN 'conflict'",
        ENDINGS,
    ),
    Guard(
        "a conflict outweighs what comes after it",
        "models/settle.sql",
        "WHEN n.result = 'conflict' OR o.attention = 'conflict' THEN 'conflict'",
        "WHEN n.result = 'conflict' THEN 'conflict'",
        ATTENTION,
    ),
    Guard(
        "a reversal needs a person",
        "models/settle.sql",
        "WHEN n.reverses THEN 'reversed'\n",
        "WHEN false THEN 'reversed'\n",
        ENDINGS,
    ),
    Guard(
        "attention stays until a person has decided",
        "models/settle.sql",
        "            ELSE o.attention\n",
        "            ELSE NULL\n",
        ATTENTION,
    ),
    Guard(
        "the first code stays the one that is shown",
        "models/settle.sql",
        'WHEN NOT n.fills_codes OR NOT n.is_decision AND n.from_has_code THEN o."pinCode"',
        'WHEN NOT n.fills_codes THEN o."pinCode"',
        ATTENTION,
    ),
    Guard(
        "a worker is told of a missing code at once",
        "gateway/web/callbacks.py",
        "if one.order_id and one.ask_in_seconds is not None",
        "if False",
        "tests/gateway/web/test_callback_asks.py",
    ),
    Guard(
        "a missing code is asked for",
        "models/settle.sql",
        "kind = 'completed' AND NOT from_has_code AND (codes IS NULL OR unreadable_code)",
        "false",
        CODE_ASKS,
    ),
    Guard(
        "a code beside one that cannot be read does not hide it",
        "models/settle.sql",
        "(codes IS NULL OR unreadable_code)",
        "codes IS NULL",
        CODE_ASKS,
    ),
    Guard(
        "a code that an early callback lacks is asked for",
        "models/inbox.py",
        "        code_ask_seconds=0,\n",
        "",
        SWEEPING,
    ),
    Guard(
        "orders that still wait for their code say nothing of their route",
        "models/route.py",
        """            AND former."codeAsks" IS NULL\n""",
        "",
        CODE_ASKS,
    ),
    Guard(
        "a serial that comes later costs no pin",
        "models/settle.sql",
        "'addition', given.code -> 'sealed')",
        "'sealed', given.code -> 'sealed')",
        SETTLE,
    ),
    Guard(
        "what another hand has decided is not sent",
        "models/claims.py",
        'o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}\n      AND {MAY_BE_SENT}',
        'o."nextCheckAt" IS NOT NULL AND {WITH_PROVIDER}\n      AND {IS_OURS}',
        ENDINGS,
    ),
    Guard(
        "what another hand has decided goes to no other provider",
        "models/claims.py",
        "{SAME_REFERANS} AND {MAY_BE_SENT}",
        "{SAME_REFERANS} AND {IS_OURS}",
        ENDINGS,
    ),
    Guard(
        "what another hand has decided is not sent again",
        "models/claims.py",
        "{SAME_SEND} AND {MAY_BE_SENT}",
        "{SAME_SEND} AND {IS_OURS}",
        ENDINGS,
    ),
    Guard(
        "a route without codes asks for none",
        "models/settle.sql",
        " AND d.expects <> 'no-code'",
        "",
        CODE_ASKS,
    ),
    Guard(
        "a code that cannot be read is asked for on every route",
        "models/settle.sql",
        "CASE WHEN i.unreadable_code THEN 'code' ELSE COALESCE(o.expects, 'auto') END AS expects",
        "COALESCE(o.expects, 'auto') AS expects",
        CODE_ASKS,
    ),
    Guard(
        "a code is asked for only so often",
        "models/claims.py",
        "NOT must_have_code AND asks + 1 >= CASE",
        "false AND asks + 1 >= CASE",
        CODE_ASKS,
    ),
    Guard(
        "a route that brought no codes is asked once",
        "models/route.py",
        "SELECT count(*) = {HISTORY} AND bool_and",
        "SELECT false AND bool_and",
        CODE_ASKS,
    ),
    Guard(
        "a code that never comes needs a person",
        "models/claims.py",
        "attention = CASE WHEN p.given_up THEN COALESCE(o.attention, 'no_code')",
        "attention = CASE WHEN false THEN COALESCE(o.attention, 'no_code')",
        CODE_ASKS,
    ),
    Guard(
        "a code that comes after all is no reason for a person",
        "models/settle.sql",
        "WHEN n.fills_codes AND o.attention = 'no_code' THEN NULL",
        "WHEN false THEN NULL",
        CODE_ASKS,
    ),
    Guard(
        "words that are no code are no code",
        "models/codes.py",
        "return not said or texts.fold_digits(plain[said[0] : said[-1] + 1]) in NO_CODE",
        "return not plain",
        "tests/models/test_codes.py",
    ),
    Guard(
        "a number with a fraction is no code",
        "models/codes.py",
        "if isinstance(value, int) and value.bit_length() <= MAX_BITS:",
        "if isinstance(value, int | float):",
        "tests/models/test_codes.py",
    ),
    Guard(
        "a reference survives floats",
        "models/placing.py",
        "REFERANS_DIGITS = 15",
        "REFERANS_DIGITS = 18",
        PLACING,
    ),
    Guard(
        "a reference is unique among our orders",
        "migrations/0008_ending_indexes.py",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_referans_of_ours",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_orders_referans_of_ours",
        PLACING,
    ),
    Guard(
        "a code that a callback lacks is asked for at once",
        "gateway/callbacks/reading.py",
        "        code_ask_seconds=0,\n",
        "        code_ask_seconds=60,\n",
        "tests/gateway/web/test_callback_asks.py",
    ),
    Guard(
        "a bad entry of a list stops no other",
        "gateway/callbacks/reading.py",
        "        if isinstance(each, UnreadableCallback):\n",
        "        if isinstance(each, UnreadableCallback):\n            raise each\n",
        CALLBACKS,
    ),
    # --- decided by people
    Guard(
        "a decision on what has changed since does nothing",
        "models/settle.sql",
        "        AND (i.seen IS NULL OR i.seen = o.version)\n",
        "",
        RACES,
    ),
    Guard(
        "an open order is never dismissed out of sight",
        "models/resolving.py",
        "            WHEN seen.waits_for_person THEN 'manual'\n",
        "",
        "tests/models/test_resolving.py",
    ),
    Guard(
        "a provider of a former send may have the order still",
        "models/resolving.py",
        "else seen.former_holder",
        "else None",
        "tests/models/test_resolving.py",
    ),
    Guard(
        "a provider that had a reference never gets another order under it",
        "models/resolving.py",
        "had_it = target.provider_id in seen.tried_providers or (",
        "had_it = seen.was_claimed and (",
        "tests/models/test_resolving.py",
    ),
    Guard(
        "what a former send has delivered is not sent again before a person has decided",
        "models/claims.py",
        " AND o.attention IS DISTINCT FROM 'conflict'",
        "",
        "tests/models/test_resolving.py",
    ),
    Guard(
        "a late answer under a former reference is kept",
        "models/settle.sql",
        "OR i.known_id IS NOT NULL AND (",
        "OR false AND (",
        "tests/models/test_resolving.py",
    ),
    Guard(
        "a dismissal of what has changed since does nothing",
        "models/resolving.py",
        " AND {VERSION} = %(seen)s",
        "",
        RACES,
    ),
    Guard(
        "what a person saw is what is decided",
        "models/resolving.py",
        "(seen is not None and seen != found.version) or ",
        "",
        RESOLVING,
    ),
    Guard(
        "another person in the same moment is told",
        "models/resolving.py",
        " or found.just_decided_by not in (None, by)",
        "",
        RESOLVING,
    ),
    Guard(
        "of two who send an order again one does",
        "models/resolving.py",
        'LOCK = f"{_LOOK} FOR UPDATE"',
        "LOCK = _LOOK",
        RACES,
    ),
    Guard(
        "an order that a provider may have is not sent again unasked",
        "models/resolving.py",
        "if may_buy_twice or holder is None or is_waiting:",
        "if True:",
        RESOLVING,
    ),
    Guard(
        "a provider that had the order gets it under another reference",
        "models/resolving.py",
        "new_referans() if had_it or not",
        "new_referans() if not",
        RESOLVING,
    ),
    Guard(
        "an order of another system is not sent again",
        "models/resolving.py",
        "    if not seen.is_ours:\n",
        "    if False:\n",
        RESOLVING,
    ),
    Guard(
        "what comes under a former reference finds its order",
        "models/settle.sql",
        "WHERE f.referans = i.referans AND f.provider_id = i.provider_id\n",
        "WHERE false\n",
        RESOLVING,
    ),
    Guard(
        "the answer to a former send does not count for the new one",
        "models/settle.sql",
        " OR COALESCE(i.referans <> o.referans, false) AS is_former",
        " AS is_former",
        RESOLVING,
    ),
    Guard(
        "what becomes of a former send says nothing of the new one",
        "models/claims.py",
        "(%(referans)s::text IS NULL OR {REFERENCE} = %(referans)s::text)",
        "(%(referans)s::text IS NULL OR true)",
        RESOLVING,
    ),
    Guard(
        "the codes of former sends are kept",
        "models/resolving.py",
        "        database.rows(KEEP_FORMER, values)\n",
        "",
        RESOLVING,
    ),
    Guard(
        "a code that a person gives comes first",
        "models/settle.sql",
        'WHEN NOT n.fills_codes OR NOT n.is_decision AND n.from_has_code THEN o."pinCode"',
        'WHEN NOT n.fills_codes OR n.from_has_code THEN o."pinCode"',
        RESOLVING,
    ),
    Guard(
        "the codes that were there stay behind a person's",
        "models/settle.sql",
        "ELSE COALESCE(given.place, jsonb_array_length(n.codes) + known.place)",
        "ELSE known.place",
        RESOLVING,
    ),
    Guard(
        "a failure that a person accepts after a delivery is a reversal",
        "models/resolving.py",
        "kept = replace(kept, status=ExternalStatus.REVERSED)",
        "pass",
        RESOLVING,
    ),
    Guard(
        "an order that waits for a person is not dismissed out of sight",
        "models/resolving.py",
        "\n        AND NOT (seen.waits_for_person AND seen.attention IN ('manual', 'cannot_ask'))",
        "",
        RESOLVING,
    ),
    Guard(
        "an order that waits for a person is not asked about",
        "models/settle.sql",
        " OR n.applies AND n.attention IS NOT NULL THEN NULL",
        " THEN NULL",
        RESOLVING,
    ),
    Guard(
        "an order that is sent again has all its time",
        "models/settle.sql",
        """COALESCE(o."resentAt", o."createdAt")""",
        """o."createdAt\"""",
        RESOLVING,
    ),
    Guard(
        "a person's failure is not undone by a late delivery",
        "models/settle.sql",
        "                    AND from_reason IS DISTINCT FROM 'timeout'\n",
        "",
        RESOLVING,
    ),
    Guard(
        "an order that a person ends does not look sent",
        "models/settle.sql",
        "d.only_if IS NULL AND NOT d.is_decision AND d.rank >= 2",
        "d.only_if IS NULL AND d.rank >= 2",
        RESOLVING,
    ),
    # --- own stock, and orders that a person fulfils
    Guard(
        "a code is never given to two orders",
        "models/stock.py",
        "WHERE c.stock = %(stock)s::text AND c.referans IS NULL AND",
        "WHERE c.stock = %(stock)s::text AND",
        f"{STOCK} {STOCK_RACES}",
    ),
    Guard(
        "orders that take codes at the same instant take different ones",
        "models/stock.py",
        'TAKE = Prepared(_TAKE.format(lock="FOR UPDATE SKIP LOCKED"))\n'
        'TAKE_PATIENTLY = Prepared(_TAKE.format(lock="FOR UPDATE"))',
        'TAKE = Prepared(_TAKE.format(lock=""))\nTAKE_PATIENTLY = Prepared(_TAKE.format(lock=""))',
        STOCK_RACES,
    ),
    Guard(
        "too few codes take none",
        "models/stock.py",
        " FROM free HAVING count(*) = %(quantity)s::int",
        " FROM free",
        STOCK,
    ),
    Guard(
        "the same reference gets the same codes",
        "migrations/0013_stock.py",
        "CREATE UNIQUE INDEX IF NOT EXISTS idx_stock_codes_taken",
        "CREATE INDEX IF NOT EXISTS idx_stock_codes_taken",
        STOCK,
    ),
    Guard(
        "an order sent twice at the same instant has the same codes",
        "models/stock.py",
        "return _taken(found) if found else taken_by(provider_id, referans)",
        "return _taken(found)",
        STOCK,
    ),
    Guard(
        "an expired code is not sold",
        "models/stock.py",
        "AND (c.expires_at IS NULL OR c.expires_at > now())\n",
        "\n",
        STOCK,
    ),
    Guard(
        "an order is not refused for codes that another one may leave",
        "models/stock.py",
        "database.rows(TAKE, values) or database.rows(TAKE_PATIENTLY, values)",
        "database.rows(TAKE, values)",
        STOCK,
    ),
    Guard(
        "a code that was loaded before is known under every key",
        "models/stock.py",
        "known.digest = ANY (given.digests::text[])",
        "known.digest = given.digest",
        STOCK,
    ),
    Guard(
        "trouble with the stock is ours",
        "gateway/providers/stock.py",
        "        raise (NotTried if undone else unclear)(",
        "        raise Refused(",
        STOCK_ORDERS,
    ),
    Guard(
        "codes that may have been taken are asked about",
        "gateway/providers/stock.py",
        "_trouble_is_ours(unclear=InDoubt)",
        "_trouble_is_ours()",
        STOCK_ORDERS,
    ),
    Guard(
        "an order that waits for a person is planned by nobody",
        "models/plans.py",
        '\n    AND (o.attention IS NULL OR o.attention = \'{Attention.TIMED_OUT}\' AND o."attentionAt" < o."sentAt"))',
        ")",
        MANUAL,
    ),
    Guard(
        "an order that waits for a person does not time out",
        "gateway/fulfilment/checking.py",
        "if providers.needs_person(assigned.provider) and _is_left_to_person(order_id):",
        "if False:",
        MANUAL,
    ),
    # --- orders of another system
    Guard(
        "another system's order keeps its status",
        "models/settle.sql",
        "            WHEN NOT n.is_ours THEN o.status\n",
        "",
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order is not approved by us",
        "models/settle.sql",
        "n.completes AND n.is_ours THEN now()",
        "n.completes THEN now()",
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order keeps its cost",
        "models/settle.sql",
        'WHEN n.is_former OR NOT n.is_ours THEN o."costAmount"',
        'WHEN n.is_former THEN o."costAmount"',
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order is sent by nobody here",
        "models/claims.py",
        'f"({IS_OURS} AND NOT {IS_DECIDED})"',
        'f"(NOT {IS_DECIDED})"',
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order gets no other provider",
        "models/unsent.py",
        'o."providerId" = %(unusable)s AND {IS_OURS}',
        'o."providerId" = %(unusable)s',
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order is cancelled there",
        "models/settle.sql",
        "{is_ours} AND o.\"externalStatus\" = 'not_sent' AS is_unsent",
        "o.\"externalStatus\" = 'not_sent' AS is_unsent",
        OTHERS_WAYS,
    ),
    Guard(
        "another system's order does not fail by time",
        "models/settle.sql",
        " NOT is_ours AND kind = 'failed' AND failure_reason = 'timeout'",
        " false",
        OTHERS_TIMED_OUT,
    ),
    Guard(
        "an order that timed out elsewhere needs a person",
        "models/settle.sql",
        "            WHEN n.times_out THEN COALESCE(o.attention, 'timed_out')\n",
        "",
        OTHERS_TIMED_OUT,
    ),
    Guard(
        "what a person has dismissed is not followed again",
        "models/plans.py",
        '\n    AND (o."adoptedAt" IS NULL OR o."adoptedAt" < o."sentAt")',
        "",
        OTHERS_TIMED_OUT,
    ),
    Guard(
        "what is taken from its provider is asked about no more",
        "models/claims.py",
        "      AND ({IS_OURS} OR {IS_AT_PROVIDER})\n",
        "",
        OTHERS_FOLLOWED,
    ),
    Guard(
        "a word that is not known is open in Python",
        "models/status.py",
        "return KINDS.get(lowered(value), Kind.OPEN)",
        "return KINDS.get(lowered(value), Kind.FAILED)",
        "tests/models/test_status.py",
    ),
    Guard(
        "a word that is not known is open in SQL",
        "models/status.py",
        "return f\"CASE {word} {_cases(ends)} ELSE '{Kind.OPEN}' END\"",
        "return f\"CASE {word} {_cases(ends)} ELSE '{Kind.FAILED}' END\"",
        "tests/models/test_status.py",
    ),
    Guard(
        "a reference in the other column finds its order",
        "models/settle.sql",
        'WHERE o."externalOrderId" = i.referans AND o.provider_referans IS NULL',
        "WHERE false AND o.provider_referans IS NULL",
        OTHERS_FOLLOWED,
    ),
    Guard(
        "another system reads the code of its order",
        "models/settle.sql",
        " AND (o.has_plain_digest OR %(theirs_in_clear)s::boolean AND NOT o.is_ours) AS wants_plain",
        " AND o.has_plain_digest AS wants_plain",
        OTHERS_PINS,
    ),
    Guard(
        "a code is never cut",
        "models/settle.sql",
        "            WHEN length(n.shown_pin) > %(pin_limit)s::int THEN NULL\n",
        "",
        OTHERS_PINS,
    ),
    Guard(
        "a code that another hand has written stays",
        "models/settle.sql",
        "NOT COALESCE(brings_only_known OR brings_all_known AND fits, true)",
        "false",
        OTHERS_DECIDED,
    ),
    Guard(
        "a delivery after a refund is a conflict",
        "models/settle.sql",
        "            WHEN their_status = 'rejected' AND NOT COALESCE(brings_only_known, false) THEN 'conflict'\n",
        "",
        OTHERS_DECIDED,
    ),
    Guard(
        "an order whose end another system takes back is followed again",
        "models/settle.sql",
        """"adoptedAt" = CASE WHEN n.ends THEN NULL ELSE o."adoptedAt" END""",
        """"adoptedAt" = o."adoptedAt\"""",
        OTHERS,
    ),
    Guard(
        "another system's order that is given up keeps its word",
        "gateway/fulfilment/asking.py",
        "{one.id for one, said in outcomes if one.expired and one.is_theirs and is_open(said.status)}",
        "set[str]()",
        OTHERS,
    ),
    Guard(
        "another system's order is as old as it is",
        "models/settle.sql",
        """WHEN n.was_sent AND NOT n.is_ours THEN o."createdAt\"""",
        "WHEN false THEN now()",
        OTHERS,
    ),
    Guard(
        "a conflict leaves another system's row as it is",
        "models/settle.sql",
        "d.result = 'conflict' AND NOT d.is_ours AS stays_as_it_is",
        "false AS stays_as_it_is",
        OTHERS_DECIDED,
    ),
    Guard(
        "a code in a former send is kept sealed",
        "models/resolving.py",
        'CASE WHEN {CODES} IS NULL OR starts_with(o."pinCode", \'sealed:\') THEN o."pinCode" END',
        'o."pinCode"',
        OTHERS_PINS,
    ),
    # --- requests
    Guard(
        "connections go to every process",
        "gateway/serving.py",
        "            self.stop_accepting()\n",
        "",
        "tests/gateway/test_serving.py",
    ),
    Guard(
        "a head comes in time",
        "gateway/clients.py",
        "            self._since, self._seconds = time.monotonic(), HEAD_SECONDS\n        elif",
        "            self._since, self._seconds = time.monotonic(), self._keepalive_seconds\n        elif",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a head that comes byte by byte comes in time",
        "gateway/clients.py",
        "            if self._seconds == self._keepalive_seconds:\n",
        "            if False:\n",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a body comes in time",
        "gateway/clients.py",
        "        self._seconds = REQUEST_SECONDS",
        "        self._seconds = self._keepalive_seconds",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client that always has a byte more is left in time",
        "gateway/clients.py",
        "        if left_seconds <= 0:\n            raise TimeoutError\n",
        "        left_seconds = max(1, left_seconds)\n",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "an answer is taken in time",
        "gateway/clients.py",
        "since, ANSWER_SECONDS, unsent_bytes)",
        "since, self._keepalive_seconds, unsent_bytes)",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "an answer that is not taken is not left to the kernel",
        "gateway/clients.py",
        "            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)",
        "            pass",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client that does not wait for answers leaves room for others",
        "gateway/clients.py",
        "            self._let_others_run()  #",
        "            pass  #",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "of many clients that do not wait for answers one at a time goes on",
        "gateway/clients.py",
        "                self._crowd.turn.acquire()\n",
        "                self._crowd.turn.acquire(blocking=False)\n",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client that waits for its turn makes room for others",
        "gateway/clients.py",
        "            self._waiting.throw(TimeoutError)",
        "            pass",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client whose packets never pause leaves room for others",
        "gateway/clients.py",
        "                self._reads_at_once += 1\n",
        "",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "the longest idle client makes room for another",
        "gateway/clients.py",
        "        self._clients.add(client)\n        self.make_room()",
        "        self._clients.add(client)",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "clients that were answered make room too",
        "gateway/clients.py",
        "            self._crowd.make_room()\n",
        "",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "slow clients are let go by the share of their time",
        "gateway/clients.py",
        "return (now - self.awaited_since) / self.awaited_seconds",
        "return now - self.awaited_since",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client that the process works for stays",
        "gateway/clients.py",
        "return self.awaited is not None and not self.is_leaving",
        "return not self.is_leaving",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "clients make a process keep only so much",
        "gateway/clients.py",
        "        while self.kept_bytes > self._most_bytes and (",
        "        while not self._clients and (",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a client that has gone on meanwhile does not count as slow",
        "gateway/clients.py",
        "in found if one.is_awaited() and one.awaited_since == since)",
        "in found if one.is_awaited())",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a head is not read without end",
        "gateway/serving.py",
        "        self.max_buffer_headers = MAX_HEAD_BYTES\n",
        "",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "a connection ends after a body that did not come",
        "gateway/serving.py",
        "super().should_close() or (self.body and self.body.failed)",
        "super().should_close()",
        "tests/gateway/test_clients.py",
    ),
    Guard(
        "with many connections several are accepted in one turn",
        "gateway/serving.py",
        "            self.max_accept = 1 + len(self.pool) // CONNECTIONS_PER_TURN\n",
        "",
        "tests/gateway/test_serving.py",
    ),
    Guard(
        "a process takes only as many connections as it may open files",
        "gateway/serving.py",
        "max(1, min(wanted, soft - OTHER_FILES))",
        "wanted",
        "tests/gateway/test_serving.py",
    ),
    Guard(
        "a single callback waits for one large list at most",
        "gateway/web/batching.py",
        "bool(self._large) and not (self._was_large and self._waiting)",
        "bool(self._large)",
        "tests/gateway/web/test_batching.py",
    ),
    Guard(
        "orders that may have been placed are not placed again",
        "gateway/web/batching.py",
        "if len(batch) == 1 or not self._may_repeat(error):",
        "if len(batch) == 1:",
        "tests/gateway/web/test_batching.py",
    ),
    Guard(
        "a bad callback fails alone",
        "gateway/web/batching.py",
        "if len(batch) == 1 or not self._may_repeat(error):",
        "if True:",
        "tests/gateway/web/test_batching.py",
    ),
    # --- callbacks
    Guard(
        "a callback needs its signature",
        "gateway/signatures.py",
        "if not any(_signed_by(secret, headers, body) for secret in secrets):",
        "if False:",
        "tests/gateway/test_signatures.py",
    ),
    Guard(
        "a callback needs its HMAC",
        "gateway/signatures.py",
        'if not (_is_one_of(expected, text) or _is_one_of(expected, text.partition("=")[2])):',
        "if False:",
        "tests/gateway/web/test_callback_kinds.py",
    ),
    Guard(
        "a callback needs its password",
        "gateway/signatures.py",
        'if scheme.lower() != "basic" or not _is_one_of(expected, f"Basic {encoded.strip()}"):',
        "if False:",
        "tests/gateway/web/test_callback_kinds.py",
    ),
    Guard(
        "a query that is not signed is not read",
        "gateway/callbacks/reading.py",
        "if request.query and not verifier_of(provider).covers_query:",
        "if False:",
        "tests/gateway/web/test_callback_kinds.py",
    ),
    Guard(
        "a callback comes from an allowed address",
        "gateway/web/callbacks.py",
        "if not allow_list.allows(account.callback_allow, address):",
        "if False:",
        "tests/gateway/web/test_callback_addresses.py",
    ),
    Guard(
        "a client cannot choose its address",
        "gateway/web/addresses.py",
        "hops[-trusted_proxies] if len(hops) >= trusted_proxies",
        "hops[0] if len(hops) >= trusted_proxies",
        "tests/gateway/web/test_callback_addresses.py",
    ),
    Guard(
        "a new secret counts almost at once",
        "gateway/web/callbacks.py",
        "self._account(req, account.id, LOOK_AGAIN_SECONDS)",
        "self._account(req, account.id)",
        "tests/gateway/web/test_callback_signatures.py",
    ),
    Guard(
        "a code that cannot be read is asked for",
        "gateway/callbacks/neutral.py",
        "unreadable_code=found.unreadable,",
        "unreadable_code=False,",
        "tests/gateway/web/test_callback_codes.py",
    ),
    Guard(
        "a panel's code that cannot be read is asked for",
        "gateway/providers/znet.py",
        "Outcome(status, referans, codes=found.codes, unreadable_code=found.unreadable, message=message)",
        "Outcome(status, referans, codes=found.codes, message=message)",
        "tests/gateway/web/test_callback_codes.py",
    ),
    Guard(
        "an outcome is not taken for a ping",
        "gateway/callbacks/reading.py",
        "        said = _read(provider, fields, request.body)\n    except UnreadableCallback as error:\n        if",
        """        said = _read(provider, {} if fields.get("type") == PING else fields, request.body)
    except UnreadableCallback as error:
        if""",
        "tests/gateway/web/test_callback_formats.py",
    ),
    Guard(
        "a bad entry of a list is kept",
        "gateway/web/callbacks.py",
        "            self._keep(account, received.invalid)\n",
        "            pass\n",
        "tests/gateway/web/test_callbacks.py",
    ),
    Guard(
        "a raw line is read for callbacks only",
        "gateway/serving.py",
        "(/callbacks/.*)( HTTP",
        "(/.*)( HTTP",
        "tests/gateway/test_serving.py",
    ),
    Guard(
        "control characters in a line are refused",
        "gateway/serving.py",
        r"[ \t#\x80-\xff]",
        r"[\x00-\x20#\x7f-\xff]",
        "tests/gateway/test_serving.py",
    ),
    Guard(
        "a signature grows old",
        "gateway/signatures.py",
        "if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:",
        "if False:",
        "tests/gateway/test_signatures.py",
    ),
    Guard(
        "an unmatched callback is settled later",
        "models/settle.sql",
        "WHERE kept.result = 'unmatched' AND excluded.result <> 'unmatched'",
        "WHERE false",
        SETTLE,
    ),
    Guard(
        "the sweep matches the inbox again",
        "gateway/fulfilment/sweeping.py",
        """    "unmatched_settled": _settle_unmatched,\n""",
        "",
        SWEEPING,
    ),
    Guard(
        "a callback that the database refuses delays no other",
        "gateway/fulfilment/sweeping.py",
        "            _settle(worker, [arrival])\n",
        "            raise\n",
        SWEEPING,
    ),
    Guard(
        "a step of the sweep that fails delays no other",
        "gateway/fulfilment/sweeping.py",
        "            except Exception as error:  # a step",
        "            except ZeroDivisionError as error:  # a step",
        SWEEPING,
    ),
    Guard(
        "a callback that does not open delays no other",
        "models/inbox.py",
        "    except sealed.Unsealable as error:",
        "    except ZeroDivisionError as error:",
        SWEEPING,
    ),
    Guard(
        "the provider's number finds what waited for it",
        "models/inbox.py",
        "WHERE c.result = 'unmatched' AND c.provider_id = %s",
        "WHERE false AND c.provider_id = %s",
        SETTLE,
    ),
    Guard(
        "only an unread callback is opened again",
        "models/rereading.py",
        "c.result = 'invalid' AND NOT EXISTS",
        "NOT EXISTS",
        INBOX,
    ),
    # --- checks
    Guard(
        "a check is claimed by one",
        "models/claims.py",
        """_IS_DUE = f\"""o."nextCheckAt" <= now() AND o.""",
        """_IS_DUE = f\"""o.""",
        PLAN,
    ),
    Guard(
        "the next plan is written before asking",
        "models/claims.py",
        """            WHEN NOT {IS_OPEN} THEN NULL\n            WHEN {IS_EXPIRED} THEN""",
        """            WHEN true THEN o."nextCheckAt"\n            WHEN {IS_EXPIRED} THEN""",
        PLAN,
    ),
    Guard(
        "a recent callback spares the check",
        "models/claims.py",
        """OR o."lastCallbackAt" + make_interval(secs => %(trust)s) <= now()""",
        "OR true",
        PLAN,
    ),
    Guard(
        "a requested check of a final order is made although its hint was lost",
        "models/plans.py",
        """ OR o."checkRequestedAt" IS NOT NULL)""",
        ")",
        PLAN,
    ),
    Guard("no plan goes past the timeout", "models/claims.py", "ELSE LEAST(\n", "ELSE GREATEST(\n", PLAN),
    Guard(
        "an order is claimed only for the provider that is called",
        "models/claims.py",
        """(%(provider)s::text IS NULL OR o."providerId" = %(provider)s::text)""",
        """(%(provider)s::text IS NULL OR true)""",
        PLAN,
    ),
    Guard(
        "an order that is being sent is not given up",
        "models/settle.sql",
        """o."externalStatus" = 'not_sent' AS is_unsent""",
        "true AS is_unsent",
        PLAN,
    ),
    Guard(
        "an order is given up only when its time is up",
        "models/settle.sql",
        "(i.only_if = 'unsent' OR o.is_overdue)",
        "true",
        PLAN,
    ),
    Guard(
        "a cancelled order does not look sent",
        "models/settle.sql",
        "d.result = 'applied' AND d.only_if IS NULL AND NOT d.is_decision AND d.rank >= 2",
        "d.result = 'applied' AND NOT d.is_decision AND d.rank >= 2",
        PLACING,
    ),
    Guard(
        "who decides sees codes only with the right to",
        "gateway/web/seen.py",
        "self._read_codes(found) if Scope.PINS_READ in self._key.scopes else None",
        "self._read_codes(found)",
        "tests/gateway/web/test_deciding.py",
    ),
    Guard(
        "a name of several orders decides none",
        "gateway/commands/context.py",
        "    if len(found) > 1:\n        named",
        "    if not found:\n        named",
        "tests/gateway/commands/test_deciding.py",
    ),
    Guard(
        "the codes of one order complete no other",
        "gateway/commands/deciding.py",
        "if piped and (all_stuck or len(ids or []) > 1):",
        "if piped and False:",
        "tests/gateway/commands/test_deciding.py",
    ),
    Guard(
        "what was answered once is answered again",
        "gateway/web/orders.py",
        'return Answer(json.loads(placed.answer)["id"], placed.answer, is_new=False)',
        'return Answer(json.loads(placed.answer)["id"], json.dumps(json.loads(placed.answer)), is_new=False)',
        "tests/gateway/web/test_idempotency.py",
    ),
    Guard(
        "a provider that cannot be used delays no timeout",
        "gateway/fulfilment/checking.py",
        "        _cannot_use(worker, order_id)\n",
        "",
        CHECKING,
    ),
    Guard(
        "a provider that is down delays no timeout",
        "models/plans.py",
        "\n  AND {SENT_AT} + make_interval(secs => %(order_timeout)s) > now())\nR",
        ")\nR",
        PLAN,
    ),
    Guard(
        "one probe at a time",
        "models/provider_health.py",
        " AND COALESCE(h.probe_at <= now(), true)\nRETURNING",
        "\nRETURNING",
        HEALTH,
    ),
    Guard(
        "a provider that is down or paused gets no order",
        "gateway/fulfilment/dispatching.py",
        "(assigned.status == ExternalStatus.NOT_SENT and assigned.health.obstacle())",
        "False",
        PASSING_OVER,
    ),
    Guard(
        "what is parked for a provider that is paused is not sent to it",
        "gateway/fulfilment/dispatching.py",
        "    if not account.health.takes_orders:\n",
        "    if False:\n",
        PASSING_OVER,
    ),
    Guard(
        "what a provider that is paused denies is not sent to it again",
        "gateway/fulfilment/asking.py",
        "    if is_paused or claimed",
        "    if claimed",
        PASSING_OVER,
    ),
    Guard(
        "what a provider may know goes to no other because it is not reached",
        "models/claims.py",
        """(%(refused)s::boolean OR NOT o."mayBeKnown")""",
        "true",
        PASSING_OVER,
    ),
    Guard(
        "what never reached its provider goes on when that is removed",
        "gateway/fulfilment/checking.py",
        "    if send_elsewhere(worker, order_id, None):\n        return\n",
        "",
        PASSING_OVER,
    ),
    Guard(
        "a provider that has refused an order takes it up no more",
        "models/unsent.py",
        """r.provider_id <> ALL (COALESCE(o."triedProviders", ARRAY[]::text[]))""",
        "true",
        PASSING_OVER,
    ),
    Guard(
        "what waits is taken up by one worker",
        "models/unsent.py",
        """o."nextCheckAt" > clock_timestamp() AND {_WAITS}""",
        "{_WAITS}",
        HEALTH,
    ),
    Guard(
        "an answer to an earlier call leaves the breaker open",
        "models/provider_health.py",
        " AND (%(closes)s::boolean OR NOT was.down)",
        "",
        HEALTH,
    ),
    Guard(
        "after a lack of balance only more of it ends the pause",
        "models/provider_health.py",
        "NOT h.lacks_balance OR COALESCE(%(amount)s > h.paused_balance, false) AS ends",
        "true AS ends",
        HEALTH,
    ),
    Guard(
        "a pause by a person is ended by a person",
        "models/provider_health.py",
        " AND {_IS_OWN_PAUSE} FOR UPDATE",
        " AND h.paused_at IS NOT NULL FOR UPDATE",
        HEALTH,
    ),
    Guard(
        "a send under way puts off a gap",
        "models/balance_chain.py",
        "return under_way is None or answered_at is None or answered_at < under_way",
        "return True",
        CHAIN,
    ),
    Guard(
        "a send without an answer explains one fall",
        "models/balance_chain.py",
        "if not story.used >> index & 1 and _is_within(one, story.began_at, until)",
        "if _is_within(one, story.began_at, until)",
        CHAIN,
    ),
    Guard(
        "what may still be learned settles no chain",
        "models/balance_chain.py",
        "found = [fall for fall in falls if not all(one.is_settled for one in self._near(fall, ones))]",
        "found: list[Fall] = []",
        CHAIN,
    ),
    Guard(
        "a lost answer that was found since explains a fall",
        "models/balance_ledger.py",
        "    UNION\n    SELECT order_id FROM heard\n",
        "",
        LEDGER,
    ),
    Guard(
        "a refused order explains no fall",
        "models/balance_ledger.py",
        """            AND NOT (o."externalStatus" = 'failed' AND o."sentAt" IS NULL)\n""",
        "",
        LEDGER,
    ),
    Guard(
        "an answer that comes too late is no step of the chain",
        "models/balance_ledger.py",
        "return horizon is not None and reading.began_at < horizon and reading.id not in self.open_ids",
        "return False",
        LEDGER,
    ),
    Guard(
        "another account begins another chain",
        "models/balance_ledger.py",
        "return reading.began_at >= self.valid_since",
        "return True",
        LEDGER,
    ),
    Guard(
        "an answer that was overtaken shows no old balance",
        "models/balances.py",
        "h.balance_at < %(began)s::timestamptz OR excluded.balance < h.balance",
        "true",
        "tests/models/test_balances.py",
    ),
    Guard(
        "a balance is asked for once by all workers",
        "models/balances.py",
        "WHERE h.balance_asked_at IS NULL OR h.balance_asked_at <= now() - make_interval(secs => %(every)s)\nRETURNING",
        "RETURNING",
        "tests/models/test_balances.py",
    ),
    Guard(
        "what the customer wrote decides nothing in an answer",
        "gateway/providers/znet.py",
        """        said = said.replace(echo, "…")\n""",
        "        pass\n",
        "tests/gateway/providers/test_znet.py",
    ),
    Guard(
        "a refusal of the customer is the end",
        "gateway/fulfilment/dispatching.py",
        "is_final = error.about is About.CUSTOMER and error.is_certain",
        "is_final = False",
        ACCOUNTS,
    ),
    Guard(
        "workers share one limit",
        "gateway/fulfilment/permits.py",
        "if slot.acquire(blocking=False):",
        "if slot.acquire(blocking=False) or True:",
        PERMITS,
    ),
    Guard(
        "workers share one limit a minute",
        "gateway/fulfilment/permits.py",
        "if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end\n",
        "",
        PERMITS,
    ),
    # --- processes
    Guard("one sweep at a time", "models/sweep_run.py", "        yield mine\n", "        yield True\n", PLAN),
    Guard(
        "one migration at a time",
        "models/db/migrate.py",
        """while not pool.execute_sql("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone()[0]:""",
        "while False:",
        "tests/models/db/test_migrate.py",
    ),
    Guard(
        "the second signal does not kill",
        "actors/signals.py",
        "        signal.signal(number, signal.SIG_IGN)\n",
        "",
        "tests/acceptance/test_faults.py::test_two_signals_do_not_kill_a_worker_in_the_middle_of_a_call",
    ),
    Guard(
        "dead connections are not handed out",
        "models/db/database.py",
        " and _is_alive(connection, time.monotonic() - given_back)",
        "",
        "tests/models/db/test_database.py",
    ),
    Guard(
        "a killed worker's messages are taken over soon",
        "gateway/broker.py",
        "maintenance_chance=MAINTENANCE_CHANCE",
        "maintenance_chance=1",
        "tests/acceptance/test_recovery.py::test_what_a_killed_worker_had_taken_is_taken_over_on_a_quiet_system",
    ),
    Guard(
        "a consumer outlives a full queue",
        "gateway/broker.py",
        "            super().requeue(messages)  # type: ignore[no-untyped-call]\n        except redis.RedisError",
        "            super().requeue(messages)  # type: ignore[no-untyped-call]\n        except ZeroDivisionError",
        "tests/gateway/test_consumers.py",
    ),
    Guard(
        "idle clients do not delay a shutdown",
        "gateway/serving.py",
        "                client.end_if_idle()",
        "                pass",
        "tests/acceptance/test_shutdown.py::test_the_web_ends_in_time_and_kept_all_it_promised",
    ),
    # --- people
    Guard(
        "a provider that orders wait for is not removed",
        "models/removal.py",
        "if waiting and not even_if_awaited:",
        "if False:",
        "tests/gateway/commands/test_changing_providers.py",
    ),
    Guard(
        "changes of a provider keep each other",
        "models/provider.py",
        " FOR NO KEY UPDATE",
        "",
        "tests/gateway/commands/test_changing_providers.py",
    ),
    # --- secrets
    Guard(
        "a sealed value stays where it belongs",
        "models/db/sealed.py",
        "if owner not in belongs_to:",
        "if False:",
        "tests/models/db/test_sealed.py",
    ),
    # --- the closed door: limits, keys, logs, sealing again
    Guard(
        "a key past its limit is refused",
        "gateway/web/limits.py",
        "            if free > part:\n",
        "            if False:\n",
        LIMITS,
    ),
    Guard(
        "an address past its failures is refused",
        "gateway/web/limits.py",
        '            _refuse("too many wrong keys or signatures came from your address", wait_seconds)\n',
        "            pass\n",
        LIMITS,
    ),
    Guard(
        "what is right is never refused for the failures of others",
        "gateway/web/auth.py",
        "        if isinstance(found, str):\n            self._limits",
        "        if isinstance(found, str) or self._limits.is_failing(req):\n            self._limits",
        LIMITS,
    ),
    Guard(
        "a wrong key costs the database next to nothing",
        "gateway/web/auth.py",
        "LOOK_AGAIN_SECONDS if is_failing else 0",
        "0",
        LIMITS,
    ),
    Guard(
        "processes add up what they have counted",
        "gateway/web/limits.py",
        "        self.by_all = by_all\n",
        "        self.by_all = {}\n",
        LIMITS,
    ),
    Guard(
        "what processes let through too much is taken back",
        "gateway/web/limits.py",
        "for periods in range(1, PERIODS + 1):",
        "for periods in (1,):",
        LIMITS,
    ),
    Guard(
        "any number of addresses takes no more memory",
        "gateway/web/limits.py",
        "zlib.crc32(network.encode()) % SLOTS",
        "zlib.crc32(network.encode())",
        LIMITS,
    ),
    Guard(
        "of an IPv6 address its network counts",
        "gateway/web/addresses.py",
        "    if isinstance(address, IPv6Address):\n",
        "    if False:\n",
        LIMITS,
    ),
    Guard(
        "a revoked key ends within a second",
        "gateway/web/auth.py",
        "CACHE_SECONDS = 0.8",
        "CACHE_SECONDS = 60",
        ACCESS,
    ),
    Guard(
        "an expired key is refused",
        "gateway/web/auth.py",
        "<= time.monotonic() - read_at:",
        "<= -1e9:",
        ACCESS,
    ),
    Guard(
        "a key that is made counts at once",
        "gateway/web/cache.py",
        "self._known[1] >= asked_at - max(0.0, allowed)",
        "self._known[1] >= asked_at - 1",
        ACCESS,
    ),
    Guard(
        "no request waits for the keys while they are asked for",
        "gateway/web/cache.py",
        "            if age > self._seconds / 2 and",
        "            if False and",
        ACCESS,
    ),
    Guard(
        "a check requested again is the same",
        "models/plans.py",
        '\n      AND (o."checkAskedAt" IS NULL OR o."checkAskedAt" <= now() - make_interval(secs => %(same_within)s))',
        "",
        PLAN,
    ),
    Guard(
        "nothing starts without keys",
        "gateway/settings.py",
        '    if "ENCRYPTION_KEYS" in require and not found.encryption_keys and not found.allow_plaintext:\n',
        "    if False:\n",
        SETTINGS,
    ),
    Guard(
        "what no route takes is logged by its first segment",
        "gateway/web/middleware.py",
        "    if req.uri_template is None:\n        return log.first_segment(req.path)\n",
        "    if req.uri_template is None:\n        return log.mask(req.path)\n",
        LOGGED,
    ),
    Guard(
        "what stands for an unknown provider is not logged",
        "gateway/web/middleware.py",
        "if known else log.first_segment(req.path)",
        "if known else log.mask(req.path)",
        LOGGED,
    ),
    Guard(
        "gunicorn repeats no line that it cannot read",
        "gunicorn.conf.py",
        "        if found:\n            reason",
        "        if False:\n            reason",
        LOGGED,
    ),
    Guard(
        "gunicorn logs no path",
        "gunicorn.conf.py",
        "def pre_request(",
        "def not_pre_request(",
        LOGGED,
    ),
    Guard(
        "gunicorn's own log of requests stays off",
        "gunicorn.conf.py",
        "def access(",
        "def not_access(",
        LOGGED,
    ),
    Guard(
        "what stands in place of an order's id is not logged",
        "gateway/web/middleware.py",
        "return ORDER.sub(log.MASKED, log.mask(req.path))",
        "return log.mask(req.path)",
        f"{LOGGED} {CANARIES}",
    ),
    Guard(
        "an error of the database shows no value in the log",
        "gateway/log.py",
        "return mask(DATABASE_VALUE.sub(_masked, text))",
        "return mask(text)",
        "tests/gateway/test_log.py",
    ),
    Guard(
        "a command that fails shows no value of the database",
        "gateway/__main__.py",
        "note(log.mask_error(traceback.format_exc()))",
        "note(traceback.format_exc())",
        "tests/gateway/commands/test_command_line.py",
    ),
    Guard(
        "every line of a process is masked",
        "gateway/log.py",
        "return {name: _mask_value(name, value) for name, value in event.items()}",
        "return event",
        CANARIES,
    ),
    Guard(
        "a callback that cannot be read is kept sealed",
        "models/inbox.py",
        '"raw": sealed.seal(each.raw, _owner_of_unreadable(provider_id, each.dedupe_key))',
        '"raw": each.raw',
        CANARIES,
    ),
    Guard(
        "what a callback brought is kept sealed",
        "models/order.py",
        '"outcome": sealed.seal(as_json(outcome), belongs_to)',
        '"outcome": as_json(outcome)',
        CANARIES,
    ),
    Guard(
        "codes of our own are stored sealed",
        "models/stock.py",
        '"code": sealed.seal(codes.as_json(new.code), owner(name, digests[0]))',
        '"code": codes.as_json(new.code)',
        CANARIES,
    ),
    Guard(
        "a code sealed again is still known by its digest",
        "models/resealing.py",
        'row["pinDigest"] if text is None else sealed.digests(text)[0]',
        'row["pinDigest"]',
        RESEALING,
    ),
    Guard(
        "a row that changes while it is sealed again keeps the change",
        "models/resealing.py",
        """        same = " AND ".join(map('t."{0}" IS NOT DISTINCT FROM g."old_{0}"'.format, dict(self.columns)))\n""",
        '        same = "true"\n',
        RESEALING,
    ),
    Guard(
        "sealing again goes on where it was stopped",
        "models/resealing.py",
        '        database.rows(RECORD, at | {"after": after, "is_done": is_done})\n',
        "",
        RESEALING,
    ),
    Guard(
        "an unreadable callback moved to another row is refused",
        "models/inbox.py",
        "sealed.seal(each.raw, _owner_of_unreadable(provider_id, each.dedupe_key))",
        "sealed.seal(each.raw, owner(provider_id, None))",
        RESEALING,
    ),
    Guard(
        "a key sees its own tenant's orders only",
        "models/lookup.py",
        " AND {IS_SEEN}",
        "",
        TENANTS,
    ),
    Guard(
        "a list has the orders of the key's tenant only",
        "models/listing.py",
        "_of_tenant(view) + _indexed(wanted)",
        "_indexed(wanted)",
        TENANTS,
    ),
    Guard(
        "every call about an order asks as the key's tenant",
        "gateway/web/seen.py",
        "View(key.tenant_id)",
        "View(None)",
        TENANTS,
    ),
    Guard(
        "figures of all tenants are for keys of none",
        "gateway/web/metrics.py",
        "require_whole(",
        "require(",
        TENANTS,
    ),
    Guard(
        "an order of a tenant carries it",
        "gateway/web/orders.py",
        "key.tenant_id",
        "None",
        TENANTS,
    ),
    Guard(
        "a provider of one tenant gets no order of another",
        "models/route.py",
        """
    AND {tenants.is_open_to("{tenant}", "r.provider_id", "r.params")}""",
        "",
        OF_TENANTS,
    ),
    Guard(
        "a route of one tenant takes no order of another",
        "models/route.py",
        """{tenants.may_use("r.tenant_id", "{tenant}")}""",
        "true",
        OF_TENANTS,
    ),
    Guard(
        "a tenant's own route comes first",
        "models/route.py",
        "ORDER BY r.tenant_id IS NULL, r.product_id = '*'",
        "ORDER BY r.product_id = '*'",
        OF_TENANTS,
    ),
    Guard(
        "an order is not sent to a provider that was given to another tenant",
        "models/claims.py",
        "o.attention IS DISTINCT FROM 'conflict' AND {PROVIDER_IS_OPEN}",
        "o.attention IS DISTINCT FROM 'conflict'",
        OF_TENANTS,
    ),
    Guard(
        "an order in doubt is not sent again to a provider of another tenant",
        "models/claims.py",
        """
      AND {PROVIDER_IS_OPEN}""",
        "",
        OF_TENANTS,
    ),
    Guard(
        "stock of one tenant is sold to no other",
        "models/tenants.py",
        " OR owned.adapter = '{ADAPTER}' AND owned.id = {params} ->> '{STOCK}'",
        "",
        OF_TENANTS,
    ),
    Guard(
        "a provider for which orders of others wait is not given to a tenant",
        "gateway/commands/providers.py",
        "if waiting := tenants.orders_of_others(after.id, after.tenant_id):",
        "if waiting := 0:",
        "tests/gateway/commands/test_tenants.py",
    ),
    Guard(
        "the version before sees no key and no route of a tenant",
        "migrations/0024_tenants.py",
        " WHERE tenant_id IS NULL'",
        "'",
        OF_TENANTS,
    ),
    Guard(
        "an answer that no rule of a file knows is no refusal",
        f"{DESCRIBED}/outcomes.py",
        'return _unread(answer) or InDoubt(f"no rule matches the answer: {answer.text}")',
        "return _unread(answer) or Refused(answer.text)",
        f"tests/{DESCRIBED}/test_answers.py",
    ),
    Guard(
        "an answer that no rule of a file knows makes no order unknown",
        f"{DESCRIBED}/outcomes.py",
        'QuestionRefused("nothing in the answer is about the order", answer.text)',
        "UnknownReference(answer.text)",
        f"tests/{DESCRIBED}/test_answers.py",
    ),
    Guard(
        "a further step that cannot be made refuses no booked order",
        f"{DESCRIBED}/speaker.py",
        "except (ProviderError, BadValue):",
        "except ProviderError:",
        f"tests/{DESCRIBED}/test_speaker.py",
    ),
    Guard(
        "the line of another order says nothing",
        f"{DESCRIBED}/answers.py",
        "place.text_in(each) == wanted",
        "place.text_in(each)",
        f"tests/{DESCRIBED}/test_answers.py",
    ),
    Guard(
        "an answer about several orders makes none unknown",
        f"{DESCRIBED}/protocol.py",
        "return meant if meant is not None and meant.means in OF_ALL else None",
        "return meant",
        f"tests/{DESCRIBED}/test_speaker.py",
    ),
    Guard(
        "what a customer wrote stays one part of a path",
        f"{DESCRIBED}/requests.py",
        'return quote(value, safe="")',
        "return value",
        f"tests/{DESCRIBED}/test_requests.py",
    ),
    Guard(
        "a pattern of a file cannot take for ever",
        f"{DESCRIBED}/patterns.py",
        "if is_repeated and operation in (*_REPEATS, codes.BRANCH):",
        "if False:",
        f"tests/{DESCRIBED}/test_patterns.py",
    ),
    Guard(
        "what looks like a code is no receipt",
        f"{DESCRIBED}/answers.py",
        'return found, (parts if otherwise == "receipt" else with_words)',
        "return found, with_words",
        f"tests/{DESCRIBED}/test_answers.py",
    ),
    Guard(
        "an empty secret signs no callback of a protocol",
        f"{DESCRIBED}/callbacks.py",
        'for secret in provider.secrets() if needs_secret else [""]:',
        'for secret in provider.secrets() or [""]:',
        f"tests/{DESCRIBED}/test_callbacks.py",
    ),
    Guard(
        "without a token nothing is sent",
        f"{DESCRIBED}/speaker.py",
        'raise NotReached(f"no token: the service answered HTTP {answer.http}")',
        'return "", 60.0',
        f"tests/{DESCRIBED}/test_speaker.py",
    ),
]


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="words of the guards' names")
    parser.add_argument("--jobs", type=int, default=3, help="guards to try at once")
    options = parser.parse_args()
    wanted = options.only
    chosen = [guard for guard in GUARDS if not wanted or any(word in guard.name for word in wanted)]
    with _server() as database_url, ThreadPoolExecutor(options.jobs) as threads:
        held = list(threads.map(lambda guard: _try(guard, database_url), chosen))
    print(f"\n{sum(held)} of {len(held)} guards are missed by a test when they are gone.")
    return 0 if held and all(held) else 1


@contextmanager
def _server() -> Iterator[str]:
    """One PostgreSQL for all; each test makes databases of its own."""
    with tempfile.TemporaryDirectory(prefix="referans-guards-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another user where this runs as root
        with EmbeddedPostgres(Path(name) / "postgres", durable=False) as server:
            yield server.url


def _try(guard: Guard, database_url: str) -> bool:
    """Whether a test falls without the guard; says which."""
    with tempfile.TemporaryDirectory(prefix="referans-guards-") as name:
        copy = Path(name)
        _copy_to(copy)
        said = _take_out(guard, copy) or _fallen(guard, copy, database_url)
    test = FALLEN.search(said)
    print(f"| {guard.name} | {test[1] if test else said} |", flush=True)
    return test is not None


def _copy_to(copy: Path) -> None:
    copy.chmod(0o755)  # PostgreSQL runs as another user where this runs as root
    for one in COPIED:
        if (ROOT / one).is_dir():
            shutil.copytree(ROOT / one, copy / one, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / one, copy / one)


def _take_out(guard: Guard, copy: Path) -> str:
    """What went wrong, or nothing."""
    path = copy / guard.file
    code = path.read_text()
    if code.count(guard.text) != 1:
        return f"STANDS {code.count(guard.text)} TIMES IN {guard.file}"
    path.write_text(code.replace(guard.text, guard.instead))
    return ""


def _fallen(guard: Guard, copy: Path, database_url: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *guard.tests.split()]
    env = {**os.environ, "PYTHONPATH": str(copy), "TEST_DATABASE_URL": database_url}
    try:
        run = subprocess.run(
            command, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"NO END WITHIN {TIMEOUT_SECONDS} s"
    return run.stdout if FALLEN.search(run.stdout) else f"NO TEST FELL (pytest ended with {run.returncode})"


if __name__ == "__main__":
    sys.exit(main())
