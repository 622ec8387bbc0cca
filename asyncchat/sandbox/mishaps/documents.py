"""Documents: answers whose bodies are changed by a fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import evolve

from asyncchat.sandbox.mishaps.odd import IDS, STAMPS, TEXTS
from asyncchat.sandbox.mishaps.script import page_of
from asyncchat.sandbox.serving.answers import Answer, refusal

if TYPE_CHECKING:
    from asyncchat.sandbox.mishaps.faults import Fault
    from asyncchat.sandbox.mishaps.kinds import Kind
    from asyncchat.sandbox.serving.answers import Call

HTML: Final[Mapping[str, str]] = MappingProxyType({"Content-Type": "text/html; charset=utf-8"})
_OPTIONAL: Final = ("most_recent_message", "recent_messages")
_FOREIGN: Final = "1999-12-31T23:59:59+0700"
_LITERAL: Final = "\0literal\0"

Reshape: TypeAlias = Callable[["Fault", "Call", Answer], Answer]


def page_of_html(title: str) -> bytes:
    """A small HTML page."""
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def _status(fault: Fault, _: Call, answer: Answer) -> Answer:
    status = fault.status or 500
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.form == "answer":
        return evolve(answer, status=status, headers=dict(answer.headers) | headers)
    if fault.form == "html":
        return Answer(status, page_of_html(f"{status} from the gateway"), {**headers, **HTML})
    return (
        refusal(status, "a fault was asked for", headers=headers)
        if fault.form == "json"
        else Answer(status, b"", headers)
    )


def _given(body: Callable[[Fault], bytes], headers: Mapping[str, str] | None = None) -> Reshape:
    return lambda fault, _, __: Answer(200, body(fault), headers or {})


def _text(change: Callable[[str], bytes], charset: str = "") -> Reshape:
    headers = {"Content-Type": f"application/json; charset={charset}"} if charset else {}
    return lambda _, __, answer: evolve(
        answer, body=change(answer.body.decode()), headers=dict(answer.headers) | headers
    )


def _latin_1(text: str) -> bytes:
    return text.replace("{", '{"caf\u00e9":"\u00e9",', 1).encode("latin-1", "replace")


def _document(change: Callable[[Fault, Call, Any], None]) -> Reshape:
    """Change a successful answer as a document; `_LITERAL` in it becomes the fault's value as it stands."""

    def reshape(fault: Fault, call: Call, answer: Answer) -> Answer:
        if answer.status != 200:  # noqa: PLR2004 - an error has no rows
            return answer
        document = json.loads(answer.body)
        change(fault, call, document)
        text = json.dumps(document, separators=(",", ":")).replace(json.dumps(_LITERAL), fault.value)
        return evolve(answer, body=text.encode())

    return reshape


def rows_of(document: Any) -> list[Any]:
    """The rows of a page, or the one row that the document is."""
    rows: list[Any] = document.get("data", [document])
    return rows


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document, the outermost one first."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(item)


def _put(target: dict[str, Any], fault: Fault) -> None:
    if fault.value:
        target[fault.name] = _LITERAL
    else:
        target.pop(fault.name, None)


def _each_row(fault: Fault, _: Call, document: Any) -> None:
    for row in rows_of(document):
        _put(row, fault)


def _odd(names: tuple[str, ...], forms: Mapping[str, Any], write: Callable[[Any, Any], Any]) -> Reshape:
    def change(fault: Fault, _: Call, document: Any) -> None:
        chosen = [forms[fault.value]] if fault.value else list(forms.values())
        turn = count()
        for item in objects(rows_of(document)):
            for name in names:
                if name in item:
                    item[name] = write(chosen[next(turn) % len(chosen)], item[name])

    return _document(change)


def _nulls(_: Fault, __: Call, document: Any) -> None:
    for row in rows_of(document):
        row.update((name, None) for name in _OPTIONAL if name in row)


def _missing(_: Fault, __: Call, document: Any) -> None:
    for row in rows_of(document):
        for name in _OPTIONAL:
            row.pop(name, None)


def _extra(_: Fault, __: Call, document: Any) -> None:
    for item in list(objects(document)):
        item.update({"new_flag": True, "new_object": {"depth": [1, None, "two"]}, "\u65b0": "\u00fc"})


def _repeated(_: Fault, __: Call, document: Any) -> None:
    rows = rows_of(document)
    rows[-1:] = rows[:1]


def _foreign(_: Fault, __: Call, document: Any) -> None:
    for row in rows_of(document)[:1]:
        row.update((name, _FOREIGN) for name in ("created_at", "updated_at") if name in row)


def _same_page(_: Fault, call: Call, document: Any) -> None:
    if "page" in document:
        document["page"] = page_of(call)


def _empty_page(_: Fault, __: Call, document: Any) -> None:
    if "data" in document:
        document["data"] = []


RESHAPE: Final[Mapping[Kind, Reshape]] = MappingProxyType(
    {
        "status": _status,
        "utf-16": _text(lambda text: text.encode("utf-16"), "utf-16"),
        "latin-1": _text(_latin_1, "iso-8859-1"),
        "bom": _text(lambda text: text.encode("utf-8-sig")),
        "body": _given(lambda fault: fault.value.encode("utf-8", "surrogatepass")),
        "html": _given(lambda _: page_of_html("Please log in"), HTML),
        "empty": _given(lambda _: b""),
        "invalid-json": _given(lambda _: b'{"data":[{"id":1,}],"page":1'),
        "deep": _given(lambda fault: b"[" * fault.extent + b"]" * fault.extent),
        "envelope": _document(lambda fault, _, document: _put(document, fault)),
        "row": _document(_each_row),
        "stamps": _odd(("created_at", "updated_at"), STAMPS, lambda form, stamp: form(stamp)),
        "texts": _odd(("message", "name", "model_name", "platform_user_id"), TEXTS, lambda text, _: text),
        "ids": _odd(("id",), IDS, lambda odd, _: odd),
        "nulls": _document(_nulls),
        "missing": _document(_missing),
        "extra": _document(_extra),
        "repeated-row": _document(_repeated),
        "foreign-row": _document(_foreign),
        "same-page": _document(_same_page),
        "empty-page": _document(_empty_page),
    }
)
"""What a kind of fault makes of the answer, before it is compressed."""

_TIMES: Final = {"since", "until"}
RECALL: Final[Mapping[Kind, Callable[[Call], Call]]] = MappingProxyType(
    {
        "same-page": lambda call: _without(call, {"page"}),
        "unfiltered": lambda call: _without(call, _TIMES),
    }
)
"""What a kind of fault makes of the call, before it is answered."""


def _without(call: Call, names: set[str]) -> Call:
    return evolve(call, query=tuple(pair for pair in call.query if pair[0] not in names))
