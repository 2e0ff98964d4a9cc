"""How settings are read: TOML and environment in, one frozen model out.

The environment wins over the file. Every problem is reported at once, in the user's key
names. A role's table in the TOML file bears its name (`[agent]`, `[stream]`, ...), and
`[connections]` is shared by all; `TAILRACE_AGENT_SWEEP_MS=500` sets `sweep_ms` of the agent,
and `TAILRACE_KAFKA_BOOTSTRAP` sets `kafka_bootstrap` of the connections.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, cast

import msgspec
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tailrace.addresses import (
    elasticsearch_addresses,
    kafka_addresses,
    zookeeper_addresses,
)
from tailrace.credential_problems import credential_problems
from tailrace.errors import ConfigError
from tailrace.setting_names import nearest, setting_names, variable_problems
from tailrace.zookeeper_users import users_by_role

ENVIRONMENT_PREFIX = "TAILRACE_"
NAMESPACE_PATTERN = re.compile(r"[a-z][a-z0-9]{0,31}")
SERVERS_FILE = "servers.json"
CONFIG_FILE = "tailrace.toml"
"""In the data folder, what `tailrace up` tells the roles."""
TABLES = ("agent", "connections", "dashboard", "indexer", "shop", "stream")
PLAIN_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "missing": "is required",
    "model_type": "must be a table",
    "path_type": "must be a path",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
"""By pydantic's type of a problem, what a person reads."""
PLAIN_FORMS = (
    (re.compile(r"^\w+ should have at least 1 item after.*"), "must not be empty"),
    (re.compile(r"^Input should be greater than or equal to "), "must be at least "),
    (re.compile(r"^Input should be less than or equal to "), "must be at most "),
    (re.compile(r"^String should match pattern "), "must be of the form "),
)
"""Likewise, where the limit stands in pydantic's own sentence."""


def default_data_dir() -> Path:
    """Return where this user's embedded servers and role state live."""
    if configured := os.environ.get("TAILRACE_DATA_DIR"):
        return Path(configured)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "tailrace"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else home / ".local" / "share") / "tailrace"


class RoleSettings(BaseSettings):
    """The frozen settings of one role; the environment wins over the file."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_nested_delimiter="__", validate_default=True
    )
    table: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment first; the file's table comes in as arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)


class Connections(RoleSettings):
    """Where the three servers are, and how to be known to them."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX)
    table: ClassVar[str] = "connections"

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal[
        "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = (
        "SCRAM-SHA-512"
    )
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_password_file: Path | None = None
    """Instead of the password; read again when it changes, as all files here are."""
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    """By which a broker knows us, with the key in the same file or in the next."""
    kafka_key_file: Path | None = None
    zookeeper_hosts: str = "127.0.0.1:2181"
    zookeeper_username: str = ""
    """By SASL; without it nobody asks who we are, and every node is everybody's."""
    zookeeper_password: SecretStr = SecretStr("")
    zookeeper_password_file: Path | None = None
    zookeeper_users: dict[str, tuple[str, ...]] = users_by_role({})
    """By role, whom `tailrace provision` gives its rights in ZooKeeper."""
    elasticsearch_url: str = "http://127.0.0.1:9200"
    elasticsearch_username: str = ""
    elasticsearch_password: SecretStr = SecretStr("")
    elasticsearch_password_file: Path | None = None
    elasticsearch_api_key: SecretStr = SecretStr("")
    """As Elasticsearch gives it encoded, or as `id:key`."""
    elasticsearch_api_key_file: Path | None = None
    elasticsearch_leader_username: str = ""
    """Of whoever makes and removes indices and templates, which a writer need not be
    allowed to: the elected leader and `tailrace provision`. None: as all others."""
    elasticsearch_leader_password: SecretStr = SecretStr("")
    elasticsearch_leader_password_file: Path | None = None
    elasticsearch_leader_api_key: SecretStr = SecretStr("")
    elasticsearch_leader_api_key_file: Path | None = None
    elasticsearch_ca_file: Path | None = None
    namespace: str = "tailrace"
    """Begins the name of every topic, index, group and ZooKeeper path."""
    data_dir: Path = Field(default_factory=default_data_dir)

    @field_validator("namespace")
    @classmethod
    def _namespace_is_a_name(cls, value: str) -> str:
        if not NAMESPACE_PATTERN.fullmatch(value):
            raise ValueError(
                "must be 1 to 32 lower-case letters and digits, a letter first"
            )
        if value == "logs":
            raise ValueError(
                "must not be 'logs', which full distributions reserve for data streams"
            )
        return value

    @field_validator("kafka_bootstrap")
    @classmethod
    def _kafka_has_addresses(cls, value: str) -> str:
        return kafka_addresses(value)

    @field_validator("zookeeper_hosts")
    @classmethod
    def _zookeeper_has_addresses(cls, value: str) -> str:
        return zookeeper_addresses(value)

    @field_validator("zookeeper_users")
    @classmethod
    def _every_role_has_its_users(
        cls, value: dict[str, tuple[str, ...]]
    ) -> dict[str, tuple[str, ...]]:
        return users_by_role(value)

    @field_validator("elasticsearch_url")
    @classmethod
    def _elasticsearch_has_addresses(cls, value: str) -> str:
        return elasticsearch_addresses(value)

    @model_validator(mode="after")
    def _each_secret_is_named_once(self) -> Self:
        problems = credential_problems(self)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def for_leader(self) -> Connections:
        """Return them with the leader's own way to be known, where it has one."""
        own = {
            name.replace("leader_", ""): getattr(self, name)
            for name in type(self).model_fields
            if name.startswith("elasticsearch_leader_")
        }
        is_named = any(
            value not in {"", None} and value != SecretStr("") for value in own.values()
        )
        return self.model_copy(update=own) if is_named else self

    @property
    def elasticsearch_urls(self) -> list[str]:
        """Return each node's URL."""
        return self.elasticsearch_url.split(",")


class _RecordedServers(msgspec.Struct):
    environment: dict[str, str]


SettingsT = TypeVar("SettingsT", bound=RoleSettings)


def read_connections(
    config_file: Path | None = None, *, data_dir: Path | None = None
) -> Connections:
    """Return where the servers are.

    An address comes from the environment, else from the file, else from what the
    embedded stack recorded in the data folder, else it is the usual local port.
    `data_dir` (a command's `--data-dir`) wins over the environment and the file.

    Raises:
        ConfigError: a setting is wrong, or the file cannot be read; all are listed.
    """
    document = read_document(config_file)
    values = _table(document, Connections.table)
    named = data_dir or os.environ.get("TAILRACE_DATA_DIR") or values.get("data_dir")
    folder = Path(str(named)) if named else default_data_dir()
    for name, value in recorded_servers(folder).items():
        values.setdefault(name.removeprefix(ENVIRONMENT_PREFIX).lower(), value)
    strays = _stray_problems(document, Connections.table)
    connections = _build(Connections, values, strays=strays, config_file=config_file)
    return connections.model_copy(update={"data_dir": folder})


def read_role_settings(
    model: type[SettingsT], *, config_file: Path | None = None
) -> SettingsT:
    """Return a role's settings from its table of the file and from the environment.

    Raises:
        ConfigError: a setting is wrong, or the file cannot be read; all are listed.
    """
    document = read_document(config_file)
    return _build(
        model,
        _table(document, model.table),
        strays=_stray_problems(document, model.table),
        config_file=config_file,
    )


def read_settings(
    model: type[SettingsT],
    *,
    config_file: Path | None = None,
    data_dir: Path | None = None,
) -> tuple[Connections, SettingsT]:
    """Return where the servers are and a role's settings; what is wrong in either.

    Raises:
        ConfigError: settings are wrong, or the file cannot be read; all are listed.
    """
    problems: dict[str, None] = {}
    connections = settings = None
    source = ""
    try:
        connections = read_connections(config_file, data_dir=data_dir)
    except ConfigError as error:
        problems |= dict.fromkeys(error.problems)
        source = error.source
    try:
        settings = read_role_settings(model, config_file=config_file)
    except ConfigError as error:
        problems |= dict.fromkeys(error.problems)
        source = error.source
    if connections is None or settings is None:
        raise ConfigError(tuple(problems), source=source)
    return connections, settings


def read_document(config_file: Path | None) -> dict[str, Any]:
    """Return what a configuration file says; nothing when there is none.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    if config_file is None:
        return {}
    try:
        return tomllib.loads(config_file.read_text("utf-8"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise ConfigError([problem], source=str(config_file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = f"is not TOML: {error}"
        raise ConfigError([problem], source=str(config_file)) from None


def _build(
    model: type[SettingsT],
    values: dict[str, Any],
    *,
    strays: list[str],
    config_file: Path | None,
) -> SettingsT:
    source = str(config_file) if config_file else "the environment and defaults"
    if prefix := model.model_config.get("env_prefix"):
        names = model.model_fields
        strays = strays + variable_problems(os.environ, prefix=prefix, names=names)
    try:
        built = model(**values)
    except ValidationError as error:
        problems = [*strays, *problems_of(error, table=model.table, model=model)]
        raise ConfigError(problems, source=source) from None
    if strays:
        raise ConfigError(strays, source=source)
    return built


def problems_of(
    error: ValidationError, *, table: str, model: type[BaseModel]
) -> list[str]:
    """Return one sentence a problem: the key in the user's spelling, what is wrong.

    The offending value is shown unless its key names a secret, and the variable that it
    stands in, if any. Where a name is nearly one of the `model`'s, that one is named.
    """
    problems: list[str] = []
    prefix = str(model.model_config.get("env_prefix", ""))
    for item in error.errors(include_url=False, include_context=False):
        key = ".".join([table, *(str(part) for part in item["loc"])]).strip(".")
        message = PLAIN_WORDS.get(
            item["type"], item["msg"].removeprefix("Value error, ")
        )
        for theirs, ours in PLAIN_FORMS:
            message = theirs.sub(ours, message)
        if item["type"] == "literal_error":
            message = message.replace("Input should be", "must be one of", 1)
        if item["type"] == "extra_forbidden":
            *parents, name = item["loc"]
            meant = nearest(str(name), setting_names(model, parents))
            problems.append(f"{key} is not a setting{meant}")
            continue
        # A password may stand where none belongs: before the @ of an address.
        shown = re.sub(r"[^\s/'\"]*@", "***@", repr(item["input"]))[:80]
        is_secret = re.search(
            r"password|secret|api_key|token|redact_key$|redaction\.key$"
            r"|alerts\.channels\.\d+\.",
            key,
        )
        # A relation names its values itself, and its input is a whole table, or none:
        # in which a key may stand that is right by itself.
        is_table = isinstance(item["input"], dict)
        is_given = bool(item["loc"]) and item["input"] is not None and not is_table
        has_value = item["type"] != "missing" and is_given
        value = f", got {shown}" if has_value and not is_secret else ""
        variable = prefix + ".".join(map(str, item["loc"])).upper()
        is_there = has_value and os.environ.get(variable) == item["input"]
        where = f" ({variable})" if is_there else ""
        problems.append(f"{key}{where}: {message}{value}")
    return problems


def _table(document: dict[str, Any], table: str) -> dict[str, Any]:
    values = document.get(table)
    return dict(cast("dict[str, Any]", values)) if isinstance(values, dict) else {}


def _stray_problems(document: dict[str, Any], table: str) -> list[str]:
    """Return what is wrong with the file beside the values of its tables."""
    problems = [
        f"{name} is not a table; there are {', '.join(TABLES)}{nearest(name, TABLES)}"
        for name in document
        if name not in TABLES
    ]
    values = document.get(table, {})
    if not isinstance(values, dict):
        problems.append(f"{table} must be a table, got {values!r}")
    return problems


def recorded_servers(data_dir: Path) -> dict[str, str]:
    """Return where the servers of a data folder run, by variable; none where none do."""
    try:
        raw = (data_dir / SERVERS_FILE).read_bytes()
        return msgspec.json.decode(raw, type=_RecordedServers).environment
    except (OSError, msgspec.DecodeError):
        return {}
