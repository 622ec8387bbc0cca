"""Who may import whom, read from the syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import asyncchat

ROOT = Path(asyncchat.__file__).parent
FACADE = "asyncchat"
LAYERS: list[set[str]] = [
    {"errors", "_types"},
    {"models", "_events", "_codec", "_wire", "_policy"},
    {"_transport", "testing"},
    {"_window", "_turns", "_paging", "_resources", "_profile", "_config", "_client"},
    {"webhooks", "export", "sandbox"},
    {"_sync", "blocking", "cli", "integrations", "__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
FEATURES = LAYERS[4]
OUTSIDE = {"export", "cli", "integrations"}
"""Parts that use public names only."""
PUBLIC_MODULES = {"asyncchat", "asyncchat.errors", "asyncchat.models"}
EXTRAS = ["click", "rich", "platformdirs", "uvloop", "pyarrow", "duckdb", "psycopg", "dask", "dlt", "opentelemetry"]


@attrs.frozen
class Import:
    """One name that a module imports."""

    module: str
    target: str
    name: str | None

    @property
    def part(self) -> str:
        """The package's part that it is imported into, such as `_wire`."""
        return part_of(self.module)


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def module_name(file: Path) -> str:
    names = ["asyncchat", *file.relative_to(ROOT).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imports_in(file: Path, text: str) -> Iterator[Import]:
    """Every import in a module, wherever it stands, under TYPE_CHECKING too."""
    module = module_name(file)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            target = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:
                yield Import(module, target, alias.name)


FILES = sorted(ROOT.rglob("*.py"))
IMPORTS = [found for file in FILES for found in imports_in(file, file.read_text("utf-8"))]


def wrong_direction(found: Import) -> bool:
    """Whether an import goes up, or from one feature to another."""
    for target in targets(found):
        to = part_of(target)
        if target == FACADE:
            continue
        if LEVEL[to] > LEVEL[found.part] or (to != found.part and {to, found.part} <= FEATURES):
            return True
    return False


def targets(found: Import) -> list[str]:
    """The modules of this package that an import names; `from asyncchat import errors` names a module."""
    if found.target.split(".")[0] != FACADE:
        return []
    if found.target == FACADE and found.name in LEVEL:
        return [f"{FACADE}.{found.name}"]
    return [found.target]


def private(found: Import) -> bool:
    """Whether an import reaches behind the public names of the client."""
    allowed = PUBLIC_MODULES | {"asyncchat._types"}
    if found.part in {"cli", "integrations"}:
        allowed = allowed | {
            "asyncchat.sandbox",
            "asyncchat.export",
            "asyncchat.webhooks",
            "asyncchat.webhooks.aiohttp",
            "asyncchat.webhooks.forward",
        }
    inside = f"{FACADE}.{found.part}"
    return any(
        target not in allowed and target != inside and not target.startswith(inside + ".") for target in targets(found)
    ) or (found.target == FACADE and (found.name or "").startswith("_") and found.name not in {"__version__", "_types"})


def test_every_module_has_a_layer() -> None:
    """No module stands outside the map."""
    assert {part_of(module_name(file)) for file in FILES} - {""} <= set(LEVEL)


def test_imports_go_down() -> None:
    """A module imports from its own layer or a lower one, and no feature imports another."""
    assert [found for found in IMPORTS if found.part and wrong_direction(found)] == []


def test_the_facade_is_read_only_from_above() -> None:
    """Below the features nothing imports from the facade, but for the version in the transport."""
    found = {
        found.module
        for found in IMPORTS
        if found.part and FACADE in targets(found) and LEVEL[found.part] < LEVEL["export"]
    }
    assert found <= {"asyncchat._transport.aiohttp"}
    text = (ROOT / "_transport/aiohttp.py").read_text("utf-8")
    uses = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)]
    read = {node.attr for node in uses if isinstance(node.value, ast.Name) and node.value.id == FACADE}
    assert read == {"__version__"}


def test_features_and_shells_use_public_names() -> None:
    """The export, the command line and integrations see of the client what a user sees."""
    assert [found for found in IMPORTS if found.part in OUTSIDE and private(found)] == []


def test_the_sandbox_shares_nothing_with_the_client() -> None:
    """The sandbox imports `_types` and itself: a wrong field name cannot come back right from it."""
    outside = {
        target
        for found in IMPORTS
        if found.part == "sandbox"
        for target in targets(found)
        if not target.startswith("asyncchat.sandbox")
    }
    assert outside <= {"asyncchat._types"}


def users_of(dotted: str) -> set[str]:
    """The modules that name something, as an attribute or by importing it."""
    package, _, name = dotted.rpartition(".")
    users = {
        found.module
        for found in IMPORTS
        if (found.target == package and found.name == name) or f"{found.target}.".startswith(dotted + ".")
    }
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == dotted:
                users.add(module_name(file))
    return users


def test_one_module_opens_sessions() -> None:
    """`ClientSession` stands in the aiohttp transport alone."""
    assert users_of("aiohttp.ClientSession") == {"asyncchat._transport.aiohttp"}


def test_servers_stand_where_they_belong() -> None:
    """`aiohttp.web` is used by the sandbox and the webhook receiver's adapter alone."""
    users = users_of("aiohttp.web")
    assert users
    assert {user for user in users if not user.startswith("asyncchat.sandbox")} <= {"asyncchat.webhooks.aiohttp"}


@pytest.mark.parametrize(
    "statement", ["import asyncchat", "from asyncchat import AsyncClient, Client", "import asyncchat.sandbox"]
)
def test_no_extra_is_loaded(statement: str) -> None:
    """Importing the package or its clients loads no extra."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "asyncchat" in loaded
    assert loaded & set(EXTRAS) == set()


def test_importing_the_package_alone_loads_no_client() -> None:
    """`import asyncchat` costs next to nothing: names are loaded when they are used."""
    code = "import sys, asyncchat\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert {"aiohttp", "cattrs", "msgspec", "anyio"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("file", "text", "broken"),
    [
        ("_wire/request.py", "from asyncchat._transport.base import Transport", True),
        ("_wire/request.py", "if TYPE_CHECKING:\n    from asyncchat._client import AsyncClient", True),
        ("_wire/request.py", "def late():\n    from asyncchat import _client", True),
        ("_wire/request.py", "from .._paging import AsyncPager", True),
        ("export/engine.py", "from asyncchat.sandbox import Sandbox", True),
        ("sandbox/server.py", "import asyncchat.export", True),
        ("_transport/pipeline.py", "from asyncchat._wire.request import Request", False),
        ("export/engine.py", "from asyncchat import AsyncClient", False),
        ("_sync/client.py", "from asyncchat._client import AsyncClient", False),
    ],
)
def test_what_the_direction_check_finds(file: str, text: str, broken: bool) -> None:
    """The check itself finds an import that goes up, in whatever form it is written."""
    assert any(wrong_direction(found) for found in imports_in(ROOT / file, text)) == broken


@pytest.mark.parametrize(
    ("file", "text", "broken"),
    [
        ("export/engine.py", "from asyncchat._client import AsyncClient", True),
        ("export/engine.py", "from asyncchat import _codec", True),
        ("export/engine.py", "import asyncchat._wire.timestamps", True),
        ("cli/app.py", "from asyncchat._config import is_loopback", True),
        ("cli/app.py", "from asyncchat.sandbox import Sandbox", False),
        ("cli/app.py", "from asyncchat.cli.render import table", False),
        ("export/engine.py", "from asyncchat._types import JSON", False),
        ("export/engine.py", "from asyncchat.models import Model", False),
    ],
)
def test_what_the_privacy_check_finds(file: str, text: str, broken: bool) -> None:
    """The check itself finds a private name, in whatever form it is imported."""
    assert any(private(found) for found in imports_in(ROOT / file, text)) == broken
