"""The patient reader: takes every lenient form, and names the path of what is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from asyncchat._types import UNSET
from asyncchat._wire.response import Response, decode_error
from asyncchat._wire.timestamps import format_timestamp, parse_timestamp
from asyncchat.models import Record

_PROBLEMS_SHOWN: Final = 3

# Fields that the reference requires and servers send as null or leave out.
_LENIENT: Final[Mapping[str, Callable[[], Any]]] = {
    "recent_messages": list,
    "most_recent_message": lambda: None,
}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _integer(value: object, kind: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, got {_kind(value)}")
    (bounds,) = get_args(kind)[1:]
    if not bounds.ge <= value <= bounds.le:
        raise ValueError(f"expected a whole number from {bounds.ge} to {bounds.le}")
    return value


def _text(value: object, _type: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {_kind(value)}")
    return value


def _instant(value: object, _type: object) -> datetime:
    return parse_timestamp(_text(value, str))


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def _list_factory(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    plain = list_structure_factory(kind, converter)

    def structure(value: object, kind: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {_kind(value)}")
        return cast("list[Any]", plain(value, kind))

    return structure


def _record_factory(kind: Any, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    plain = make_dict_structure_fn(kind, converter)
    lenient = {name: make for name, make in _LENIENT.items() if name in field_names(get_origin(kind) or kind)}

    def structure(value: object, kind: Any) -> Record:
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, got {_kind(value)}")
        filled = {name: make() for name, make in lenient.items() if value.get(name) is None}
        return cast("Record", plain({**value, **filled} if filled else value, kind))

    return structure


def _is_record(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Record)


def _dump_factory(kind: Any, converter: cattrs.Converter) -> Callable[[Record], dict[str, Any]]:
    plain = make_dict_unstructure_fn(kind, converter)

    def unstructure(record: Record) -> dict[str, Any]:
        both = {**plain(record), **getattr(record, "_residue", {})}
        return {name: item for name, item in both.items() if item is not UNSET}

    return unstructure


def _is_annotated(base: type) -> Callable[[Any], bool]:
    return lambda kind: getattr(kind, "__origin__", None) is base and hasattr(kind, "__metadata__")


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(datetime, _instant)
    converter.register_structure_hook_func(_is_annotated(int), _integer)
    converter.register_structure_hook_factory(_is_list, _list_factory)
    converter.register_structure_hook_factory(_is_record, _record_factory)
    converter.register_unstructure_hook(datetime, format_timestamp)
    converter.register_unstructure_hook_factory(_is_record, _dump_factory)
    return converter


def _problems(error: Exception) -> list[tuple[str, str]]:
    """The paths of what is wrong, each with its reason."""
    told = cattrs.transform_error(error, format_exception=lambda exc, _type: _reason(exc))
    pairs = (line.rpartition(" @ ") for line in told)
    return [(path, reason) for reason, _, path in pairs]


def _reason(error: BaseException) -> str:
    return "is missing" if isinstance(error, KeyError) else str(error)


class ShapeError(Exception):
    """A value is not in the agreed shape.

    Attributes:
        paths: Every place that is wrong.
        shown: The first of them, each with what is wrong.
    """

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.paths = tuple(path for path, _ in problems)
        shown = "; ".join(f"{path} {reason}" for path, reason in problems[:_PROBLEMS_SHOWN])
        more = f" and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        self.shown = shown + more
        super().__init__(self.shown)


def to_record(value: Any, kind: Any) -> Any:
    """Make a record of that kind of a JSON value.

    Raises:
        ShapeError: It is none.
    """
    try:
        record = _converter().structure(value, kind)
    except (cattrs.BaseValidationError, TypeError, ValueError) as exc:
        problems = _problems(exc)
    else:
        keep_residue(record, value)
        return record
    raise ShapeError(problems)  # out of the handler: its exception, which holds the value, is not the context


def read_patiently(response: Response, kind: Any) -> Any:
    """Read an answer as a record of that kind.

    Raises:
        DecodeError: It is none; `.paths` names every place.
    """
    value = response.json()
    try:
        return to_record(value, kind)
    except ShapeError as exc:
        paths, shown = exc.paths, exc.shown
    message = f"the answer is not in the agreed shape: {shown}. Check that base_url is the API's"
    raise decode_error(response, message, paths=paths)


@functools.cache
def field_names(kind: type[Any]) -> tuple[str, ...]:
    """The names that a kind of record has on the wire."""
    return tuple(attrs.fields_dict(kind))


def keep_residue(record: Record, value: Mapping[str, Any]) -> None:
    """Put aside, in a record and all below it, what was sent beyond the fields or left out of them."""
    kind: Any = type(record)
    names = field_names(kind)
    residue = {name: item for name, item in value.items() if name not in names}
    for name in names:
        field, sent = getattr(record, name), value.get(name, UNSET)
        if sent is UNSET or (sent is None and field is not None):
            residue[name] = sent
        elif isinstance(field, Record):
            keep_residue(field, cast("Mapping[str, Any]", sent))
        elif isinstance(field, list):
            for child, item in zip(field, cast("list[Any]", sent), strict=True):
                keep_residue(child, item)
    if residue:
        object.__setattr__(record, "_residue", residue)


def dump(record: Record) -> dict[str, Any]:
    """A record as JSON values, as it was sent: unknown fields, nulls and missing fields included.

    Only the spelling of an instant may differ: it is always the API's own.
    """
    return cast("dict[str, Any]", _converter().unstructure(record))
