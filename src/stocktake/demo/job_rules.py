"""What a training-job request must satisfy beyond the model's constraints.

Source: the documentation of CreateTrainingJob and UpdateTrainingJob in botocore's model, and the page of the type.
Each rule yields a message that names the members it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from stocktake.demo.api_errors import invalid
from stocktake.demo.channel_rules import channel_rules
from stocktake.demo.instances import has_local_storage

Json = dict[str, Any]
Rule = Callable[[Json], Iterator[str]]

DAY_SECONDS = 86_400
_INTERVALS = (100, 200, 500, 1000, 5000, 60000)
_COLLECTION_KEYS = {"name", "include_regex", "reduction_config", "save_config", "tensor_names", "save_histogram"}
_PROFILING_KEYS = {"DetailedProfilingConfig", "PythonProfilingConfig", "DataLoaderProfilingConfig"}
_IMAGE = re.compile(r"[^/\s]+/[^:@\s]+(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
_KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:"
_KEY_ID = r"(mrk-)?[0-9a-f-]{32,40}"
_VOLUME_KEY = re.compile(rf"({_KEY_ARN}key/)?{_KEY_ID}")
_OUTPUT_KEY = re.compile(rf"({_KEY_ARN}key/)?{_KEY_ID}|({_KEY_ARN})?alias/[A-Za-z0-9:/_-]+")


def check_create(request: Json) -> None:
    """Refuse a CreateTrainingJob request that the service would refuse.

    Raises:
        ApiError: a ValidationException whose message names the member.
    """
    _refuse_first(request, _CREATE)


def check_update(request: Json) -> None:
    """Refuse an UpdateTrainingJob request whose profiler settings the service would refuse.

    Raises:
        ApiError: a ValidationException whose message names the member.
    """
    _refuse_first(request, (_profiler, _unique_names))


def _refuse_first(request: Json, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        for message in rule(request):
            raise invalid(message)


def _required_together(request: Json) -> Iterator[str]:
    if request.get("ServerlessJobConfig"):
        return
    for name in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if request.get(name) is None:
            yield f"{name} is required for a training job that is not serverless."


def _serverless(request: Json) -> Iterator[str]:
    config = request.get("ServerlessJobConfig")
    if not config:
        return
    if request.get("AlgorithmSpecification") or request.get("ResourceConfig"):
        yield "ServerlessJobConfig is mutually exclusive with AlgorithmSpecification and ResourceConfig."
    if config["JobType"] == "Evaluation" and not config.get("EvaluationType"):
        yield "ServerlessJobConfig.EvaluationType is required when ServerlessJobConfig.JobType is Evaluation."


def _algorithm(request: Json) -> Iterator[str]:
    algorithm = request.get("AlgorithmSpecification")
    if not algorithm:
        return
    image = algorithm.get("TrainingImage")
    if (image is None) == (algorithm.get("AlgorithmName") is None):
        yield (
            "You must specify either AlgorithmSpecification.AlgorithmName or AlgorithmSpecification.TrainingImage, "
            "and not both."
        )
    if image is not None and not _IMAGE.fullmatch(image):
        yield f"Invalid AlgorithmSpecification.TrainingImage: {image} is not registry/repository[:tag|@digest]."
    access = algorithm.get("TrainingImageConfig")
    if access:
        private = access["TrainingRepositoryAccessMode"] == "Vpc"
        if access.get("TrainingRepositoryAuthConfig") and not private:
            yield "TrainingImageConfig.TrainingRepositoryAuthConfig requires TrainingRepositoryAccessMode to be Vpc."
        if private and not request.get("VpcConfig"):
            yield "TrainingImageConfig.TrainingRepositoryAccessMode Vpc requires VpcConfig."
    for definition in algorithm.get("MetricDefinitions") or ():
        yield from _metric(definition)


def _metric(definition: Json) -> Iterator[str]:
    where = f"AlgorithmSpecification.MetricDefinitions: Regex of metric {definition['Name']}"
    try:
        groups = re.compile(definition["Regex"]).groups
    except re.error as error:
        yield f"{where} is no regular expression: {error}."
    else:
        if not groups:
            yield f"{where} must capture the metric's value in a group."


def _output(request: Json) -> Iterator[str]:
    output = request["OutputDataConfig"]
    key = output.get("KmsKeyId")
    if not key:
        return
    if not _OUTPUT_KEY.fullmatch(key):
        yield f"OutputDataConfig.KmsKeyId {key} is no key id, key ARN, alias or alias ARN."
    if "--x-s3" in output["S3OutputPath"].split("/")[2]:
        yield "OutputDataConfig.KmsKeyId is not supported for Amazon S3 Express One Zone."


def instance_types(request: Json) -> list[str]:
    """Return the instance types that a request may run on."""
    config = request.get("ResourceConfig") or {}
    several = (config.get("InstanceGroups") or []) + (config.get("InstancePreferences") or [])
    return [group["InstanceType"] for group in several] or [t for t in (config.get("InstanceType"),) if t]


def _cluster(request: Json) -> Iterator[str]:
    config = request.get("ResourceConfig")
    if not config:
        return
    groups, preferences = config.get("InstanceGroups"), config.get("InstancePreferences")
    if config.get("SelectedInstanceType") or config.get("SelectedInstanceCount"):
        yield "ResourceConfig.SelectedInstanceType and SelectedInstanceCount are read-only."
    if groups and (config.get("InstanceType") or config.get("InstanceCount") or preferences):
        yield "ResourceConfig.InstanceGroups is mutually exclusive with InstanceType and InstanceCount."
    if preferences:
        yield from _preferences(request, config)
    elif not groups:
        if not config.get("InstanceType"):
            yield "ResourceConfig.InstanceType is required without InstanceGroups."
        if not config.get("InstanceCount"):
            yield "ResourceConfig.InstanceCount must be at least 1."
    names = [group["InstanceGroupName"] for group in groups or ()]
    if len(names) > len(set(names)):
        yield "ResourceConfig.InstanceGroups: InstanceGroupName must be unique."
    if any(not group["InstanceCount"] for group in groups or ()):
        yield "ResourceConfig.InstanceGroups: InstanceCount must be at least 1."


def _preferences(request: Json, config: Json) -> Iterator[str]:
    preferences = config["InstancePreferences"]
    if config.get("InstanceType") or config.get("InstancePlacementConfig") or request.get("EnableManagedSpotTraining"):
        yield (
            "ResourceConfig.InstancePreferences is mutually exclusive with InstanceType, InstanceGroups, "
            "InstancePlacementConfig and EnableManagedSpotTraining."
        )
    types = [preference["InstanceType"] for preference in preferences]
    if len(types) > len(set(types)):
        yield "ResourceConfig.InstancePreferences: an InstanceType can appear only once."
    counts = [preference for preference in preferences if preference.get("InstanceCount")]
    if bool(config.get("InstanceCount")) == bool(counts) or (counts and len(counts) < len(preferences)):
        yield ("Set InstanceCount in all of ResourceConfig.InstancePreferences or in ResourceConfig, and not in both.")
    if config.get("TrainingPlanArn") and any(preference.get("TrainingPlanArns") for preference in preferences):
        yield "ResourceConfig.InstancePreferences: TrainingPlanArns is mutually exclusive with TrainingPlanArn."


def _volume(request: Json) -> Iterator[str]:
    config = request.get("ResourceConfig") or {}
    key = config.get("VolumeKmsKeyId")
    types = instance_types(request)
    local = [name for name in types if has_local_storage(name)]
    if key and local:
        yield f"ResourceConfig.VolumeKmsKeyId is not supported for {local[0]}, which uses local instance storage."
    if key and not _VOLUME_KEY.fullmatch(key):
        yield f"ResourceConfig.VolumeKmsKeyId {key} is no key id or key ARN."
    if len(local) < len(types) and not config.get("VolumeSizeInGB"):
        yield "ResourceConfig.VolumeSizeInGB is required for instance types without local instance storage."


def _warm_pool(request: Json) -> Iterator[str]:
    config = request.get("ResourceConfig") or {}
    if not config.get("KeepAlivePeriodInSeconds"):
        return
    if request.get("EnableManagedSpotTraining"):
        yield "ResourceConfig.KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining."
    if config.get("InstanceGroups"):
        yield "ResourceConfig.KeepAlivePeriodInSeconds is not supported with InstanceGroups."


def _stopping(request: Json) -> Iterator[str]:
    condition = request.get("StoppingCondition") or {}
    runtime = condition.get("MaxRuntimeInSeconds", DAY_SECONDS)
    wait = condition.get("MaxWaitTimeInSeconds")
    spot = bool(request.get("EnableManagedSpotTraining"))
    if runtime > 28 * DAY_SECONDS:
        yield f"StoppingCondition.MaxRuntimeInSeconds must be at most {28 * DAY_SECONDS} (28 days)."
    if spot and wait is None:
        yield "StoppingCondition.MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is True."
    if not spot and wait is not None:
        yield "StoppingCondition.MaxWaitTimeInSeconds can only be set when EnableManagedSpotTraining is True."
    if wait is not None and wait < runtime:
        yield f"Invalid StoppingCondition.MaxWaitTimeInSeconds {wait}: it must be >= MaxRuntimeInSeconds {runtime}."


def _network(request: Json) -> Iterator[str]:
    vpc = request.get("VpcConfig") or {}
    bad = [name for name in vpc.get("SecurityGroupIds", ()) if not name.startswith("sg-")]
    bad += [name for name in vpc.get("Subnets", ()) if not name.startswith("subnet-")]
    if bad:
        yield f"VpcConfig: SecurityGroupIds begin with sg- and Subnets with subnet-; {bad[0]} is neither."


def _profiler(request: Json) -> Iterator[str]:
    config = request.get("ProfilerConfig") or {}
    interval = config.get("ProfilingIntervalInMilliseconds", 500)
    if interval not in _INTERVALS:
        yield (
            f"ProfilerConfig.ProfilingIntervalInMilliseconds {interval} is none of {', '.join(map(str, _INTERVALS))}."
        )
    unknown = set(config.get("ProfilingParameters") or ()) - _PROFILING_KEYS
    if unknown:
        yield f"ProfilerConfig.ProfilingParameters: unknown key {min(unknown)}."


def _unique_names(request: Json) -> Iterator[str]:
    hooks = (request.get("DebugHookConfig") or {}).get("CollectionConfigurations") or ()
    names = [hook.get("CollectionName") for hook in hooks]
    rules = [*(request.get("DebugRuleConfigurations") or ()), *(request.get("ProfilerRuleConfigurations") or ())]
    names += [rule["RuleConfigurationName"] for rule in rules]
    if len(names) > len(set(names)):
        yield "CollectionName and RuleConfigurationName must be unique relative to other rule configuration names."
    for rule in rules:
        if rule.get("InstanceType") and not rule.get("VolumeSizeInGB"):
            yield f"Rule {rule['RuleConfigurationName']}: a rule with InstanceType needs VolumeSizeInGB of at least 1."
    for hook in hooks:
        unknown = set(hook.get("CollectionParameters") or ()) - _COLLECTION_KEYS
        if unknown:
            yield f"DebugHookConfig.CollectionConfigurations: unknown CollectionParameters key {min(unknown)}."


def _experiment(request: Json) -> Iterator[str]:
    config = request.get("ExperimentConfig") or {}
    if config.get("RunName") and not config.get("ExperimentName"):
        yield "ExperimentConfig.RunName requires ExperimentConfig.ExperimentName."


def _tags(request: Json) -> Iterator[str]:
    keys = [tag["Key"] for tag in request.get("Tags") or ()]
    if len(keys) > len(set(keys)):
        yield "Tags: tag keys must be unique per resource."
    if any(key.lower().startswith("aws:") for key in keys):
        yield "Tags: tag keys beginning with aws: are reserved."


_CREATE: tuple[Rule, ...] = (
    _required_together, _serverless, _algorithm, channel_rules, _output, _cluster, _volume, _warm_pool, _stopping,
    _network, _profiler, _unique_names, _experiment, _tags,
)  # fmt: skip
