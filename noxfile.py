"""Every check of the project: `nox` runs them all, `nox -s lint` one of them."""

from __future__ import annotations

from typing import Any

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.stop_on_first_error = False

PROJECT: dict[str, Any] = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
LIGHT = ["-m", "not large and not heavy"]
"""Leaves out what takes long and is the same on every Python: the newest one runs it."""


def group(name: str) -> list[str]:
    """The requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


def lowest(requirements: list[str]) -> list[str]:
    """Requirements pinned to their lower bounds."""
    return [requirement.split(";")[0].replace(">=", "==").strip() for requirement in requirements]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, and on the oldest Python hold the coverage above its bound: measuring doubles the time."""
    session.install(".[all]", *group("test"))
    light = [] if session.python == PYTHONS[-1] or session.posargs else LIGHT
    if session.python != PYTHONS[0]:
        session.run("pytest", *light, *session.posargs)
        return
    data = {"COVERAGE_FILE": f"{session.create_tmp()}/coverage"}
    session.run("coverage", "run", "-m", "pytest", *light, *session.posargs, env=data)
    session.run("coverage", "combine", "--quiet", env=data)
    if not session.posargs:  # a selection covers less
        session.run("coverage", "report", env=data)


@nox.session(python=PYTHONS[0])
def bounds(session: nox.Session) -> None:
    """Run the tests with the oldest versions that the project says it works with."""
    core: list[str] = PROJECT["project"]["dependencies"]
    extras: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
    optional = [requirement for name in extras.keys() - {"all"} for requirement in extras[name]]
    session.install(".[all]", *lowest([*core, *optional]), *group("test"))
    session.run("pytest", *(session.posargs or LIGHT))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    session.install(".[all]", *group("types"))
    session.run("mypy")
    session.run("pyright")


@nox.session(default=False)
def large(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    session.install(".[all]", *group("test"))
    session.run("pytest", "-m", "large", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure all, or what is named: ratios in one run, no verdict."""
    session.install(".[all]", *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
