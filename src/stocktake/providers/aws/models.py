"""AWS API models as botocore ships them, read as data.

Source: `<folder>/<service>/<api version>/{service-2,paginators-1,waiters-2}.json[.gz]`, with botocore's
`*.sdk-extras.json` merged in. Folders are searched in botocore's order: AWS_DATA_PATH, `~/.aws/models`, botocore's own.
botocore's loader itself is not used: reading with orjson is several times faster, and nothing else of it is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore
import orjson

from stocktake.core.errors import UserError

Json = Mapping[str, Any]
"""A part of a model, as JSON gave it."""

_SUFFIXES = (".json", ".json.gz")
_PROTOCOLS = ("json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor", "query", "ec2")
"""Where a service offers several protocols, botocore takes the first of these."""
_VERSION = re.compile(r"""^__version__ = ['"]([^'"]+)['"]""", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class ServiceModel:
    """One service's API: operations, shapes, paginators and waiters. Two are equal only if they are the same."""

    name: str
    """botocore's folder name."""
    api_version: str
    model_version: str
    """`botocore 1.44.5`, or the folder where the model was found."""
    text: bytes = field(repr=False)
    """The model file itself, for searches over everything that it says."""
    description: Json = field(repr=False)
    paginators: Json = field(repr=False)
    waiters: Json = field(repr=False)
    digest: str = ""
    """A hash of all the model's files: the same digest, the same model."""
    find_global_endpoints: Callable[[], frozenset[str]] = field(repr=False, default=frozenset)

    @property
    def is_global(self) -> bool:
        """Return whether the service has one endpoint for all regions."""
        return str(self.metadata["endpointPrefix"]) in self.find_global_endpoints()

    @property
    def metadata(self) -> Json:
        """Return what the model says of the service as a whole."""
        metadata: Json = self.description["metadata"]
        return metadata

    @property
    def operations(self) -> Mapping[str, Json]:
        """Return the operations by name."""
        operations: Mapping[str, Json] = self.description["operations"]
        return operations

    @property
    def shapes(self) -> Mapping[str, Json]:
        """Return the shapes by name."""
        shapes: Mapping[str, Json] = self.description["shapes"]
        return shapes

    @property
    def protocol(self) -> str:
        """Return the wire protocol that botocore speaks with the service, such as `rest-json`."""
        offered = self.metadata.get("protocols", ())
        return next((name for name in _PROTOCOLS if name in offered), str(self.metadata["protocol"]))


class Models:
    """The models found on a search path of folders, first one first."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = folders
        self._loaded: dict[str, ServiceModel] = {}

    @cached_property
    def service_names(self) -> tuple[str, ...]:
        """Return the names of all services that have a model, sorted."""
        return tuple(name for name in self.folder_names if self._versions(name))

    @cached_property
    def folder_names(self) -> tuple[str, ...]:
        """Return the names of all folders that may be services, sorted: quicker than to ask which ones are."""
        return tuple(sorted({entry.name for folder in self.folders for entry in _subfolders(folder)}))

    def has_service(self, service: str) -> bool:
        """Return whether there is a model of the service."""
        return bool(self._versions(service))

    @property
    def version(self) -> str:
        """Return where the models come from, most general folder last: `botocore 1.44.5`."""
        return ", ".join(dict.fromkeys(folder_version(folder) for folder in self.folders if folder.is_dir()))

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash that changes whenever one of the model files does."""
        digest = hashlib.sha256()
        for service in self.service_names:
            version = max(self._versions(service))
            for kind in ("service-2", "paginators-1", "waiters-2"):
                found = self._find(service, version, kind)
                if found is not None:
                    status = found.stat()
                    digest.update(f"{found}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def load(self, service: str) -> ServiceModel:
        """Read the latest model of a service.

        Raises: UserError where there is none, or where it cannot be read.
        """
        if service not in self._loaded:
            self._loaded[service] = self._read(service)
        return self._loaded[service]

    def forget(self, service: str) -> None:
        """Drop a model that was read, so that going through all services does not keep them all."""
        self._loaded.pop(service, None)

    def _read(self, service: str) -> ServiceModel:
        versions = self._versions(service)
        if not versions:
            raise UserError(
                f"There is no model of the service {service!r}.",
                code="unknown_service",
                hint="Name a folder that has it with --models, or a service that botocore knows.",
                where=", ".join(str(folder) for folder in self.folders),
            )
        version = max(versions)
        path = self._find(service, version, "service-2")
        assert path is not None  # noqa: S101 - `_versions` counts only versions with this file
        text = _read_bytes(path)
        description = _parse(text, path)
        seen = hashlib.blake2b(text, digest_size=16)
        self._merge_extras(description, service, version, "service-2", seen)
        return ServiceModel(
            name=service,
            api_version=version,
            model_version=folder_version(path.parents[2]),
            text=text,
            description=description,
            paginators=self._part(service, version, "paginators-1", "pagination", seen),
            waiters=self._part(service, version, "waiters-2", "waiters", seen),
            digest=seen.hexdigest(),
            find_global_endpoints=self._global_endpoints,
        )

    def _global_endpoints(self) -> frozenset[str]:
        return self._endpoints_without_region

    @cached_property
    def _endpoints_without_region(self) -> frozenset[str]:
        """The endpoint prefixes of services that have no regions, in the largest partition."""
        paths = [folder / f"endpoints{suffix}" for folder in self.folders for suffix in _SUFFIXES]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            return frozenset()
        services: Json = _parse(_read_bytes(found), found)["partitions"][0]["services"]
        return frozenset(name for name, stated in services.items() if stated.get("isRegionalized") is False)

    def _part(self, service: str, version: str, kind: str, key: str, seen: hashlib.blake2b) -> Json:
        path = self._find(service, version, kind)
        data: dict[str, Any] = {}
        if path is not None:
            text = _read_bytes(path)
            seen.update(text)
            data = _parse(text, path)
        self._merge_extras(data, service, version, kind, seen)
        part: Json = data.get(key, {})
        return part

    def _merge_extras(self, data: dict[str, Any], service: str, version: str, kind: str, seen: hashlib.blake2b) -> None:
        path = self._find(service, version, f"{kind}.sdk-extras")
        if path is not None:
            text = _read_bytes(path)
            seen.update(text)
            _deep_merge(data, _parse(text, path).get("merge", {}))

    def _find(self, service: str, version: str, kind: str) -> Path | None:
        for folder in self.folders:
            for suffix in _SUFFIXES:
                path = folder / service / version / f"{kind}{suffix}"
                if path.is_file():
                    return path
        return None

    def _versions(self, service: str) -> set[str]:
        return {
            entry.name
            for folder in self.folders
            for entry in _subfolders(folder / service)
            if any(Path(entry.path, f"service-2{suffix}").is_file() for suffix in _SUFFIXES)
        }


def open_models(folder: str | Path | None = None) -> Models:
    """Return the installed models, or those of one folder alone.

    A folder may be a botocore data folder, or one that contains `botocore/data` or `data`.
    Raises: UserError where the folder has no models.
    """
    if folder is None:
        return Models(_default_folders())
    given = Path(folder).expanduser()
    for candidate in (given, given / "data", given / "botocore" / "data"):
        models = Models((candidate.absolute(),))
        if any(models.has_service(entry.name) for entry in _subfolders(candidate)):
            return models
    what = "has no API models" if given.is_dir() else "does not exist"
    raise UserError(
        f"The models folder {str(given)!r} {what}.",
        code="no_models",
        hint="Give a botocore data folder: <folder>/<service>/<api version>/service-2.json, or one with botocore/data.",
        where=str(given),
    )


def folder_version(folder: Path) -> str:
    """Return `botocore <version>` where a data folder belongs to a botocore, else the folder itself."""
    package = folder.parent
    if folder == _installed_folder():
        return f"botocore {botocore.__version__}"
    if folder.name == "data" and package.name == "botocore":
        init = package / "__init__.py"
        stated = _VERSION.search(init.read_text(encoding="utf-8")) if init.is_file() else None
        if stated is not None:
            return f"botocore {stated[1]}"
        for entry in sorted(package.parent.glob("botocore-*.dist-info")):
            return f"botocore {entry.name.removeprefix('botocore-').removesuffix('.dist-info')}"
    return str(folder)


def _installed_folder() -> Path:
    return Path(botocore.BOTOCORE_ROOT, "data")


def _default_folders() -> tuple[Path, ...]:
    stated = os.environ.get("AWS_DATA_PATH", "")
    extra = [Path(os.path.expandvars(part)).expanduser() for part in stated.split(os.pathsep) if part]
    return (*extra, Path.home() / ".aws" / "models", _installed_folder())


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(path, error) from error
    if not isinstance(data, dict):
        raise _unreadable(path, "not a JSON object")
    return data


def _unreadable(path: Path, reason: object) -> UserError:
    return UserError(
        f"The model file {path.name!r} cannot be read: {reason}.",
        code="bad_model",
        hint="Restore the file, or name another folder with --models.",
        where=str(path),
    )


def _deep_merge(base: dict[str, Any], extra: Json) -> None:
    """Merge nested objects into `base`; where both state a value, `extra` wins, as in botocore."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _deep_merge(base[key], value)
        else:
            base[key] = value
