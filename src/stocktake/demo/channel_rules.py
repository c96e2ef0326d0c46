"""What the input channels of a training-job request must satisfy beyond the model's constraints.

Source: the documentation of Channel and S3DataSource in botocore's model, and the page of the type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]


def channel_rules(request: Json) -> Iterator[str]:
    """Yield a message for each rule that the channels of a request break."""
    channels = request.get("InputDataConfig") or ()
    names = [channel["ChannelName"] for channel in channels]
    if len(names) > len(set(names)):
        yield "InputDataConfig: ChannelName must be unique within a training job."
    job_mode = (request.get("AlgorithmSpecification") or {}).get("TrainingInputMode")
    for channel in channels:
        mode = channel.get("InputMode") or job_mode
        where = f"InputDataConfig channel {channel['ChannelName']}"
        yield from _channel_mode(channel, mode, where)
        yield from _channel_source(channel["DataSource"], mode, where, request)


def _channel_mode(channel: Json, mode: str | None, where: str) -> Iterator[str]:
    if channel.get("CompressionType", "None") != "None" and mode != "Pipe":
        yield f"{where}: CompressionType is used only in Pipe input mode; the channel's mode is {mode}."
    if channel.get("RecordWrapperType", "None") != "None" and mode == "File":
        yield f"{where}: RecordWrapperType must be unset or None in File input mode."
    if channel.get("ContentType") == "application/x-sagemaker-model" and mode != "File":
        yield f"{where}: a model for incremental training needs InputMode File."


def _channel_source(source: Json, mode: str | None, where: str, request: Json) -> Iterator[str]:
    given = [name for name in ("S3DataSource", "FileSystemDataSource", "DatasetSource") if source.get(name)]
    if len(given) != 1:
        yield f"{where}: DataSource must hold exactly one source; it holds {', '.join(given) or 'none'}."
        return
    if given[0] == "FileSystemDataSource":
        if not request.get("VpcConfig"):
            yield f"{where}: FileSystemDataSource requires VpcConfig."
        if not source["FileSystemDataSource"]["DirectoryPath"].startswith("/"):
            yield f"{where}: FileSystemDataSource.DirectoryPath must be absolute."
    if given[0] == "S3DataSource":
        yield from _s3_source(source["S3DataSource"], mode, where, request)


def _s3_source(source: Json, mode: str | None, where: str, request: Json) -> Iterator[str]:
    kind = source["S3DataType"]
    if kind == "AugmentedManifestFile" and mode != "Pipe":
        yield f"{where}: S3DataType AugmentedManifestFile can only be used if the channel's input mode is Pipe."
    if source.get("AttributeNames") and kind != "AugmentedManifestFile":
        yield f"{where}: AttributeNames can only be used with S3DataType AugmentedManifestFile."
    if kind in {"ManifestFile", "AugmentedManifestFile"} and source["S3Uri"].endswith("/"):
        yield f"{where}: S3Uri must name one object for S3DataType {kind}."
    access = source.get("ModelAccessConfig")
    if access and not access["AcceptEula"]:
        yield f"{where}: ModelAccessConfig.AcceptEula must be explicitly defined as True."
    hub = source.get("HubAccessConfig")
    if hub and not re.search(r":hub-content/[^/]+/ModelReference/", hub["HubContentArn"]):
        yield f"{where}: HubAccessConfig.HubContentArn must be a ModelReference."
    groups = {g["InstanceGroupName"] for g in (request.get("ResourceConfig") or {}).get("InstanceGroups") or ()}
    missing = [name for name in source.get("InstanceGroupNames") or () if name not in groups]
    if missing:
        yield f"{where}: InstanceGroupNames {', '.join(missing)} not found in ResourceConfig.InstanceGroups."
