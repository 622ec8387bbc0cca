"""The loop's thread steps aside for a blocking consumer, and is there at once for whoever needs it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import asyncio
import os
import signal
import sys
import threading
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from answers import Listing, model
from scripts import run

from asyncchat import Client, ConfigurationError, Request
from asyncchat._paging import AsyncPager
from asyncchat._sync import flow, lending
from asyncchat._sync.flow import keeps_interpreter
from asyncchat._sync.interrupts import HeldBack
from asyncchat._sync.lending import Lending
from asyncchat._sync.places import Places, runs_loop
from asyncchat.sandbox import Sandbox
from asyncchat.testing import MockTransport, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES = 100
FOREVER = 60.0
LOOP = "asyncchat-loop"
MAIN = threading.main_thread().name

needs_borrowing = pytest.mark.skipif(sys.platform == "win32", reason="a loop stays in its thread here")


@pytest.fixture(autouse=True)
def long_loans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that nobody asks for would not be run in this test."""
    monkeypatch.setattr(lending, "LONGEST", FOREVER)
    monkeypatch.setattr(lending, "GLANCE", FOREVER)
    monkeypatch.setattr(flow, "LONGEST", FOREVER)
    monkeypatch.setattr(flow, "keeps_interpreter", lambda _busy, _computed: True)


@pytest.fixture(params=["asks", pytest.param("borrows", marks=needs_borrowing)])
def borrows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a consumer borrows the loop, as where nothing of the user's runs in it, or only asks for it."""
    is_borrowed: bool = request.param == "borrows"
    monkeypatch.setattr(AsyncPager, "runs_user_code", not is_borrowed)
    return is_borrowed


@pytest.fixture
def borrowing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncPager, "runs_user_code", False)


@pytest.fixture
def loans(monkeypatch: pytest.MonkeyPatch) -> list[Lending]:
    """Each loop when it was lent."""
    seen: list[Lending] = []
    lend = Lending._lend

    def noted(self: Lending) -> None:
        seen.append(self)
        lend(self)

    monkeypatch.setattr(Lending, "_lend", noted)
    return seen


class Served:
    """A listing of many pages, and one model. Notes which thread answered what."""

    def __init__(self) -> None:
        self.listing = Listing(PAGES * 5, most=5)
        self.threads: dict[str, set[str]] = {}
        self.at_page: Callable[[int], object] = lambda _number: None

    async def __call__(self, request: Request) -> Any:
        self.threads.setdefault(request.path, set()).add(threading.current_thread().name)
        if request.path == "/models/1":
            return json_response(model(1))
        self.at_page(int(dict(request.params)["page"]))
        return await self.listing(request)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def chat(served: Served) -> Iterator[Client]:
    with Client(transport=MockTransport(served), per_page=5) as chat:
        yield chat


def test_who_runs_the_loop(chat: Client, served: Served, loans: list[Lending], borrows: bool) -> None:
    """A consumer that computes runs it while it waits, or its thread does; nobody while the consumer computes."""
    assert [row.id for row in chat.models.list()] == list(range(1, PAGES * 5 + 1))
    assert served.threads["/models"] == ({LOOP, MAIN} if borrows else {LOOP})
    assert (len(loans) < PAGES / 2 / flow.MOST) is borrows  # once, or a few times, or for each batch


def test_a_call_of_the_consumer(chat: Client, loans: list[Lending], borrows: bool) -> None:
    """In the body of the loop, where nobody else would run the client's."""
    assert [chat.models.get(1).id for _ in chat.models.list().pages()] == [1] * PAGES
    assert loans


def test_a_call_of_another_thread(chat: Client, served: Served, loans: list[Lending], borrows: bool) -> None:
    """Which may come at any time."""
    for _ in chat.models.list().pages():
        other = threading.Thread(target=chat.models.get, args=(1,))
        other.start()
        other.join()
    assert loans
    assert served.threads["/models/1"] == {LOOP}


@pytest.mark.usefixtures("borrowing")
@needs_borrowing
def test_a_call_while_it_is_borrowed(chat: Client, served: Served) -> None:
    """The borrower gives it back, though what it waits for has not come, and waits as others do."""
    others: list[threading.Thread] = []
    has_come = asyncio.Event()
    listing = served.listing

    def ask() -> None:
        chat.models.get(1)
        chat._bridge.thread(chat.models.get).tell(has_come.set)

    async def waiting(request: Request) -> Any:
        if threading.current_thread().name == MAIN and not others:
            others.append(threading.Thread(target=ask))
            others[0].start()
            await has_come.wait()
        return await Listing.__call__(listing, request)

    served.listing = waiting  # type: ignore[assignment]
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert others
    assert served.threads["/models/1"] == {LOOP}


def test_leaving_ends_a_loan(chat: Client, loans: list[Lending], borrows: bool) -> None:
    """An iteration that is left, and a client that is closed, do not wait for it."""
    for number, _ in enumerate(chat.models.list().pages()):
        if loans and number > 10:
            break
    assert chat.models.get(1).id == 1


def test_it_is_not_lent_to_one_of_two(chat: Client, loans: list[Lending], borrows: bool) -> None:
    """Two consumers need the loop, each while the other one works."""
    pairs = zip(chat.models.list(), chat.models.list(), strict=True)
    assert [(one.id, other.id) for one, other in pairs] == [(i, i) for i in range(1, PAGES * 5 + 1)]


def test_it_is_not_lent_to_who_waited_long(
    chat: Client, loans: list[Lending], borrows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes its time is not to wait besides."""
    monkeypatch.setattr(flow, "LONGEST", 0.0)
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert not loans


@pytest.mark.parametrize("is_shared", [True, False])
def test_what_others_need_is_not_lent(is_shared: bool) -> None:
    """It is handed over at once; where nobody else needs the loop, when that has stopped."""
    loop = asyncio.new_event_loop()
    queue: SimpleQueue[str] = SimpleQueue()
    Lending(loop, lambda: is_shared).hand_over(queue, "item", lend=True)
    loop.close()
    assert queue.empty() is not is_shared


@pytest.mark.parametrize(
    ("busy", "computed", "expected"),
    [(0.004, 0.004, True), (0.012, 0.007, True), (0.004, 0.001, False), (FOREVER, FOREVER, False), (0.0, 0.0, False)],
)
def test_to_whom_it_is_lent(busy: float, computed: float, expected: bool) -> None:
    """To a consumer that computes and is soon done: beside one that waits, for a disk or so, it can fetch."""
    assert keeps_interpreter(busy, computed) is expected


def test_a_loan_has_an_end(chat: Client, loans: list[Lending], monkeypatch: pytest.MonkeyPatch) -> None:
    """Should nobody come back."""
    rows = iter(chat.models.list())
    monkeypatch.setattr(lending, "LONGEST", 0.001)
    while not loans:
        next(rows)
    ran = threading.Event()
    loans[0]._loop.call_soon_threadsafe(ran.set)
    assert ran.wait(FOREVER)


@pytest.mark.usefixtures("borrowing")
@needs_borrowing
def test_a_borrower_runs_it_for_a_while(
    chat: Client, served: Served, loans: list[Lending], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes longer comes from the loop's own thread."""
    monkeypatch.setattr(lending, "LONGEST", 0.001)
    late: list[str] = []
    listing = served.listing

    async def slow(request: Request) -> Any:
        if threading.current_thread().name == MAIN and not late:
            while threading.current_thread().name == MAIN:  # noqa: ASYNC110 - no event tells who runs it
                await asyncio.sleep(0.001)
            late.append(threading.current_thread().name)
        return await Listing.__call__(listing, request)

    served.listing = slow  # type: ignore[assignment]
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert set(late) == {LOOP}


@pytest.mark.usefixtures("borrowing")
@needs_borrowing
def test_a_borrower_takes_what_is_there(
    chat: Client, served: Served, loans: list[Lending], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for a whole batch where the loop would only wait for the server."""
    monkeypatch.setattr(flow, "LINGER", FOREVER)
    listing, seen, waited = served.listing, [0], [0]

    async def answer(request: Request) -> Any:
        before = int(dict(request.params)["page"]) - 1
        while threading.current_thread().name == MAIN and before > 20 and seen[0] < before - 1:
            waited[0] += 1
            await asyncio.sleep(0)
        return await Listing.__call__(listing, request)

    served.listing = answer  # type: ignore[assignment]
    for page in chat.models.list().pages():
        seen[0] = page.page
    assert seen == [PAGES]
    assert waited[0] > 0


# ---- what a borrower may run


def test_code_of_the_user_stays_in_the_clients_thread(served: Served) -> None:
    """A transport, a hook, a flow or a clock may be bound to its thread, as a connection to SQLite is."""
    with Client(transport=MockTransport(served), per_page=5) as chat:
        assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert served.threads["/models"] == {LOOP}


@needs_borrowing
def test_hooks_stay_in_the_clients_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a view too; without them a client on the network lends its loop."""
    borrowed: list[str] = []
    run_for = Lending._run_for

    def noted(self: Lending, queue: SimpleQueue[Any], first: Callable[[], object]) -> None:
        borrowed.append(threading.current_thread().name)
        run_for(self, queue, first)

    monkeypatch.setattr(Lending, "_run_for", noted)
    threads: set[str] = set()
    with Sandbox(conversations=300, messages_mean=1) as box, Client(box.base_url, token=box.token) as chat:
        view = chat.with_options(hooks=[lambda _event: threads.add(threading.current_thread().name)])
        assert sum(1 for _ in view.conversations.list(per_page=5)) == 300
        assert (threads, borrowed) == ({LOOP}, [])
        assert sum(1 for _ in chat.conversations.list(per_page=5)) == 300
    assert set(borrowed) == {MAIN}


@pytest.mark.usefixtures("borrowing")
def test_a_borrower_cannot_wait_for_itself(chat: Client, served: Served) -> None:
    """A blocking call in what it runs is refused, as it is in the loop's own thread."""
    refused: set[str] = set()

    def call(_number: int) -> None:
        with pytest.raises(ConfigurationError, match="own event loop"):
            chat.models.get(1)
        refused.add(threading.current_thread().name)

    served.at_page = call
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert LOOP in refused


@pytest.mark.asyncio
@pytest.mark.usefixtures("borrowing")
async def test_a_thread_with_a_loop_borrows_none(chat: Client, served: Served) -> None:
    """As in a notebook: a thread can run one at a time."""
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert served.threads["/models"] == {LOOP}


@pytest.mark.usefixtures("borrowing")
def test_a_loop_of_another_library(chat: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as trio, which tells sniffio of it."""
    assert not runs_loop()
    monkeypatch.setitem(sys.modules, "sniffio", SimpleNamespace(thread_local=SimpleNamespace(name="trio")))
    assert runs_loop()


def test_which_loops_move() -> None:
    """Those that are known to be run by one thread after the other."""
    loop = asyncio.new_event_loop()
    assert Places(loop).has_this() is (sys.platform != "win32")
    loop.close()
    assert not Places(cast("asyncio.AbstractEventLoop", SimpleNamespace(run_forever=None))).has_this()


FULL = "[Errno 24] Too many open files"
POOR = """
import os, resource, sys
import uvloop
from asyncchat import Client, ConfigurationError
from asyncchat._sync import flow, lending, places

places.ROOM = int(sys.argv[1])
flow.keeps_interpreter = lambda busy, computed: True
ran, run_for = [], lending.Lending._run_for
lending.Lending._run_for = lambda self, *given: (ran.append(given), run_for(self, *given))[1]

def told(call):
    try:
        print(call())
    except (ConfigurationError, OSError) as exc:
        print(exc)

chat, held, most = Client(), [], resource.getrlimit(resource.RLIMIT_NOFILE)
rows = iter(chat.conversations.list(per_page=5))
seen = 0
while seen < 1_000 or not (places.ROOM or ran):
    next(rows)
    seen += 1
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 8, most[1]))
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
told(lambda: (len(ran), seen + sum(1 for _ in rows)))
resource.setrlimit(resource.RLIMIT_NOFILE, most)
told(lambda: chat.models.list().count())
told(chat.close)
"""


@needs_borrowing
@pytest.mark.parametrize(
    ("room", "told"),
    [
        (10**9, "(0, 2000)\n5\nNone\n"),
        (0, f"{FULL}\nthis client is closed: make a new one, or stay inside `with`\n{FULL}\n"),
    ],
)
def test_few_file_descriptors(room: int, told: str) -> None:
    """Where uvloop is run in the main thread it needs some. Where it gets none nothing hangs, but all is over."""
    with Sandbox(conversations=2_000, messages_mean=1) as box:
        done = run(POOR, str(room), box=box)
    assert (done.stdout, done.stderr) == (told, "")


# ---- signals


class LateError(Exception):
    """What a handler of the program's own raises."""


def late(_number: int, _frame: object) -> None:
    raise LateError


@pytest.fixture(
    params=[
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        pytest.param(("SIGALRM", late, LateError), marks=needs_borrowing),
    ],
    ids=["interrupt", "alarm"],
)
def handled(request: pytest.FixtureRequest) -> Iterator[tuple[int, type[BaseException]]]:
    """A signal, and what its handler raises."""
    number, handler, error = request.param
    number = getattr(signal, number) if isinstance(number, str) else number
    before = signal.signal(number, handler)
    yield number, error
    assert signal.getsignal(number) is handler
    signal.signal(number, before)


@pytest.mark.usefixtures("borrowing")
@needs_borrowing
def test_a_signal_while_it_is_borrowed(chat: Client, served: Served, handled: tuple[int, type[BaseException]]) -> None:
    """What its handler raises comes out of the iteration, and no step of the loop is left half done."""
    number, error = handled
    went_on: list[int] = []

    def send(page: int) -> None:
        if threading.current_thread().name == MAIN and not page % 7:
            os.kill(os.getpid(), number)
            went_on.append(page)

    served.at_page = send
    for _ in range(20):
        with pytest.raises(error):
            list(chat.models.list())
        assert chat.models.get(1).id == 1
    assert len(went_on) >= 20
    served.at_page = lambda _page: None
    assert sum(1 for _ in chat.models.list()) == PAGES * 5


@pytest.mark.usefixtures("borrowing")
@needs_borrowing
def test_a_signal_while_it_is_not(chat: Client, served: Served, handled: tuple[int, type[BaseException]]) -> None:
    """It comes out of the wait."""
    number, error = handled

    def send(page: int) -> None:
        if threading.current_thread().name == LOOP and page == 5:
            os.kill(os.getpid(), number)

    served.at_page = send
    with pytest.raises(error):
        list(chat.models.list())
    assert chat.models.get(1).id == 1


def test_holding_back(handled: tuple[int, type[BaseException]]) -> None:
    """A signal is told of at once, and handled at the end."""
    number, error = handled
    told: list[str] = []

    def work() -> None:
        with HeldBack(lambda: told.append("told")):
            signal.raise_signal(number)
            told.append("went on")

    with pytest.raises(error):
        work()
    assert told == ["told", "went on"]


@needs_borrowing
def test_holding_back_several() -> None:
    """None is lost where the handler of another one raises."""
    called: list[str] = []

    def handler(number: int, _frame: object) -> None:
        called.append(signal.Signals(number).name)
        raise LateError

    handlers = {signal.SIGUSR1: handler, signal.SIGTERM: handler, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, own) for number, own in handlers.items()}

    def work() -> None:
        with HeldBack(lambda: None):
            for number in handlers:
                signal.raise_signal(number)

    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            work()
    finally:
        for number, old in before.items():
            signal.signal(number, old)
    assert called == ["SIGUSR1", "SIGTERM"]
    assert isinstance(caught.value.__context__, LateError)


SUBINTERPRETER = """
import sys

CODE = '''
import signal
from asyncchat._sync.interrupts import HeldBack

try:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
except ValueError:
    with HeldBack(print):
        print("refused", flush=True)
'''

if sys.version_info >= (3, 13):
    import _interpreters
    print(_interpreters.exec(_interpreters.create("legacy"), CODE))
else:
    import _xxsubinterpreters
    print(_xxsubinterpreters.run_string(_xxsubinterpreters.create(isolated=False), CODE))
"""


def test_a_subinterpreter_holds_nothing_back() -> None:
    """Under mod_wsgi, for instance, where no handler can be set, and none runs."""
    assert run(SUBINTERPRETER).stdout == "refused\nNone\n"


def test_a_handler_that_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises before it is held back comes out, and nothing stays held back."""
    before = signal.signal(signal.SIGTERM, late)
    set_handler = _signal.signal
    raised: list[int] = []

    def set_one(number: int, handler: object) -> object:
        if number == signal.SIGTERM and not raised:
            raised.append(number)
            raise ValueError("of a handler")
        return set_handler(number, handler)

    monkeypatch.setattr("_signal.signal", set_one)
    try:
        with pytest.raises(ValueError, match="of a handler"), HeldBack(lambda: None):
            pass
        assert signal.getsignal(signal.SIGTERM) is late
        assert not isinstance(signal.getsignal(signal.SIGINT), HeldBack)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_holds_nothing_back() -> None:
    """Its parent's main thread may have been in such a block."""
    code = """
import os, signal
from asyncchat._sync.interrupts import HeldBack

own = lambda *_: None
signal.signal(signal.SIGTERM, own)
with HeldBack(lambda: None):
    child = os.fork()
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if not child:
        os._exit(handlers != (signal.default_int_handler, own))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code).stdout == "0\n"


ANYWHERE = """
import os, random, signal, threading
from asyncchat import Client
from asyncchat._sync import flow, lending

flow.keeps_interpreter = lambda busy, computed: True
moment = random.Random(7)
interrupted, times, ran, run_for = 0, 150, [], lending.Lending._run_for
lending.Lending._run_for = lambda self, *given: (ran.append(given), run_for(self, *given))[1]

def armed(call):
    global interrupted
    timer = threading.Timer(moment.uniform(1e-6, 0.02), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        call()
        timer.cancel()
        timer.join()
    except KeyboardInterrupt:
        interrupted += 1

with Client() as chat:
    for _ in range(times):
        try:
            armed(lambda: list(chat.conversations.list(per_page=7)))
        except KeyboardInterrupt:  # after all
            interrupted += 1
        assert chat.models.list().count() == 5
print("interrupted" if interrupted > times / 10 and ran else (interrupted, ran))
"""


@needs_borrowing
def test_an_interrupt_anywhere_near_a_loan() -> None:
    """Wherever it hits, nothing hangs and the client goes on; Python swallows it in callbacks of weak references."""
    with Sandbox(conversations=200, messages_mean=1) as box:
        assert run(ANYWHERE, box=box).stdout == "interrupted\n"
