"""Where settings come from, which source wins, and what is said of wrong ones."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from api.settings import Settings, SettingsError, load_settings, load_settings_with_origins
from api.settings.report import markdown_table, setting_rows
from tests.service.running import REPOSITORY

__all__: list[str] = []


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOORAGE_CONFIG", raising=False)


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _faults(config: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return list(caught.value.faults)


def test_with_no_source_at_all_every_setting_has_its_default() -> None:
    assert load_settings() == Settings()
    assert (Settings().server.host, Settings().server.port) == ("127.0.0.1", 5000)
    assert Settings().storage.filesystem.root == Path("data")


def test_a_later_source_wins_over_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path / "m.toml", '[server]\nhost = "a"\nport = 1\nworkers = 2\n')
    monkeypatch.setenv("MOORAGE_SERVER__HOST", "b")
    monkeypatch.setenv("MOORAGE_SERVER__PORT", "3")
    loaded = load_settings_with_origins(file, {("server", "port"): 4})
    server = loaded.settings.server
    assert (server.host, server.port, server.workers) == ("b", 4, 2)
    assert loaded.origin(("server", "host")) == "MOORAGE_SERVER__HOST"
    assert loaded.origin(("server", "port")) == "--port"
    assert loaded.origin(("server", "workers")) == str(file)
    assert loaded.origin(("log", "level")) == "default"


def test_the_file_is_the_flags_then_the_variables_then_the_one_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path / "moorage.toml", "[server]\nport = 1\n")
    assert load_settings().server.port == 1
    by_variable = _file(tmp_path / "variable.toml", "[server]\nport = 2\n")
    monkeypatch.setenv("MOORAGE_CONFIG", str(by_variable))
    assert load_settings().server.port == 2
    by_flag = _file(tmp_path / "flag.toml", "[server]\nport = 3\n")
    assert load_settings(by_flag).server.port == 3


def test_nested_variables_reach_the_driver_and_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_STORAGE__DRIVER", "filesystem")
    monkeypatch.setenv("MOORAGE_STORAGE__FILESYSTEM__ROOT", "/srv/store")
    options = load_settings().storage.driver_options()
    assert options == {"root": Path("/srv/store"), "durability": "full"}


def test_a_further_drivers_table_is_laid_together_from_file_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(
        tmp_path / "m.toml",
        '[storage]\ndriver = "tape"\n[storage.tape]\nspeed = 7\nlabels = ["a"]\n',
    )
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__REEL", "left")
    options = load_settings(file).storage.driver_options()
    assert options == {"speed": 7, "labels": ["a"], "reel": "left"}


def test_a_driver_without_a_table_gets_no_options() -> None:
    assert Settings.model_validate({"storage": {"driver": "memory"}}).storage.driver_options() == {}


@pytest.mark.parametrize("text", ['["10.0.0.0/8", "::1"]', "10.0.0.0/8,::1", " 10.0.0.0/8 , ::1,"])
def test_a_variable_gives_a_list_as_json_or_with_commas(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MOORAGE_SERVER__TRUSTED_PROXIES", text)
    assert load_settings().server.trusted_proxies == ("10.0.0.0/8", "::1")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]


def test_the_constructor_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_SERVER__PORT", "1")
    assert Settings().server.port == 5000


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MOORAGE_SERVER__PORT", "http", "MOORAGE_SERVER__PORT: server.port: expected a valid int"),
        ("MOORAGE_SERVER__PORT", "70000", "server.port: expected less than or equal to 65535"),
        ("MOORAGE_SERVER__PROT", "1", "server.prot: unknown key, expected one of host, port,"),
        ("MOORAGE_SERVER_PORT", "1", "unknown variable, expected MOORAGE_<GROUP>__<KEY>; did you"),
        ("MOORAGE_LOG__LEVEL", "loud", "log.level: expected 'debug', 'info', 'warning' or 'error'"),
        ("MOORAGE_DELETE__ENABLED", "maybe", "delete.enabled: expected a valid boolean"),
        ("MOORAGE_SERVER__TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("MOORAGE_SERVER__TRUSTED_PROXIES", '["::1"', "expected a JSON array of texts, or texts"),
        ("MOORAGE_SERVER__TRUSTED_PROXIES", "[1]", "trusted_proxies.0: expected a valid string"),
        ("MOORAGE_SERVER__EXTERNAL_URL", "https://a/b", "expected http:// or https://, a host and"),
        ("MOORAGE_STORAGE__TAPE", "7", "storage.tape: expected a table, got '7'"),
        ("MOORAGE_STORAGE__DRIVER", "", "storage.driver: expected match pattern"),
        ("MOORAGE_CACHE__REDIS_URL", "http://h", "cache.redis_url: expected match pattern"),
        ("MOORAGE_CACHE__REDIS_URL", "redis://h:x/0", "expected numbers as port and as database"),
        ("MOORAGE_LIMITS__REDIS_URL", "redis://h:1/x", "expected numbers as port and as database"),
        ("MOORAGE_LIMITS__REDIS_URL", "redis://:hush/pw@h:1/0", "got 'redis://********@h:1/0'"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    (fault,) = _faults()
    assert fault.startswith(f"{variable}: ")
    assert said in fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = true_\n", "not a TOML file: "),
        ("server = 3\n", "server: expected a table, got 3"),
        ("[sever]\nport = 3\n", "sever: unknown key, expected one of server, storage,"),
        ("[server]\nprot = 3\n", "server.prot: unknown key, expected one of host, port,"),
        ("[storage]\nfast = true\n", "storage.fast: expected a table, got True"),
        ('[policy.groups]\ndev = "ann"\n', "policy.groups.dev: expected a list, got 'ann'"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    file = _file(tmp_path / "m.toml", text)
    (fault,) = _faults(file)
    assert fault.startswith(f"{file}: ")
    assert said in fault


def test_what_is_no_table_is_told_also_where_a_variable_sets_a_key_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORAGE_SERVER__PORT", "1")
    file = _file(tmp_path / "m.toml", "server = 3\n")
    assert _faults(file) == [f"{file}: server: expected a table, got 3"]


def test_every_fault_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORAGE_SERVER__PORT", "x")
    monkeypatch.setenv("MOORAGE_LOG__FORMAT", "y")
    assert len(_faults()) == 2


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    assert _faults(tmp_path / "none.toml") == [f"--config: {tmp_path / 'none.toml'} is not a file"]


def test_what_stands_in_the_place_of_the_file_at_hand_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container engine makes a directory of a file that it was to mount and that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moorage.toml").mkdir()
    assert _faults() == ["moorage.toml is not a file"]
    (tmp_path / "moorage.toml").rmdir()
    (tmp_path / "moorage.toml").symlink_to("nowhere.toml")
    assert _faults() == ["moorage.toml is not a file"]


def test_a_file_that_cannot_be_looked_at_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    """As root finds no directory closed, the name is what the system does not take."""
    (fault,) = _faults(tmp_path / ("x" * 300))
    assert fault.startswith("--config: ")


def test_variables_that_kubernetes_sets_for_a_service_are_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOORAGE_PORT", "tcp://10.0.0.1:5000")
    monkeypatch.setenv("MOORAGE_PORT_5000_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("MOORAGE_SERVICE_PORT_HTTP", "5000")
    assert load_settings() == Settings()


def test_secrets_of_a_driver_are_masked_and_its_other_settings_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__SECRET_KEY", "hunter2")
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__AUTH_TOKEN", "hunter2")
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__URL", "tape://me:hunter2@host/1")
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__MIRROR", "tape://:hunter2@hunter2/hunter2@host/1")
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__PWD", "hunter2")
    monkeypatch.setenv("MOORAGE_STORAGE__TAPE__REGION", "north")
    rows = {row.key: row for row in setting_rows(load_settings_with_origins())}
    assert rows["storage.tape.secret_key"].value == "********"
    assert rows["storage.tape.auth_token"].value == "********"
    assert rows["storage.tape.url"].value == "tape://********@host/1"
    assert rows["storage.tape.mirror"].value == "tape://********@host/1"
    assert rows["storage.tape.region"].value == "north"
    assert rows["storage.tape.region"].origin == "MOORAGE_STORAGE__TAPE__REGION"
    assert "hunter2" not in repr(rows)


def test_the_documentation_holds_the_table_of_all_settings() -> None:
    text = (REPOSITORY / "docs" / "configuration.md").read_text()
    assert markdown_table() in text


def test_every_number_that_has_a_unit_is_named_by_it() -> None:
    for line in markdown_table().splitlines()[2:]:
        key, _, _, unit = (cell.strip(" `") for cell in line.split("|")[1:5])
        if unit in {"seconds", "bytes", "entries"}:
            assert key.endswith(f"_{unit}")
