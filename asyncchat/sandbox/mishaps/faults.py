"""Faults: what shall go wrong and for which requests, as frozen values."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec
from attrs import field, fields_dict, frozen, validators

from asyncchat.sandbox.mishaps.kinds import SIZES, Encoding, Form, Kind
from asyncchat.sandbox.mishaps.odd import IDS, STAMPS, TEXTS
from asyncchat.sandbox.serving.encodings import check_library

_FORMS: Final = {"stamps": STAMPS, "texts": TEXTS, "ids": IDS}
_count = validators.optional(validators.ge(1))


@frozen
class Fault:
    """One thing that goes wrong, for the requests that it matches.

    `Fault("status", status=502, path="/conversations", page=2, nth=3)`: the third request for page 2 of the
    conversations is answered with a 502.

    Which requests: those of `path` and `page`; of these, from the `nth` on, `times` of them; of these, each with
    `probability`. Of several faults that strike the same request, the first one counts.

    What goes wrong, by kind:
        status: `status` (500 if not given) with a body in the given `form`, and `retry_after` if given.
        redirect, redirect-loop: a `status` (302) to `location`, on another origin by default, or to itself.
        reset, reset-inside: the connection is reset before the answer, or in the middle of its body.
        truncated: the connection is closed in the middle of the body.
        content-length: a length that is larger than the body; then the connection is closed.
        bad-chunk: a chunked body whose second chunk has a size that is none.
        silence: no answer, for as long as the caller holds the connection.
        slow: one byte of the body every `seconds`.
        cookies, huge-header, many-headers, trailers: `size` cookies, bytes, headers or trailers.
        bomb: a valid page that is small in its `encoding` and `size` bytes when it is inflated.
        nested-encoding: the answer is compressed twice.
        utf-16, latin-1, bom: the answer in that encoding, or UTF-8 after a byte-order mark.
        body: `value` as the body of a 200, whatever it is: `{}`, `[]`, `null`, `{"data": null}`.
        html, empty, invalid-json: a 200 with a login page, with nothing, with something that is no JSON.
        deep: a 200 with `size` nested arrays.
        envelope: the member `name` of the page is `value`, any JSON or what is none (`NaN`); "": it is missing.
        row: the member `name` of every row is `value`, likewise.
        stamps, texts, ids: times, texts or ids in odd forms: the one called `value`, or all of them in turn.
        nulls, missing: the members that need not be there are null, or are not there.
        extra: unknown members in every object.
        repeated-row: the first row of the page once more, in place of the last.
        foreign-row: the first row is from 1999, whatever was asked.
        unfiltered: `since` and `until` are ignored.
        same-page: the rows of page 1, whatever page was asked.
        empty-page: no rows, although the totals say otherwise.

    Args:
        kind: What goes wrong.
        path: A template of the contract such as `/models/{model_id}`, or a path such as `/models/7`; "": any.
        page: The page that is asked for; None: any.
        nth: The first request that is struck, counted from 1 among those that match; None: the first one.
        times: How many are struck; None: one if `nth` is given, otherwise all.
        probability: The chance that such a request is struck; the same seed gives the same outcome.
        status: For "status" and "redirect".
        form: For "status": a JSON body, an HTML page, no body at all, or the answer that would have been given.
        retry_after: For "status": the header, as it shall stand there; "": none.
        location: For "redirect".
        seconds: For "slow".
        encoding: For "bomb" and "nested-encoding".
        size: For the kinds that have one; None: a size that hurts.
        name: For "envelope" and "row".
        value: For "body", "envelope", "row", "stamps", "texts" and "ids".

    Raises:
        ValueError: If a value makes no sense.
    """

    kind: Kind = field(validator=validators.in_(get_args(Kind)))
    path: str = field(default="", kw_only=True)
    page: int | None = field(default=None, kw_only=True)
    nth: int | None = field(default=None, kw_only=True, validator=_count)
    times: int | None = field(default=None, kw_only=True, validator=_count)
    probability: float = field(default=1.0, kw_only=True, validator=[validators.ge(0.0), validators.le(1.0)])
    status: int | None = field(
        default=None, kw_only=True, validator=validators.optional([validators.ge(200), validators.le(599)])
    )
    form: Form = field(default="json", kw_only=True, validator=validators.in_(get_args(Form)))
    retry_after: str = field(default="", kw_only=True)
    location: str = field(default="http://elsewhere.invalid/", kw_only=True)
    seconds: float = field(default=1.0, kw_only=True, validator=validators.ge(0.0))
    encoding: Encoding = field(default="gzip", kw_only=True, validator=validators.in_(get_args(Encoding)))
    size: int | None = field(default=None, kw_only=True, validator=_count)
    name: str = field(default="", kw_only=True)
    value: str = field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        forms = _FORMS.get(self.kind)
        if forms is not None and self.value and self.value not in forms:
            raise ValueError(f"there are no {self.kind} called {self.value!r}: there are {', '.join(forms)}")
        if self.kind in {"envelope", "row"} and not self.name:
            raise ValueError(f"a fault of the kind {self.kind!r} needs the name of a member")
        if self.path and (not self.path.startswith("/") or self.path.startswith("/v1/")):
            raise ValueError(f"the path is {self.path!r}: write it as in the contract, such as /conversations")
        if self.kind == "bomb":
            check_library(self.encoding)
        if any("\r" in text or "\n" in text for text in (self.retry_after, self.location)):
            raise ValueError("a header cannot hold the end of a line")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read a fault from one line, such as `status,status=502,path=/conversations,page=2,nth=3`.

        A value holds no comma, but `value` goes on to the end of the line.

        Raises:
            ValueError: If it is none.
        """
        head, mark, value = text.partition(",value=")
        kind, *pairs = head.split(",")
        split = (pair.partition("=") for pair in pairs)
        given = {name: told for name, _, told in split} | ({"value": value} if mark else {})
        if unknown := given.keys() - (fields_dict(cls).keys() - {"kind"}):
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        return _convert({"kind": kind, **given}, strict=False)

    def strikes(self, seen: int) -> bool:
        """Whether it is the turn of a request.

        Args:
            seen: Its number among those that match, from 1.
        """
        first = self.nth or 1
        times = self.times or (1 if self.nth else None)
        return first <= seen and (times is None or seen < first + times)

    @property
    def extent(self) -> int:
        """The size, or the usual one of this kind."""
        return self.size or SIZES.get(self.kind, 0)


def read_faults(document: bytes) -> list[Fault]:
    """Read one fault, or a list of faults, from JSON.

    Raises:
        ValueError: If there is anything else; the message says what.
    """
    try:
        read: Any = msgspec.json.decode(document)
    except msgspec.DecodeError as error:
        raise ValueError(f"the body must be JSON: {error}") from error
    return [_convert(item, strict=True) for item in (read if isinstance(read, list) else [read])]


def _convert(item: object, *, strict: bool) -> Fault:
    if isinstance(item, dict) and (unknown := item.keys() - fields_dict(Fault).keys()):
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    try:
        return msgspec.convert(item, Fault, strict=strict)
    except msgspec.ValidationError as error:
        raise ValueError(f"this is no fault: {error}") from error
