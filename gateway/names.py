"""Names of hosts, looked up within a time.

`getaddrinfo` has no time limit, and cannot be ended. So a thread makes each lookup, and callers wait for it only as
long as they may. A name that hangs has one thread, however many calls ask for it, and there is a bound for all.
(c-ares and dnspython need no threads, but do not ask what else the system knows: `nsswitch`, and its caches.)
"""

import queue
import socket
import threading
from collections import OrderedDict
from ipaddress import ip_address

#: Seconds that a lookup may take: a resolver asks again after 5 s, so that one packet may be lost.
LOOKUP_SECONDS = 6.0
#: Seconds for a name that was answered before, to see whether anything is answered.
CONTROL_SECONDS = 1.0
#: Lookups under way at once. A resolver gives up after 30 s at most, with three servers that do not answer.
MOST_LOOKUPS = 64
#: Seconds without a lookup after which a thread ends.
IDLE_SECONDS = 60.0
#: Names that are kept as ones that were answered.
KEPT_NAMES = 8
#: Errors that are no answer: the server of the name, or the one that was asked for it, is in trouble.
UNANSWERED = (socket.EAI_AGAIN, socket.EAI_FAIL)
#: Errors of this machine: out of memory, files or sockets.
LOCAL = (socket.EAI_MEMORY, socket.EAI_SYSTEM)


class NotAnswered(OSError):
    """The name got no answer, while others do: a fault of the name's own servers."""


class OwnTrouble(OSError):
    """Names cannot be looked up here at present, which says nothing about the host."""


class _Lookup:
    """One lookup, for all that wait for it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.is_done = threading.Event()
        self.addresses: list[str] = []
        self.error: Exception | None = None


class Names:
    """Looks names up. Safe to share between threads."""

    def __init__(self, most: int = MOST_LOOKUPS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._under_way: dict[str, _Lookup] = {}
        #: Lookups that are handed to threads which had none.
        self._handed: queue.SimpleQueue[_Lookup] = queue.SimpleQueue()
        #: Threads that wait for one, and to which none is handed yet.
        self._idle = 0
        #: Names of other machines that were answered, the last one at the end.
        self._answered: OrderedDict[str, None] = OrderedDict()

    def addresses(self, host: str, seconds: float) -> list[str]:
        """The addresses of a host, each once.

        Raises socket.gaierror or UnicodeError if it has none, NotAnswered, OwnTrouble.
        """
        try:
            return _found(host, socket.AI_NUMERICHOST)
        except (socket.gaierror, UnicodeError):
            pass
        try:
            return self._asked(host, seconds)
        except NotAnswered:
            if self._is_own_trouble(host, min(seconds, CONTROL_SECONDS)):
                raise OwnTrouble("names cannot be looked up here at present") from None
            raise

    def _asked(self, host: str, seconds: float) -> list[str]:
        lookup = self._begun(host)
        if not lookup.is_done.wait(seconds):
            raise NotAnswered("the name of the host was not looked up in time")
        if lookup.error is None:
            return lookup.addresses
        if not isinstance(lookup.error, socket.gaierror | UnicodeError):
            said = getattr(lookup.error, "strerror", None) or type(lookup.error).__name__
            raise OwnTrouble(f"names cannot be looked up here: {said}")
        number = getattr(lookup.error, "errno", None)
        if number in UNANSWERED:
            raise NotAnswered("the name of the host could not be looked up")
        if number in LOCAL:
            raise OwnTrouble(f"names cannot be looked up here: {lookup.error}")
        raise lookup.error

    def _begun(self, host: str) -> _Lookup:
        """The lookup of this name that is under way, or a new one."""
        with self._lock:
            if lookup := self._under_way.get(host):
                return lookup
            if len(self._under_way) >= self._most:
                raise OwnTrouble("too many names are being looked up here")
            lookup = _Lookup(host)
            if self._idle:
                self._idle -= 1
                self._handed.put(lookup)
            else:
                thread = threading.Thread(target=self._run, args=(lookup,), name="lookup", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise OwnTrouble(f"names cannot be looked up here: {error}") from None
            self._under_way[host] = lookup
            return lookup

    def _run(self, first: _Lookup) -> None:
        """What a thread does: one lookup after the other, until none comes for IDLE_SECONDS."""
        lookup: _Lookup | None = first
        while lookup is not None:
            self._look_up(lookup)
            lookup = self._next()

    def _look_up(self, lookup: _Lookup) -> None:
        is_remote = False
        try:
            lookup.addresses = _found(lookup.host, 0)
            is_remote = not all(ip_address(each).is_loopback for each in lookup.addresses)
        except Exception as error:  # whatever it is: callers must not wait for it for ever
            lookup.error = _local_error() or error
        with self._lock:
            self._idle += 1
            self._under_way.pop(lookup.host, None)
            if is_remote:
                self._answered[lookup.host] = None
                self._answered.move_to_end(lookup.host)
                if len(self._answered) > KEPT_NAMES:
                    self._answered.popitem(last=False)
        lookup.is_done.set()

    def _next(self) -> _Lookup | None:
        try:
            return self._handed.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            with self._lock:
                if self._idle:
                    self._idle -= 1
                    return None
            return self._handed.get()  # as many are handed as there are threads without one

    def _is_own_trouble(self, host: str, seconds: float) -> bool:
        """Whether a name that was answered before is not answered now, either."""
        with self._lock:
            other = next((name for name in reversed(self._answered) if name != host), None)
        if other is None:
            return False
        try:
            self._asked(other, seconds)
        except (NotAnswered, OwnTrouble):
            return True
        except (socket.gaierror, UnicodeError):
            return False
        return False


def _local_error() -> OSError | None:
    """What keeps this machine from asking; out of files, the system may say that the name is not known."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error
    return None


def _found(host: str, flags: int) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
