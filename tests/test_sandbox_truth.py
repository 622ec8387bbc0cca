"""The rows: made from a seed, and told by the truth endpoint."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import pytest
from contract_shapes import ask, check_conversation, check_message, check_model

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.data.calendar import FIRST
from asyncchat.sandbox.data.generate import Plan, conversation_chunks, model_rows
from asyncchat.sandbox.data.ulid import ulid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncchat.sandbox.data.generate import ConversationTuple, MessageTuple

Kind = Literal["models", "conversations", "messages"]
KINDS: tuple[Kind, ...] = ("models", "conversations", "messages")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=5, conversations=400) as running:
        yield running


def generated(**sizes: Any) -> tuple[list[ConversationTuple], list[MessageTuple]]:
    plan = Plan(**sizes)
    conversations: list[ConversationTuple] = []
    messages: list[MessageTuple] = []
    for chunk in conversation_chunks(plan, model_rows(plan)):
        for conversation, said in chunk:
            conversations.append(conversation)
            messages += said
    return conversations, messages


async def digests(**sizes: Any) -> dict[str, str]:
    with Sandbox(**sizes) as box:
        sha256: dict[str, str] = (await ask(box, "/_sandbox/truth", origin=box.origin)).body["sha256"]
        return sha256


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_the_endpoint_and_the_method_agree(box: Sandbox, kind: Kind) -> None:
    """`truth()` gives the rows that the endpoint streams, in the order of ids and without a token."""
    reply = await ask(box, f"/_sandbox/truth/{kind}", origin=box.origin, headers={})
    streamed = [json.loads(line) for line in reply.text.splitlines() if line]
    assert streamed == list(box.truth(kind))
    assert [row["id"] for row in streamed] == sorted({row["id"] for row in streamed})


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", KINDS)
async def test_the_summary_describes_the_streams(box: Sandbox, kind: Kind) -> None:
    """The summary has the count and the sha256 of the streamed lines."""
    summary = (await ask(box, "/_sandbox/truth", origin=box.origin)).body
    lines = (await ask(box, f"/_sandbox/truth/{kind}", origin=box.origin)).text
    assert summary["seed"] == 5
    assert summary["counts"][kind] == lines.count("\n")
    assert summary["sha256"][kind] == hashlib.sha256(lines.encode()).hexdigest()


def test_truth_has_the_contracts_shape(box: Sandbox) -> None:
    """The truth's rows are the API's rows; a message has its conversation_id besides."""
    for model in box.truth("models"):
        check_model(model)
    for conversation in box.truth("conversations"):
        check_conversation(conversation)
    for message in box.truth("messages"):
        assert isinstance(message.pop("conversation_id"), int)
        check_message(message)


def test_an_unknown_kind(box: Sandbox) -> None:
    """Asking for a kind of row that there is not is an error that names the kinds."""
    with pytest.raises(ValueError, match="models, conversations, messages"):
        next(box.truth("users"))  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two sandboxes of one seed and size are equal to the byte."""
    assert await digests(seed=11, conversations=50) == await digests(seed=11, conversations=50)


@pytest.mark.asyncio
async def test_the_bytes_do_not_change_between_versions() -> None:
    """The rows of the smallest seed are pinned, whatever the Python version, the machine or the day."""
    pinned = {
        "models": "5cb947f46c67dcfeedb3ac2f3abec195188628a0490c3eb7688e37ef2d3cf2e7",
        "conversations": "c3ea70a190b538daa79d7281db1cd0751e46154f63288383cbc28ff65e4e0374",
        "messages": "052a25bc68bf1ccaf674ace3e239d34de82205226331085bc5f5dc5cf62d785f",
    }
    assert await digests(seed=1, conversations=200) == pinned


@pytest.mark.asyncio
async def test_another_seed_gives_other_rows() -> None:
    """Another seed changes every kind of row."""
    one, other = await digests(seed=1, conversations=50), await digests(seed=2, conversations=50)
    assert all(one[kind] != other[kind] for kind in KINDS)


@pytest.mark.asyncio
async def test_a_file_is_taken_again(tmp_path: Path) -> None:
    """A database file gives the rows that memory gives, when it is made and when it is opened again."""
    file = str(tmp_path / "box.sqlite")
    memory = await digests(conversations=30)
    assert await digests(conversations=30, database=file) == memory
    assert await digests(conversations=30, database=file) == memory


def test_a_file_of_another_seed_is_refused(tmp_path: Path) -> None:
    """A database file with other rows is not mixed up and not overwritten."""
    file = str(tmp_path / "box.sqlite")
    with Sandbox(conversations=30, database=file):
        pass
    with pytest.raises(ValueError, match="other than this seed"):
        Sandbox(conversations=30, seed=2, database=file).start()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file that SQLite cannot read is an error that names it."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, " * 100)
    with pytest.raises(ValueError, match=r"notes\.txt cannot hold a sandbox"):
        Sandbox(conversations=3, database=str(file)).start()


def test_the_mean_is_met() -> None:
    """The number of messages in a conversation is the asked mean, within a tenth."""
    conversations, messages = generated(conversations=4_000, messages_mean=12.0)
    assert 0.9 < len(messages) / len(conversations) / 12 < 1.1


@pytest.mark.parametrize("mean", [0, 0.5, 1, 1.2])
def test_small_means(mean: float) -> None:
    """Means of about one message and of none are met too, within a tenth of a message."""
    conversations, messages = generated(conversations=4_000, messages_mean=mean)
    assert abs(len(messages) / len(conversations) - mean) < 0.1


def test_conversations_differ_in_length() -> None:
    """Some conversations are empty, most are short, a few are very long."""
    conversations, messages = generated(conversations=4_000)
    counts = {row[0]: 0 for row in conversations}
    for message in messages:
        counts[message[1]] += 1
    ordered = sorted(counts.values())
    assert (ordered[0], ordered[2_000] < 8, ordered[-1] > 500) == (0, True, True)


def test_seconds_are_shared() -> None:
    """Many conversations start in one second, as after an import."""
    conversations, _ = generated(conversations=4_000)
    starts = [row[2] for row in conversations]
    assert max(starts.count(second) for second in set(starts)) > 20


def test_a_year_is_quiet() -> None:
    """One year has hardly a conversation, the year before or after it has many."""
    conversations, _ = generated(conversations=4_000, messages_mean=0)
    years = Counter((row[2] - FIRST) // (365 * 86_400) for row in conversations)
    assert min(years[year] for year in range(4)) * 10 < max(years.values())


def test_days_are_busy() -> None:
    """Some days have many times the conversations of a usual one."""
    conversations, _ = generated(conversations=4_000, messages_mean=0)
    days = sorted(Counter((row[2] - FIRST) // 86_400 for row in conversations).values())
    assert days[-1] > 8 * days[len(days) // 2]


def test_conversations_end_with_their_last_message() -> None:
    """updated_at is the time of the last message, or created_at if there is none."""
    conversations, messages = generated(conversations=500)
    last: dict[int, int] = {}
    for message in messages:
        last[message[1]] = max(message[5], last.get(message[1], 0))
    assert all(row[3] == last.get(row[0], row[2]) >= row[2] for row in conversations)


def test_message_ids_need_64_bits() -> None:
    """Message ids pass 2**53 and stay below 2**63, so that a reader that uses floats is found out."""
    _, messages = generated(conversations=500)
    assert 2**53 < max(row[0] for row in messages) < 2**63


def test_models_differ_and_so_do_platforms(box: Sandbox) -> None:
    """There are several models, platforms and alphabets."""
    rows: list[dict[str, Any]] = list(box.truth("conversations"))
    texts = "".join(str(row["message"]) for row in box.truth("messages"))
    assert len({row["model_id"] for row in rows}) == 5
    assert len({row["platform"] for row in rows}) >= 5
    assert all(sign in texts for sign in ("ö", "ñ", "の", "ع", "ค", "न", "👋"))


def test_a_ulid_holds_its_time() -> None:
    """A ULID's first ten characters are its milliseconds, the rest its random bits (the spec's example time)."""
    assert ulid(1_469_918_176_385, 0) == "01ARYZ6S41" + "0" * 16
    assert ulid(0, 2**80 - 1) == "0" * 10 + "Z" * 16


@pytest.mark.parametrize(
    "sizes", [{"models": -1}, {"conversations": -1}, {"messages_mean": -1.0}, {"models": 0, "conversations": 1}]
)
def test_sizes_that_make_no_sense(sizes: dict[str, Any]) -> None:
    """Negative sizes, and conversations without a model, are refused before anything starts."""
    with pytest.raises(ValueError, match=r">=|at least one model"):
        Sandbox(**sizes)


def test_an_empty_account() -> None:
    """An account without anything is served like any other."""
    with Sandbox(models=0, conversations=0) as box:
        assert list(box.truth("models")) == []
