"""The aggregator's configuration: the only place where it is read and checked.

Everything after this module trusts its types. ``load_config`` reads a YAML file and raises one ``ConfigError`` that
lists everything that is wrong, each with file, line and field.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from aggregator.config_file import ConfigError, ConfigFile, Where

__all__ = [
    "AggregatorConfig",
    "CommitConfig",
    "ConfigError",
    "EvidenceConfig",
    "LimitsConfig",
    "MetricsConfig",
    "StreamConfig",
    "TlsConfig",
    "load_config",
]

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,39}")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\s\[\]]+):(\d{1,5})")

DEFAULT_STORE = "sqlite:///state/clearway.sqlite"
DEFAULT_LISTEN = "127.0.0.1:50051"
RECEIVED_EVIDENCE = "received-evidence"
DEFAULT_WINDOW = 1024
DEFAULT_MAX_BATCH = 256
MIB = 1024 * 1024


def _address(value: Any) -> str:
    match = _ADDRESS.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not an address: write HOST:PORT, such as 127.0.0.1:50051")
    if int(match[2]) > 65535:
        raise ValueError(f"port {match[2]} is not a port: write 0 (any free one) to 65535")
    return str(value)


Address = Annotated[str, BeforeValidator(_address)]


def is_loopback(address: str) -> bool:
    """True if ``HOST:PORT`` can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_agent_id(text: str) -> bool:
    """True if an agent may be called so."""
    return _IDENTIFIER.fullmatch(text) is not None


def _agents(value: Any) -> Any:
    if value == "open":
        return value
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise ValueError(f"{value!r} says nothing: write open (any agent may connect) or a list of agent ids")
    bad = [str(name) for name in value if not (isinstance(name, str) and _IDENTIFIER.fullmatch(name))]
    if bad:
        raise ValueError(f"{', '.join(bad)}: not an agent id: letters, digits, '.', '_' and '-', 64 at most, quoted")
    if len(set(value)) != len(value):
        raise ValueError("an agent id is listed twice")
    return frozenset(value)


def _store_url(value: Any) -> URL:
    if isinstance(value, URL):
        return value
    try:
        url = make_url(str(value))
    except (ArgumentError, ValueError) as error:
        raise ValueError(
            "is not a store: write sqlite:///PATH, or postgresql://USER@HOST/DATABASE (the password in ~/.pgpass)"
        ) from error
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ValueError(f"{kind} is no store that is known here: use sqlite or postgresql")
    if kind == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("names no file: a store in memory would lose what was acknowledged; write sqlite:///PATH")
    if kind == "postgresql" and not url.database:
        raise ValueError("names no database: write postgresql://USER@HOST/DATABASE")
    return url


def _host_names(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ValueError("is not a list: write [aggregator.example, 192.0.2.7]")
    bad = [str(name) for name in value if not (isinstance(name, str) and _HOST.fullmatch(name))]
    if bad:
        raise ValueError(f"{', '.join(bad)}: not a host name or address: write [aggregator.example, 192.0.2.7]")
    return tuple(value)


@dataclass(frozen=True, slots=True, config=_STRICT)
class StreamConfig:
    """The bounds that every agent's stream is given.

    ``window`` is the most events on the way without an ack: at 1024 one round trip of 250 ms still carries 4000
    events a second. ``hello_timeout_s`` ends streams that never say who they are. Agents send batches of up to 1 MiB,
    so ``max_message_bytes`` leaves room for them. ``drain_s`` is how long agents have to leave when this one stops.
    """

    window: Annotated[int, Field(ge=1, le=100_000)] = DEFAULT_WINDOW
    max_batch: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_MAX_BATCH
    heartbeat_s: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    hello_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    max_message_bytes: Annotated[int, Field(ge=2 * MIB, le=64 * MIB)] = 4 * MIB
    drain_s: Annotated[float, Field(ge=0, le=300)] = 5.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class LimitsConfig:
    """What one agent may ask of the aggregator, so that one bad agent cannot slow the others.

    An agent sends a few events a minute; what is more comes after an outage. ``events_per_s`` and ``bytes_per_s``
    bring back the 64 MiB of a full queue in half a minute, and cost a tenth of a core at most. An agent may be ahead of
    them by ``burst_s``; then it is asked to pause, and cut if it does not. ``streams_per_minute`` bounds reconnecting:
    each Hello is a commit. ``cameras`` and ``zones_per_camera`` bound the names that become labels of metrics, for each
    agent. ``max_agents`` bounds who may connect where anybody may. ``max_connections`` is two for each
    of 5000 agents, and some; fewer are taken if the process may not open so many files.
    ``evidence_bytes_per_s`` is for pictures, and 32 times what an agent sends unless told otherwise.
    """

    events_per_s: Annotated[float, Field(gt=0, le=1e6)] = 2000.0
    bytes_per_s: Annotated[float, Field(ge=64 * 1024, le=1e10)] = 2.0 * MIB
    burst_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    streams_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 60
    cameras: Annotated[int, Field(ge=1, le=100_000)] = 256
    zones_per_camera: Annotated[int, Field(ge=1, le=10_000)] = 64
    max_agents: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    max_connections: Annotated[int, Field(ge=16, le=1_000_000)] = 12_000
    evidence_bytes_per_s: Annotated[float, Field(ge=4096, le=1e10)] = 4.0 * MIB


@dataclass(frozen=True, slots=True, config=_STRICT)
class CommitConfig:
    """How many streams' batches share one transaction, and so one wait for the disk.

    A transaction takes what has come within ``max_delay_ms`` of its first batch, ``max_events`` at most.
    """

    max_events: Annotated[int, Field(ge=1, le=100_000)] = 2000
    max_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 5.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class MetricsConfig:
    """Where to serve ``/metrics``; port 0 takes a free one.

    The first ``max_cameras`` cameras by name have series of their own; the others, or all of them with
    ``per_camera: false``, are summed into series without camera and zone. ``refresh_s`` is how old a value may be.
    """

    listen: Address = "127.0.0.1:9102"
    per_camera: bool = True
    max_cameras: Annotated[int, Field(ge=0, le=100_000)] = 500
    refresh_s: Annotated[float, Field(ge=0.1, le=60)] = 3.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class EvidenceConfig:
    """The pictures that agents send. Without ``dir`` they lie beside a SQLite store; with PostgreSQL none are taken.

    ``max_bytes_per_agent`` is some five thousand stills of 1080p; a still takes some 400 kB.
    """

    dir: Path | None = None
    max_bytes_per_agent: Annotated[int, Field(ge=MIB)] = 2048 * MIB
    max_file_bytes: Annotated[int, Field(ge=1024, le=256 * MIB)] = 16 * MIB


@dataclass(frozen=True, slots=True, config=_STRICT)
class TlsConfig:
    """How this aggregator and its agents prove who they are.

    Without files the built-in authority in ``folder`` signs: a server certificate for ``names``, and certificates of
    ``certificate_days`` for agents that enrol at ``enrollment_listen`` (None: the port after ``listen``'s). With
    ``certificate``, ``key`` and ``client_ca``, PEM files, an existing authority's certificates are used instead.
    """

    names: Annotated[tuple[str, ...], BeforeValidator(_host_names)] = ()
    folder: str | None = None
    enrollment_listen: Address | None = None
    certificate_days: Annotated[float, Field(gt=0, le=825)] = 30.0
    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None

    @property
    def own_authority(self) -> bool:
        """True if the built-in authority signs."""
        return self.certificate is None


@dataclass(frozen=True, slots=True, config=_STRICT)
class AggregatorConfig:
    """The whole file. ``agents`` is ``open``, or the ids of the agents that may connect.

    ``insecure`` serves plain text instead of TLS, to this machine alone. ``retention_days`` is how long closed
    incidents and pictures are kept; 0 keeps them for ever. ``places`` says where cameras stand; without it all of them
    are in the street ``unplaced``.
    """

    listen: Address = DEFAULT_LISTEN
    insecure: bool = False
    store: Annotated[URL, BeforeValidator(_store_url)] = Field(default_factory=lambda: make_url(DEFAULT_STORE))
    agents: Annotated[Literal["open"] | frozenset[str], BeforeValidator(_agents)] = "open"
    stream: StreamConfig = Field(default_factory=StreamConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    commit: CommitConfig = Field(default_factory=CommitConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    evidence: EvidenceConfig = Field(default_factory=EvidenceConfig)
    tls: TlsConfig = Field(default_factory=TlsConfig)
    places: Path | None = None
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 400

    @property
    def server_names(self) -> tuple[str, ...]:
        """The names in the server certificate that the built-in authority signs."""
        return self.tls.names or (self.listen.rpartition(":")[0].strip("[]"),)

    @property
    def enrollment_listen(self) -> str:
        """Where agents enrol."""
        if self.tls.enrollment_listen is not None:
            return self.tls.enrollment_listen
        host, _, port = self.listen.rpartition(":")
        return f"{host}:{int(port) + 1 if int(port) else 0}"

    @property
    def identity_folder(self) -> Path:
        """Where the built-in authority and the register of agents are kept."""
        if self.tls.folder is not None:
            return Path(self.tls.folder)
        beside = Path(self.store.database or "").parent if self.store.get_backend_name() == "sqlite" else Path()
        return beside / "identity"

    def knows(self, agent_id: str) -> bool:
        """True if this agent may connect."""
        return self.agents == "open" or agent_id in self.agents

    @property
    def evidence_dir(self) -> Path | None:
        """Where pictures are kept; None if none are taken."""
        if self.evidence.dir is not None:
            return self.evidence.dir
        if self.store.get_backend_name() != "sqlite":
            return None
        return Path(self.store.database or "").parent / RECEIVED_EVIDENCE


_CONFIG: TypeAdapter[AggregatorConfig] = TypeAdapter(AggregatorConfig)


def load_config(path: Path) -> AggregatorConfig:
    """Read an aggregator's configuration. Relative paths in it are taken from the file's own folder.

    Raises ``ConfigError``, which lists everything that is wrong in one go.
    """
    file = ConfigFile.read(path)
    data = file.data | {"store": file.data.get("store", DEFAULT_STORE)}
    return _beside(file.validate(_CONFIG, data, _across_fields(file.data)), path.resolve().parent)


def _across_fields(data: dict[str, Any]) -> list[tuple[Where, str]]:
    problems: list[tuple[Where, str]] = []
    listen = data.get("listen", DEFAULT_LISTEN)
    tls = data.get("tls")
    if data.get("insecure") is not True:
        problems += _across_tls(listen, tls if isinstance(tls, dict) else {})
    elif tls is not None:
        problems.append((("tls",), "has no effect with insecure: true: take one of the two out"))
    if (
        data.get("insecure") is True
        and isinstance(listen, str)
        and _ADDRESS.fullmatch(listen)
        and not is_loopback(listen)
    ):
        reach = "can be reached from other machines, and plain text must not be: use 127.0.0.1 or [::1]"
        problems.append((("listen",), f"{listen!r} {reach}"))
    stream = data.get("stream")
    if isinstance(stream, dict):
        window, max_batch = stream.get("window", DEFAULT_WINDOW), stream.get("max_batch", DEFAULT_MAX_BATCH)
        if isinstance(window, int) and isinstance(max_batch, int) and max_batch > window:
            problems.append((("stream", "max_batch"), f"is {max_batch}, more than the window of {window}: lower it"))
    return problems


def _across_tls(listen: Any, tls: dict[str, Any]) -> list[tuple[Where, str]]:
    files = [name for name in ("certificate", "key", "client_ca") if tls.get(name) is not None]
    if files:
        missing = [name for name in ("certificate", "key", "client_ca") if name not in files]
        if missing:
            return [(("tls",), f"{', '.join(missing)} missing: name certificate, key and client_ca, or none of them")]
        return []
    if isinstance(listen, str) and re.match(r"(0\.0\.0\.0|\[::\]):", listen) and not tls.get("names"):
        return [(("tls", "names"), "is missing: list the host names or addresses by which agents reach this machine")]
    if isinstance(listen, str) and listen.endswith(":65535") and tls.get("enrollment_listen") is None:
        return [(("tls", "enrollment_listen"), "is missing: there is no port after 65535")]
    return []


def _under(folder: Path, path: str | None) -> str | None:
    return None if path is None else str(folder / Path(path).expanduser())


def _beside(config: AggregatorConfig, folder: Path) -> AggregatorConfig:
    tls = config.tls
    beside_no_store = None if config.store.get_backend_name() == "sqlite" else "identity"
    tls = replace(
        tls,
        folder=_under(folder, tls.folder or beside_no_store),
        certificate=_under(folder, tls.certificate),
        key=_under(folder, tls.key),
        client_ca=_under(folder, tls.client_ca),
    )
    config = replace(config, tls=tls)
    if config.evidence.dir is not None:
        config = replace(config, evidence=replace(config.evidence, dir=folder / config.evidence.dir.expanduser()))
    if config.places is not None:
        config = replace(config, places=folder / config.places.expanduser())
    if config.store.get_backend_name() != "sqlite":
        return config
    database = (folder / Path(config.store.database or "").expanduser()).resolve()
    return replace(config, store=config.store.set(database=str(database)))
