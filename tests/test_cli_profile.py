"""`--profile`: commands find their settings in the file of profiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import TOKEN, complaint, go_to, invoke
from export_api import manifest
from profiles import write_profiles

from asyncchat.cli.options import TIMEOUT, Connection
from asyncchat.cli.settings import find_auth, find_base_url, find_token, read_profile
from asyncchat.sandbox import Sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=3, token=TOKEN) as running:
        yield running


def connection(**flags: object) -> Connection:
    """The flags of a command, none of them given but these."""
    nothing = dict.fromkeys(("profile", "base_url", "auth", "token_file", "ca_file"))
    limits = {"allow_http": False, "max_concurrency": None, "max_rate": None, "timeout": None, "sandbox": False}
    return Connection(**{**nothing, **limits, **flags})  # type: ignore[arg-type]


def entry(name: str, box: Sandbox) -> str:
    return f'[{name}]\nbase_url = "{box.base_url}"\ntoken = "{TOKEN}"\n'


@pytest.mark.parametrize(
    ("name", "flags", "variable"),
    [("default", [], None), ("work", ["--profile", "work"], "other"), ("work", [], "work")],
    ids=["default", "flag", "variable"],
)
def test_which_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, flags: list[str], variable: str | None
) -> None:
    """The profile is that of --profile, else of ASYNCCHAT_PROFILE, else `default`."""
    write_profiles(monkeypatch, tmp_path, "[default]\n[work]\n[other]")
    if variable is not None:
        monkeypatch.setenv("ASYNCCHAT_PROFILE", variable)
    profile = read_profile(flags[1] if flags else None)
    assert profile is not None
    assert profile.name == name


def test_a_profile_is_all_that_is_needed(
    box: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile says where the API is, and the token."""
    write_profiles(monkeypatch, tmp_path, entry("work", box))
    done = invoke(capsys, "export", tmp_path / "out", "--no-messages", "--profile", "work")
    assert (done.code, done.err) == (0, "")
    assert manifest(tmp_path / "out")["query"]["source"] == box.base_url


def test_a_profile_that_is_not_there(
    box: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile that does not exist is an error with those that do."""
    file = write_profiles(monkeypatch, tmp_path, entry("a", box) + entry("b", box))
    line = complaint(invoke(capsys, "export", tmp_path / "out", "--profile", "c"), 2)
    assert line == f"{file} has no profile 'c': there are a, b"


def test_a_file_without_a_default_is_passed_over(
    box: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without --profile and a profile `default` the file does not matter."""
    write_profiles(monkeypatch, tmp_path, entry("a", box))
    assert complaint(invoke(capsys, "export", tmp_path / "out"), 2).startswith("no base URL: ")


def test_an_open_file_is_told_once(
    box: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file in which others can read a token is told in one line, and the command goes on."""
    file = write_profiles(monkeypatch, tmp_path, entry("default", box), mode=0o644)
    done = invoke(capsys, "export", tmp_path / "out", "--quiet")
    warning = f"asyncchat: warning: others can read the token in {file}: chmod 600 {file}\n"
    assert (done.code, done.out, done.err) == (0, "", warning)


def test_a_variable_leads_no_token_away(
    box: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile's token does not go to the server that a variable names."""
    write_profiles(monkeypatch, tmp_path, f'[default]\nbase_url = "https://own.example"\ntoken = "{TOKEN}"')
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", box.base_url)
    before = box.stats()["requests"]
    assert "does not go to http://127.0.0.1" in complaint(invoke(capsys, "export", tmp_path / "out"), 2)
    assert box.stats()["requests"] == before


@pytest.mark.parametrize("flag", ["flag", None])
@pytest.mark.parametrize("variable", ["variable", None])
def test_flags_beat_variables_beat_profiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flag: str | None, variable: str | None
) -> None:
    """Address, token and its place come from the flag, then the variable, then the profile, and tell which."""
    text = '[default]\nbase_url = "https://profile"\ntoken = "profile"\nauth = "profile"'
    file = write_profiles(monkeypatch, tmp_path, text)
    if variable:
        go_to(monkeypatch, f"https://{variable}", variable)
        monkeypatch.setenv("ASYNCCHAT_AUTH", variable)
    (tmp_path / "token").write_text("flag")
    profile = read_profile(None)
    wins = flag or variable or "profile"
    whose = f"profile 'default' of {file}"
    sources = {"flag": ("--base-url", "--token-file", "--auth"), "profile": (whose, whose, whose)}
    sources["variable"] = ("ASYNCCHAT_BASE_URL", "ASYNCCHAT_API_TOKEN", "ASYNCCHAT_AUTH")

    base_url = find_base_url(flag and f"https://{flag}", profile)
    token = find_token(flag and str(tmp_path / "token"), profile, "https://profile")
    auth = find_auth(flag, profile)
    assert (base_url.source, token.source, auth.source) == sources[wins]
    secret = getattr(token.value, "reveal", lambda: token.value)()
    assert (base_url.value, secret, auth.value) == (f"https://{wins}", wins, wins)


@pytest.mark.parametrize(
    ("flags", "said", "seconds"),
    [({}, "", TIMEOUT), ({}, "timeout = 7", 7), ({"timeout": 9.0}, "timeout = 7", 9), ({}, "per_page = 5", TIMEOUT)],
)
def test_the_timeout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: dict[str, object], said: str, seconds: float
) -> None:
    """The timeout comes from the flag, then the profile, then the commands' own default."""
    write_profiles(monkeypatch, tmp_path, f'[default]\nbase_url = "https://h"\ntoken = "t"\n{said}')
    assert connection(**flags).make_client(None)._caller.options.timeout == seconds


@pytest.mark.parametrize("flag", ["max_concurrency", "max_rate"])
def test_other_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flag: str) -> None:
    """A bound that a flag gives beats the profile's; without the flag the profile's counts."""
    made: list[object] = []
    monkeypatch.setattr("asyncchat._client.Pipeline", lambda *_, **options: made.append(options[flag]))
    write_profiles(monkeypatch, tmp_path, f'[default]\nbase_url = "https://h"\ntoken = "t"\n{flag} = 4')
    connection().make_client(None)
    connection(**{flag: 6}).make_client(None)
    assert made == [4, 6]
