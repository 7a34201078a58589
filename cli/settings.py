"""Settings: defaults, then ``KYMOGRAPH__...`` variables, then the command's own options. Unknown names are errors."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "KYMOGRAPH__"
FOLDER = "the name of a folder (. is the current one)"
_SECRETS = ("clickhouse_dsn", "control_url")


class UnknownSetting(Exception):
    """A variable with our prefix that is none of the settings, or a value that does not fit."""


class Settings(BaseSettings):
    """Every knob of a process. What changes a score is not here: that is science, and stands in the mapping."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(
        Path(".kymograph"), description="folder of the embedded log, rows, store and control plane"
    )
    log: Literal["sqlite", "kafka"] = Field("sqlite", description="which log: the embedded one, or Kafka")
    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="where Kafka is reached")
    kafka_replication_factor: int = Field(
        1, ge=1, description="copies of each partition that `topics apply` asks for"
    )
    kafka_timeout_s: float = Field(
        10.0, gt=0, description="how long to wait for a broker before saying that it is away"
    )
    clickhouse_dsn: str | None = Field(
        None, description="a ClickHouse server as http://user:password@host:8123/kymograph; none: embedded"
    )
    control_url: str | None = Field(
        None, description="SQLAlchemy URL of the control plane; none: SQLite in the data folder"
    )
    inbox_dead_letters_max_consecutive: int = Field(
        1_000,
        ge=1,
        description="so many refused records of the inbox in a row are diverted; one more stops it",
    )
    inbox_dead_letters_max_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how large a part of the inbox's last records may be refused; 1: all of them",
    )
    inbox_dead_letters_window: int = Field(
        2_000, ge=1, description="how many records of the inbox the ratio is taken over"
    )
    metrics_host: str = Field("127.0.0.1", description="where /metrics and /health listen")
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="their port (0: any that is free); none: they are not served"
    )
    session_duration_max_s: int = Field(
        7_200, ge=1, description="a session that is open so long after its first record is abandoned"
    )
    terminal_gap_max_s: int = Field(
        600,
        ge=1,
        description="so long after its end came, a session of which events are still missing is abandoned",
    )
    mapping: str = Field("core@1.0.0", description="the mapping that sessions are scored by")

    @field_validator("data_dir", mode="before")
    @classmethod
    def _has_a_name(cls, folder: object) -> object:
        """An empty one would be the current folder, where nobody asked for anything."""
        if folder == "":
            raise ValueError(FOLDER)
        return folder


def load(**options: object) -> Settings:
    """Read the environment; options that are None are not given. Raises UnknownSetting."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name}_file".upper() for name in _SECRETS}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise UnknownSetting(f"{unknown[0]} is no setting; known are {', '.join(sorted(known))}")
    given = {name: value for name, value in options.items() if value is not None}
    for name in _SECRETS:  # a secret may come in a file, as container platforms hand them out
        path = os.environ.get(f"{PREFIX}{name}_file".upper())
        if path is not None and name not in given:
            try:
                given[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UnknownSetting(f"the file of {PREFIX}{name}_file cannot be read: {error}") from error
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise UnknownSetting(
            "; ".join(_told(flaw["loc"], flaw["input"], flaw["msg"]) for flaw in error.errors())
        ) from error


def _told(place: tuple[int | str, ...], value: object, wanted: str) -> str:
    """The variable, its value and what it must be."""
    name = str(place[0])
    value = "(a secret)" if name in _SECRETS else repr(value)
    wanted = wanted.removeprefix("Input should be ").removeprefix("Value error, ").partition(", unable")[0]
    return f"{PREFIX}{name.upper()} is {value}: it must be {wanted}"


def shown(settings: Settings) -> dict[str, object]:
    """The effective settings, secrets left out."""
    values: dict[str, object] = settings.model_dump(mode="json")
    return {
        name: "(set)" if name in _SECRETS and value is not None else value for name, value in values.items()
    }
