"""JSON as strange servers spell it: any whitespace, order of names and escapes; and pages to spell so."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
from hypothesis import strategies as st

from asyncchat import models as shapes

if TYPE_CHECKING:
    from random import Random

_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\r": "\\r"}
_BARE = 0x20
_SURROGATES = range(0xD800, 0xE000)
_ASTRAL = 0x10000


def spelled(value: Any, rnd: Random) -> str:
    """A value as JSON, in one of its many spellings."""
    if isinstance(value, dict):
        items = [f"{_gap(rnd)}{spelled(k, rnd)}{_gap(rnd)}:{spelled(v, rnd)}" for k, v in value.items()]
        rnd.shuffle(items)
        text = "{" + (",".join(items) or _gap(rnd)) + "}"
    elif isinstance(value, list):
        text = "[" + (",".join(spelled(item, rnd) for item in value) or _gap(rnd)) + "]"
    elif isinstance(value, str):
        text = '"' + "".join(_letter(char, rnd) for char in value) + '"'
    else:
        text = json.dumps(value)
    return _gap(rnd) + text + _gap(rnd)


def _gap(rnd: Random) -> str:
    return rnd.choice(["", "", "", " ", "\n", "\t", "\r\n"])


def _letter(char: str, rnd: Random) -> str:
    code = ord(char)
    style = rnd.randrange(8)
    if code in _SURROGATES or style == 0:
        return _escape(code, rnd)
    if char in _SHORT and (style < 5 or char in '"\\'):
        return _SHORT[char]
    return _escape(code, rnd) if code < _BARE else char


def _escape(code: int, rnd: Random) -> str:
    halves = [code]
    if code >= _ASTRAL:
        halves = [0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF)]
    return "".join(f"\\u{half:04{rnd.choice('xX')}}" for half in halves)


def canonical(value: Any) -> str:
    """A text that two JSON values share only if they are the same."""
    return json.dumps(value, sort_keys=True)


def _lone_surrogates_meet(text: str) -> bool:
    return any("\ud800" <= a < "\udc00" <= b < "\ue000" for a, b in pairwise(text))


# All characters, surrogates too; two that would become one character when they are spelled are left out.
texts = st.text(st.one_of(st.sampled_from('"\\/u0022\x00\n\ud800\udfff😀é@'), st.characters()), max_size=12).filter(
    lambda text: not _lone_surrogates_meet(text)
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
ids = st.integers(-(2**63), 2**63 - 1)
counts = st.integers(0, 2**63 - 1)
stamps = st.builds(
    "{:%Y-%m-%dT%H:%M:%S}{}".format,
    st.datetimes(min_value=datetime(1000, 1, 1)),  # noqa: DTZ001 - the offset is added as text
    st.sampled_from(["+0700", "+0000", "-0330", "+1400"]),
)
KINDS = [getattr(shapes, name) for name in shapes.__all__]
KNOWN = frozenset(field.name for kind in KINDS if attrs.has(kind) for field in attrs.fields(kind))
unknown = st.dictionaries(texts.filter(lambda name: name not in KNOWN), json_values, max_size=2)


@st.composite
def _object(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]], absent: tuple[str, ...] = ()) -> Any:
    value = draw(st.fixed_dictionaries(fields))
    for name in absent:
        how = draw(st.sampled_from(["there", "there", "null", "missing"]))
        if how == "null":
            value[name] = None
        elif how == "missing":
            del value[name]
    return value | draw(unknown)


models = _object({"id": ids, "name": texts, "created_at": stamps})
messages = _object({"id": ids, "seq": texts, "sender": texts, "message": texts, "created_at": stamps})
conversations = _object(
    {
        "id": ids,
        "model_id": ids,
        "model_name": texts,
        "created_at": stamps,
        "updated_at": stamps,
        "most_recent_message": messages,
        "recent_messages": st.lists(messages, max_size=3),
        "platform": texts,
        "platform_user_id": texts,
    },
    ("recent_messages", "most_recent_message"),
)


def pages(rows: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    numbers = dict.fromkeys(("page", "rows_per_page", "total_pages", "total_rows"), counts)
    return _object({"data": st.lists(rows, max_size=3), **numbers})
