"""Profiles: what a file may say, where it is looked for, and which source wins."""

from __future__ import annotations

import pickle
import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import write_profiles

from asyncchat import AsyncClient, Client, ConfigurationError, HeaderAuth, Profile, Request, Response, RetryPolicy
from asyncchat import _client as client_module
from asyncchat._config import resolve_auth, resolve_base_url
from asyncchat._profile import find_exposure
from asyncchat._profile.text import KEYS, config_file, parse_file, parse_profile
from asyncchat._transport.pipeline import Pipeline
from asyncchat._types import UNSET
from asyncchat.testing import MockTransport

FILE = Path("/home/me/.config/asyncchat/config.toml")
SECRET = "s3cr3t-of-a-profile"
HOST = "https://host.example/v1"


def parsed(body: str) -> Profile:
    return Profile(**parse_profile(f"[work]\n{body}", "work", FILE))


# ---- what a file may say


def test_every_key_is_a_setting() -> None:
    """The keys of a profile are its attributes, but for what the file itself tells."""
    assert {field.name for field in attrs.fields(Profile)} - {"name", "file", "exposure"} == set(KEYS)


def test_a_full_profile() -> None:
    """Every key is read into the attribute of its name."""
    profile = parsed(
        f'base_url = "{HOST}"\ntoken = "{SECRET}"\nauth = "header:X"\nca_file = "ca.pem"\nallow_http = true\n'
        "trust_env = true\ntimeout = 5\ndeadline = 7.5\nmax_concurrency = 3\nmax_rate = 0.5\nretry = 0\nper_page = 50"
    )
    assert attrs.asdict(profile, filter=lambda field, _: field.name != "token") == {
        "name": "work", "file": FILE, "base_url": HOST, "token_file": None, "token_env": None, "auth": "header:X",
        "ca_file": FILE.parent / "ca.pem", "allow_http": True, "trust_env": True, "timeout": 5, "deadline": 7.5,
        "max_concurrency": 3, "max_rate": 0.5, "retry": 0, "per_page": 50, "exposure": None,
    }  # fmt: skip
    assert SECRET not in f"{profile} {profile!r}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('base-url = "x"', "unknown key 'base-url': did you mean base_url?"),
        ("max_rat = 5", "unknown key 'max_rat': did you mean max_rate?"),
        ("zzz = 5", "unknown key 'zzz': it takes base_url, token, "),
        ('timeout = "5"', "timeout takes seconds above 0, not '5'"),
        ("timeout = 0", "timeout takes seconds above 0, not 0"),
        ("timeout = inf", "timeout takes seconds above 0, not inf"),
        ("timeout = nan", "timeout takes seconds above 0, not nan"),
        ("timeout = true", "timeout takes seconds above 0, not True"),
        ("max_concurrency = 2.5", "max_concurrency takes a whole number from 1, not 2.5"),
        ("max_concurrency = 99999999999", "max_concurrency takes a whole number from 1, not 99999999999"),
        ("max_rate = 0", "max_rate takes requests a second above 0, not 0"),
        ("retry = -1", "retry takes a number of retries from 0, not -1"),
        ("retry = false", "retry takes a number of retries from 0, not False"),
        ("per_page = true", "per_page takes a whole number from 1, not True"),
        ('allow_http = "yes"', "allow_http takes true or false, not 'yes'"),
        ("base_url = 5", "base_url takes a text that is not empty, not 5"),
        ('auth = " "', "auth takes a text that is not empty, not ' '"),
        ('token_file = "a"\ntoken_env = "B"', "token_file and token_env exclude each other: keep one"),
    ],
)
def test_what_is_refused(body: str, words: str) -> None:
    """An unknown key names the nearest right one, a wrong value what would be right; both name file and profile."""
    with pytest.raises(ConfigurationError) as caught:
        parsed(body)
    assert str(caught.value).startswith(f"{FILE}, [work]")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[work]\ntoken = ['{SECRET}']", "token takes a text that is not empty, not list"),
        (f"[work]\ntoken = '{SECRET} '\ntoken_env = 'A'", "token and token_env exclude each other"),
        (f"[work]\ntoken = '{SECRET} {SECRET}'", "the token holds a space"),
        (f"[work]\ntokn = '{SECRET}'", "unknown key 'tokn': did you mean token?"),
        (f"[work]\ntoken = '{SECRET}\n", "is no TOML: "),
        (f"token = '{SECRET}'", "token stands outside a profile: put it below [default]"),
        (f"[home]\ntoken = '{SECRET}'\n[default]", "has no profile 'work': there are default, home"),
        ("", "has no profile 'work': there are none"),
        ("a = " + "[" * 100_000, "is no TOML: "),
    ],
)
def test_refusals_show_no_token(text: str, words: str) -> None:
    """Whatever is wrong, the error names the place and never holds the token, nor a context that does."""
    with pytest.raises(ConfigurationError) as caught:
        parse_profile(text, "work", FILE)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value) + repr(vars(caught.value))
    assert caught.value.__context__ is None


def test_a_broken_file_names_the_line() -> None:
    """An error in the TOML is told with its file and line."""
    with pytest.raises(ConfigurationError, match=rf"{FILE} is no TOML: .*line 3"):
        parse_file("[work]\n\nbase_url = = 5", FILE)


@given(st.text())
def test_any_text(text: str) -> None:
    """Any text is profiles or a ConfigurationError."""
    try:
        profile = Profile(**parse_profile(text, "default", FILE))
    except ConfigurationError:
        return
    assert profile.name == "default"


@given(st.dictionaries(st.sampled_from([*KEYS, "other"]), st.one_of(st.integers(), st.booleans(), st.floats())))
def test_numbers_and_truths(values: dict[str, Any]) -> None:
    """Numbers and truths are taken only where they make sense, and then a client takes them too."""
    lines = "\n".join(f"{key} = {str(value).lower()}" for key, value in values.items())
    try:
        profile = parsed(lines)
    except ConfigurationError:
        return
    AsyncClient(transport=MockTransport([]), profile=profile)


# ---- where it is looked for


@pytest.mark.parametrize(
    ("environ", "windows", "found"),
    [
        ({"XDG_CONFIG_HOME": "/x"}, False, Path("/x/asyncchat/config.toml")),
        ({"XDG_CONFIG_HOME": "/x", "APPDATA": "/a"}, True, Path("/x/asyncchat/config.toml")),
        ({"APPDATA": "/a"}, True, Path("/a/asyncchat/config.toml")),
        ({"APPDATA": "/a"}, False, Path.home() / ".config/asyncchat/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, False, Path.home() / ".config/asyncchat/config.toml"),
        ({}, True, Path.home() / ".config/asyncchat/config.toml"),
    ],
)
def test_where_the_file_is(environ: dict[str, str], windows: bool, found: Path) -> None:
    """XDG_CONFIG_HOME counts if it is absolute, then %APPDATA% on Windows, then ~/.config."""
    assert config_file(environ, windows=windows) == found


def test_no_file() -> None:
    """A profile that is asked for where there is no file is an error that names the file."""
    with pytest.raises(ConfigurationError, match=r"config\.toml cannot be read \(No such file or directory\)"):
        AsyncClient(profile="work")
    assert Profile.load_default() is None


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is no UTF-8 is refused, without its bytes in the error's context."""
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe" + SECRET.encode())
    with pytest.raises(ConfigurationError, match="it is not UTF-8") as caught:
        Profile.load(file=tmp_path / "x.toml")
    assert caught.value.__context__ is None


def test_a_library_reads_no_file_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without `profile=` no file is looked at, whatever the environment says of profiles."""
    write_profiles(monkeypatch, tmp_path, f'[default]\nbase_url = "{HOST}"\ntoken = "{SECRET}"')
    monkeypatch.setenv("ASYNCCHAT_PROFILE", "default")
    with pytest.raises(ConfigurationError, match="no base_url"):
        AsyncClient()


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_both_clients_take_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any) -> None:
    """A client made by the name of a profile has its address."""
    write_profiles(monkeypatch, tmp_path, f'[work]\nbase_url = "{HOST}"\ntoken = "{SECRET}"')
    assert kind(profile="work").base_url == HOST


@pytest.mark.parametrize("value", [5, b"work", True])
def test_what_is_no_profile(value: Any) -> None:
    """`profile` takes a name or a Profile."""
    with pytest.raises(ConfigurationError, match="profile takes a name or a Profile"):
        AsyncClient(profile=value)


# ---- permissions


@pytest.mark.parametrize(
    ("body", "mode", "words"),
    [
        (f'token = "{SECRET}"', 0o600, None),
        (f'token = "{SECRET}"', 0o640, "others can read the token in"),
        (f'token = "{SECRET}"', 0o604, "others can read the token in"),
        (f'token = "{SECRET}"', 0o622, "others can change"),
        ('token_env = "T"', 0o644, None),
        (f'base_url = "{HOST}"', 0o664, "others can change"),
        (f'base_url = "{HOST}"', 0o602, "others can change"),
    ],
)
def test_permissions(body: str, mode: int, words: str | None) -> None:
    """A token that others can read and a file that others can change are told, with the command that cures it."""
    told = find_exposure(parsed(body), mode, windows=False)
    assert told == (words and f"{words} {FILE}: chmod 600 {FILE}")
    assert find_exposure(parsed(body), mode, windows=True) is None


def test_a_file_open_to_others_is_warned_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loading a profile with a token from a file that others can read warns, and does not show the token."""
    text = f'[default]\nbase_url = "{HOST}"\ntoken = "{SECRET}"'
    file = write_profiles(monkeypatch, tmp_path, text, mode=0o644)
    with pytest.warns(UserWarning, match="others can read the token in .*: chmod 600") as caught:
        AsyncClient(profile="default")
    assert [str(item.message) for item in caught] == [f"others can read the token in {file}: chmod 600 {file}"]


# ---- tokens


@pytest.mark.parametrize("base_url", [HOST, "https://host.example", "https://HOST.example:443/v2"])
def test_a_token_goes_to_its_own_server(base_url: str) -> None:
    """The token of a profile goes to the profile's own origin."""
    token = parsed(f'base_url = "{HOST}"\ntoken = "{SECRET}"').token_for(base_url)
    assert token is not None
    assert token.reveal() == SECRET


@pytest.mark.parametrize("key", ["token", "token_file", "token_env"])
@pytest.mark.parametrize(
    "base_url", ["https://evil.example/v1", "http://host.example/v1", "https://host.example:8443/v1", "https://[", ""]
)
def test_a_token_goes_nowhere_else(key: str, base_url: str) -> None:
    """The token of a profile with an address goes to no other origin, wherever that comes from."""
    profile = parsed(f'base_url = "{HOST}"\n{key} = "{SECRET}"')
    with pytest.raises(ConfigurationError, match="does not go to"):
        profile.token_for(base_url, {SECRET: "x"})


def test_a_variable_does_not_lead_a_profiles_token_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A base URL left over in the environment beats the profile's, but does not get its token."""
    write_profiles(monkeypatch, tmp_path, f'[default]\nbase_url = "{HOST}"\ntoken = "{SECRET}"')
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", "https://staging.example/v1")
    with pytest.raises(ConfigurationError, match=r"does not go to https://staging\.example/v1") as caught:
        AsyncClient(profile="default")
    assert SECRET not in str(caught.value)


def test_a_token_without_an_address() -> None:
    """The token of a profile that names no server goes to the one that is used."""
    assert parsed(f'token = "{SECRET}"').token_for("https://any.example") is not None


def test_a_token_in_a_file(tmp_path: Path) -> None:
    """A token file stands beside the profiles unless its path is absolute."""
    (tmp_path / "work.token").write_text(f"{SECRET}\n")
    values = parse_profile('[work]\ntoken_file = "work.token"', "work", tmp_path / "config.toml")
    token = Profile(**values).token_for(HOST)
    assert token is not None
    assert token.reveal() == SECRET


def test_a_token_file_that_is_not_there() -> None:
    """A token file that cannot be read is told with the profile that names it."""
    with pytest.raises(ConfigurationError, match=r"the token of profile 'work' of .* cannot be read \(No such file"):
        parsed('token_file = "/no/such/file"').token_for(HOST)


@pytest.mark.parametrize("environ", [{}, {"WORK_TOKEN": ""}])
def test_a_token_variable_that_is_not_set(environ: dict[str, str]) -> None:
    """A variable that is not set, or empty, is told with the profile that names it."""
    with pytest.raises(ConfigurationError, match="WORK_TOKEN is not set: profile 'work'"):
        parsed('token_env = "WORK_TOKEN"').token_for(HOST, environ)


def test_a_profile_is_not_pickled_with_its_token() -> None:
    """A profile that holds a token is not pickled."""
    with pytest.raises(TypeError, match="a token is not pickled"):
        pickle.dumps(parsed(f'token = "{SECRET}"'))


@pytest.mark.parametrize(
    ("base_url", "is_taken"), [(None, True), ("http://host.example/v2", True), ("http://other.example/v1", False)]
)
def test_plain_http_is_allowed_for_the_own_server(base_url: str | None, is_taken: bool) -> None:
    """`allow_http` of a profile counts for its own origin alone, and not against an argument."""
    profile = parsed('base_url = "http://host.example/v1"\nallow_http = true')
    how: dict[str, Any] = {"environ": {}, "profile": profile}
    if not is_taken:
        with pytest.raises(ConfigurationError, match=r"plain http to other\.example"):
            resolve_base_url(base_url, allow_http=UNSET, **how)
        return
    assert resolve_base_url(base_url, allow_http=UNSET, **how)
    with pytest.raises(ConfigurationError, match=r"plain http to host\.example"):
        resolve_base_url(base_url, allow_http=False, **how)


@pytest.mark.asyncio
async def test_a_transport_of_ones_own_gets_the_profiles_token() -> None:
    """A transport that is given is used with the profile's token, and the client knows the profile's address."""
    transport = MockTransport([Response(status=200)])
    profile = parsed(f'base_url = "{HOST}"\ntoken = "{SECRET}"')
    async with AsyncClient(transport=transport, profile=profile) as chat:
        await chat.request(Request("GET", "/x"))
    assert dict(transport.requests[0].headers)["Authorization"] == f"Bearer {SECRET}"
    assert chat.base_url == HOST


# ---- which source wins


@pytest.mark.parametrize(
    ("argument", "variable", "said", "wins"),
    [("a", "e", "p", "a"), (None, "e", "p", "e"), (None, None, "p", "p"), (None, "", "p", "p"), ("a", None, "p", "a")],
)
def test_what_wins(argument: str | None, variable: str | None, said: str, wins: str) -> None:
    """For the address, the token and its place: the argument, then the environment, then the profile."""
    profile = parsed(f'base_url = "https://{said}"\nauth = "header:{said}"\ntoken = "{said}"')
    environ = {} if variable is None else {"ASYNCCHAT_BASE_URL": variable and f"https://{variable}"}
    url = argument and f"https://{argument}"
    assert resolve_base_url(url, allow_http=False, environ=environ, profile=profile) == f"https://{wins}"

    environ = {} if variable is None else {"ASYNCCHAT_AUTH": variable and f"header:{variable}"}
    environ |= {} if variable is None else {"ASYNCCHAT_API_TOKEN": variable}
    auth = resolve_auth(argument and f"header:{argument}", argument, environ, profile=profile, base_url="https://p")
    assert isinstance(auth, HeaderAuth)
    assert (auth.name, auth.token.reveal()) == (wins, wins)


def used(monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """What a client is made with."""
    seen: dict[str, Any] = {}

    class Transport(MockTransport):
        def __init__(self, _base_url: str, *, ssl: Any, trust_env: bool) -> None:
            seen.update(ca_file=ssl, trust_env=trust_env)
            super().__init__([])

    class Pipe(Pipeline):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            seen.update((name, kwargs[name]) for name in ("max_concurrency", "max_rate"))
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(client_module, "AiohttpTransport", Transport)
    monkeypatch.setattr(client_module, "Pipeline", Pipe)
    client = AsyncClient(HOST, token="t", **options)
    return seen | {name: getattr(client._caller.options, name) for name in ("timeout", "deadline", "retry", "per_page")}


DEFAULT: dict[str, Any] = {
    "ca_file": None, "trust_env": False, "timeout": 60.0, "deadline": 180.0, "max_concurrency": 32, "max_rate": None,
    "retry": RetryPolicy(attempts=4), "per_page": 100,
}  # fmt: skip
SAID: dict[str, Any] = {
    "ca_file": Path("/ca.pem"), "trust_env": True, "timeout": 1.5, "deadline": 2.5, "max_concurrency": 3,
    "max_rate": 4.5, "retry": RetryPolicy(attempts=6), "per_page": 6,
}  # fmt: skip


def test_every_other_setting_is_compared() -> None:
    """The settings compared below are all that a profile has, but for those above."""
    others = {"base_url", "token", "token_file", "token_env", "auth", "allow_http"}
    assert set(KEYS) - others == SAID.keys() == DEFAULT.keys()


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("trust_env", False), ("timeout", None), ("timeout", 60.0), ("deadline", None), ("deadline", 180.0),
        ("max_concurrency", 32), ("max_rate", None), ("retry", RetryPolicy(attempts=4)), ("per_page", 100),
        ("ca_file", ssl.create_default_context()),
    ],
)  # fmt: skip
def test_an_argument_beats_the_profile(monkeypatch: pytest.MonkeyPatch, name: str, argument: Any) -> None:
    """Without an argument the profile's value counts, with one the argument, be it the default's own value."""
    profile = Profile(name="work", file=FILE, **{**SAID, "retry": 5})
    assert used(monkeypatch) == DEFAULT
    assert used(monkeypatch, profile=profile) == SAID
    keyword = "ssl" if name == "ca_file" else name
    assert used(monkeypatch, profile=profile, **{keyword: argument}) == {**SAID, name: argument}
