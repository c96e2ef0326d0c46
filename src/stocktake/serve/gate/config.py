"""How the server is set up: `stocktake serve`'s options and its file; docs/server.md has all settings."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stocktake.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody with this role may see and do. None: all of them."""

    name: str
    accounts: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    """Names of types; `*` stands for any text in them."""
    can_sync: bool = False
    can_edit: bool = False
    """Views, saved queries, policies and tokens of their own."""
    is_admin: bool = False
    """See and end tokens of others, keep policies for all."""


OWNER_ROLE = Role("owner", can_sync=True, can_edit=True, is_admin=True)
"""Of whoever can start the server or read its files."""


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """The provider that people log in with."""

    issuer: str
    client_id: str
    client_secret: str = ""
    client_secret_file: str = ""
    scopes: str = "openid profile email"
    roles_claim: str = "roles"
    """The claim of the ID token that names somebody's roles; with dots, a claim in a claim."""
    name_claim: str = "email"

    def secret(self) -> str:
        """Return the client's secret. Raises: UserError where its file cannot be read."""
        if not self.client_secret_file:
            return self.client_secret
        try:
            return Path(self.client_secret_file).expanduser().read_text("utf-8").strip()
        except OSError as error:
            raise bad_config("oidc.client_secret_file", f"cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """What a sync that is started in the browser or by the API reads: the options of `stocktake sync`."""

    types: tuple[str, ...] = ("aws_sagemaker_trainingjob",)
    regions: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """What one visitor, and all together, may take."""

    requests_a_second: float = 50.0
    burst: int = 200
    body_bytes: int = 1_000_000
    question_seconds: float = 30.0
    sql_seconds: float = 30.0
    sql_memory_bytes: int = 1_000_000_000
    sql_rows: int = 100_000
    sql_result_bytes: int = 64_000_000
    sql_workers: int = 2
    export_rows: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """All of it."""

    catalog: Path
    host: str = "127.0.0.1"
    port: int = 8_765
    public_url: str = ""
    """How browsers reach it, where that is not `http://host:port`: `https://stocktake.example.com`."""
    lock_wait_seconds: float = 5.0
    prices: Path | None = None
    policies: tuple[Path, ...] = ()
    exceptions: Path | None = None
    login: bool = True
    """False: whoever reaches the port is let in; on loopback only."""
    session_hours: float = 12.0
    oidc: OidcConfig | None = None
    roles: tuple[Role, ...] = ()
    """In order: of somebody's roles the first one here counts."""
    default_role: str = ""
    """The role of those who log in and have none of these; '': they are refused."""
    sync: SyncConfig = field(default_factory=SyncConfig)
    limits: LimitConfig = field(default_factory=LimitConfig)
    audit: bool = True

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        return self.host in LOOPBACK

    def role(self, name: str) -> Role | None:
        """Return a role by its name."""
        return next((one for one in (OWNER_ROLE, *self.roles) if one.name == name), None)

    def beside(self, suffix: str) -> Path:
        """Return the path of a file that belongs to the catalog: `catalog.duckdb.suffix`."""
        return self.catalog.with_name(f"{self.catalog.name}.{suffix}")


def check_exposure(config: ServerConfig, *, has_tokens: bool) -> None:
    """Raise UserError where strangers could come in, or could answer in the place of the provider."""
    if config.oidc is not None:
        parts = urlsplit(config.oidc.issuer)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise bad_config("oidc.issuer", "has to be an https:// address")
        config.oidc.secret()
    if config.is_loopback:
        return
    hint = "Set up [oidc] in the server's file, or make a token first: `stocktake token create NAME`."
    if not config.login:
        raise UserError(
            f"Without a login the server listens on loopback only, not on {config.host}",
            code="exposed_without_login",
            hint=hint,
            where=config.host,
        )
    if config.oidc is None and not has_tokens:
        raise UserError(
            f"Nobody could log in on {config.host}: neither OIDC nor a token is set up",
            code="exposed_without_login",
            hint=hint,
            where=config.host,
        )
    if not config.public_url:
        raise UserError(
            f"On {config.host} the server has to know the address that browsers use",
            code="public_url_missing",
            hint='Set public_url = "https://…" in the server\'s file, or --public-url.',
            where="public_url",
        )


def read_config(path: Path | None, base: ServerConfig) -> ServerConfig:
    """Return `base` with what a file says. Raises: UserError, which names the key that is wrong."""
    if path is None:
        return base
    try:
        stated = tomllib.loads(path.expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise bad_config(str(path), str(error)) from error
    folder = path.expanduser().resolve().parent
    server = _section(stated, "server")
    made: dict[str, Any] = _checked("server", server, ServerConfig, without=("oidc", "roles", "sync", "limits"))
    for name in ("catalog", "prices", "exceptions"):
        if name in made:
            made[name] = folder / Path(made[name]).expanduser()
    if "policies" in made:
        made["policies"] = tuple(folder / Path(one).expanduser() for one in made["policies"])
    if "oidc" in stated:
        oidc = _checked("oidc", _section(stated, "oidc"), OidcConfig)
        missing = {"issuer", "client_id"} - set(oidc)
        if missing:
            raise bad_config(f"oidc.{min(missing)}", "is missing")
        made["oidc"] = OidcConfig(**oidc)
    made["roles"] = tuple(
        Role(name, **_checked(f"roles.{name}", said, Role, without=("name",)))
        for name, said in _section(stated, "roles").items()
    )
    made["sync"] = SyncConfig(**_checked("sync", _section(stated, "sync"), SyncConfig))
    made["limits"] = LimitConfig(**_checked("limits", _section(stated, "limits"), LimitConfig))
    unknown = sorted(set(stated) - {"server", "oidc", "roles", "sync", "limits"})
    if unknown:
        raise bad_config(unknown[0], "is no section")
    config = replace(base, **made)
    if OWNER_ROLE.name in _section(stated, "roles"):
        raise bad_config(f"roles.{OWNER_ROLE.name}", "cannot be set: it is the role of who starts the server")
    if config.default_role and config.role(config.default_role) is None:
        raise bad_config("server.default_role", f"is {config.default_role!r}, which is no role")
    if config.public_url and not urlsplit(config.public_url).hostname:
        raise bad_config("server.public_url", "is no address")
    return config


def _section(stated: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = stated.get(name, {})
    if not isinstance(found, dict):
        raise bad_config(name, "is no section")
    return found


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,), "bool": (bool,), "int": (int,), "float": (int, float), "Path": (str,), "str | None": (str,),
    "Path | None": (str,), "tuple[str, ...]": (list,), "tuple[str, ...] | None": (list,), "tuple[Path, ...]": (list,),
}  # fmt: skip


def _checked(section: str, said: object, kind: type, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the values of a section, each of the kind that its setting has."""
    if not isinstance(said, dict):
        raise bad_config(section, "is no section")
    kinds = {one.name: str(one.type) for one in fields(kind) if one.name not in without}
    made: dict[str, Any] = {}
    for name, value in said.items():
        if name not in kinds:
            raise bad_config(f"{section}.{name}", "is no setting")
        allowed = _KINDS[kinds[name]]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            raise bad_config(f"{section}.{name}", f"is {value!r}, which is no {allowed[-1].__name__}")
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise bad_config(f"{section}.{name}", "has an entry that is no text")
        made[name] = tuple(value) if isinstance(value, list) else value
    return made


def bad_config(where: str, what: str) -> UserError:
    """Return what is said of a setting that is wrong."""
    return UserError(f"{where} {what}", code="bad_config", hint="docs/server.md lists the settings.", where=where)
