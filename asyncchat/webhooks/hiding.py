"""Keeps secrets out of access logs: a secret in the path is part of each line that a server writes of its requests."""

from __future__ import annotations

import logging
from typing import Any, Final

from asyncchat.webhooks.secrets import Secrets

LOGGERS: Final = ("aiohttp.access", "uvicorn.access", "gunicorn.access", "django.request", "django.server")


class Hiding(logging.Filter):
    """A filter that lets every line through, without the secrets in it.

    Args:
        secrets: They.
    """

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def begin(self) -> None:
        """Filter the access logs of the servers that are known. May be called twice."""
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self)

    def end(self) -> None:
        """Filter them no more. May be called twice."""
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the secrets out of a line."""
        record.msg = self._hidden(record.msg)
        if isinstance(record.args, dict):  # gunicorn's own kind, which knows of names that are not in it
            record.args.update({name: self._hidden(value) for name, value in record.args.items()})
        elif record.args:
            record.args = tuple(self._hidden(value) for value in record.args)
        for name, value in vars(record).items():
            if name not in {"msg", "args"} and isinstance(value, str | dict):
                setattr(record, name, self._hidden(value))
        return True

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._secrets.hide(value)
        if isinstance(value, dict):
            return {name: self._hidden(each) for name, each in value.items()}
        return value
