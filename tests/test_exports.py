"""What is exported exists, is sorted, and is the same to a type checker and at run time."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import asyncchat

ROOT = Path(asyncchat.__file__).parent


def modules() -> list[str]:
    names = [".".join(["asyncchat", *file.relative_to(ROOT).with_suffix("").parts]) for file in ROOT.rglob("*.py")]
    return sorted(name.removesuffix(".__init__") for name in names if not name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_what_a_module_exports_exists(name: str) -> None:
    """Every name in a module's `__all__` is there, once, in order: constants, classes, functions."""
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", []))
    assert exported == sorted(set(exported), key=lambda item: (not item.isupper(), not item[0].isupper(), item))
    assert [item for item in exported if not hasattr(module, item)] == []


@pytest.mark.parametrize(
    "name", ["asyncchat", "asyncchat.blocking", "asyncchat.errors", "asyncchat.models", "asyncchat.testing"]
)
def test_public_modules_say_what_they_export(name: str) -> None:
    """A module that users import from has an `__all__`."""
    assert importlib.import_module(name).__all__


def type_checked_imports() -> dict[str, str]:
    """The names that a type checker sees in the package, with their modules."""
    tree = ast.parse((ROOT / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        found |= {alias.name: str(node.module) for alias in node.names}
    return found


def test_the_lazy_table_is_what_a_type_checker_sees() -> None:
    """The table of lazy names equals the imports under TYPE_CHECKING."""
    assert {name: f"asyncchat.{home}" for name, home in asyncchat._HOME_OF.items()} == type_checked_imports()


def test_everything_lazy_is_exported() -> None:
    """`__all__` is the lazy names and the version."""
    assert set(asyncchat.__all__) == {*asyncchat._HOME_OF, "__version__"}


def test_every_error_and_model_is_exported() -> None:
    """What the public modules export, the package does too."""
    for module in (asyncchat.errors, asyncchat.models):
        assert set(module.__all__) <= set(asyncchat.__all__)


def test_dir_shows_names_that_were_not_used_yet() -> None:
    """`dir(asyncchat)` has every exported name."""
    assert set(asyncchat.__all__) <= set(dir(asyncchat))


def test_another_name_is_an_attribute_error() -> None:
    """A name that is not there is an AttributeError."""
    with pytest.raises(AttributeError, match="module 'asyncchat' has no attribute 'nothing'"):
        asyncchat.nothing  # noqa: B018


def test_exported_classes_are_found_by_pickle() -> None:
    """A class is pickled by its own module, and is one object under both names."""
    for name in asyncchat.__all__:
        item = getattr(asyncchat, name)
        if isinstance(item, type):
            assert pickle.loads(pickle.dumps(item)) is item  # noqa: S301 - its own bytes


def test_a_star_import_brings_all() -> None:
    """`from asyncchat import *` works before anything was used."""
    code = "from asyncchat import *\nprint(AsyncClient.__name__, ServerError.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "AsyncClient ServerError\n"
