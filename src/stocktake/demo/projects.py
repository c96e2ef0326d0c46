"""A kind of work at one account and region: the parts of its requests, shared between its jobs, and its traits.

A generated job's request is put together from these parts on demand, which is why a job in memory is a few numbers.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from stocktake.demo.draws import token
from stocktake.demo.failures import possible_failures
from stocktake.demo.instances import has_local_storage, is_accelerated, scarcity
from stocktake.demo.landscape import Landscape, role_arn
from stocktake.demo.plan import HOUR, MINUTE, SECOND, Traits
from stocktake.demo.timeline import Limits

if TYPE_CHECKING:
    from stocktake.demo.archetypes import Archetype

Json = dict[str, Any]
_BUILTIN = {"us-east-1": "683313688378", "us-west-2": "246618743249", "eu-west-1": "141502667606"}
_P4DE_REGIONS = ("us-east-1", "us-west-2")
_DEBUGGER = {"us-east-1": "503895931360", "us-west-2": "895741380848", "eu-west-1": "929884845733"}
_OWNERS = ("ana", "bo", "chen", "dara", "eli", "fatima", "goran", "hana", "ines", "jun")

FAKE_SECRETS = (
    {"WANDB_API_KEY": "fake0000fake0000fake0000fake0000fake0000"},
    {"DB_PASSWORD": "not-a-real-password-1234"},
    {"HF_TOKEN": "hf_FAKEfakeFAKEfakeFAKEfakeFAKEfake00"},
    {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
)
"""What people put into environments although they should not; none of these opens anything."""


class Project:
    """One kind of work at one account and region."""

    def __init__(self, kind: Archetype, place: Landscape, seed: int) -> None:
        self.kind = kind
        self.place = place
        self.seed = seed
        self.role = role_arn(place.account, kind.team)
        self.data = f"s3://{place.bucket(kind.team, 'data')}/{kind.id}"
        self.models = f"s3://{place.bucket(kind.team, 'models')}/{kind.id}"
        options = [o for o in kind.instances if "p4de" not in o[0] or place.region in _P4DE_REGIONS]
        self.options = [(t, n) for t, n, weight in options for _ in range(1 if kind.groups else weight)]
        self._traits: dict[tuple[int, bool], Traits] = {}

    def traits(self, option: int, *, spot: bool) -> Traits:
        """Return what the course of a job with this instance choice depends on."""
        known = self._traits.get((option, spot))
        if known is None:
            known = self._traits[option, spot] = self._make_traits(option, spot=spot)
        return known

    def _make_traits(self, option: int, *, spot: bool) -> Traits:
        kind = self.kind
        instance_type, count = self.options[option]
        copies = kind.mode == "File"
        wait = scarcity(instance_type) * (2 if spot else 1)
        places = {"input": f"{self.data}/{kind.channels[0]}/", "output": self.models, "role": self.role}
        return Traits(
            spot=spot,
            scarcity=min(wait, 0.9),
            nodes=count,
            downloads=copies,
            training_median=kind.minutes * MINUTE,
            training_spread=kind.spread,
            download_median=kind.data_minutes * MINUTE,
            upload_median=(20 + kind.minutes / 4) * SECOND,
            failure_rate=kind.failure_rate,
            retries=kind.retries,
            checkpoints=self.checkpoints(spot=spot),
            failures=possible_failures(
                downloads=copies, accelerated=is_accelerated(instance_type), scarce=wait > 0.2, places=places
            ),
        )

    def checkpoints(self, *, spot: bool) -> bool:
        """Say whether a job of this kind writes checkpoints."""
        return self.kind.checkpoint == "always" or (self.kind.checkpoint == "spot" and spot)

    def limits(self, *, spot: bool) -> Limits:
        """Return the limits of a job of this kind."""
        runtime = int(self.kind.max_runtime_hours * HOUR)
        return Limits(runtime=runtime, wait=int(runtime * self.kind.wait_factor)) if spot else Limits(runtime=runtime)

    @lru_cache(maxsize=16)  # noqa: B019  # projects live as long as their cloud, and are few
    def stopping(self, *, spot: bool) -> Json:
        """Return the StoppingCondition."""
        limits = self.limits(spot=spot)
        condition = {"MaxRuntimeInSeconds": limits.runtime // SECOND}
        return condition | ({"MaxWaitTimeInSeconds": limits.wait // SECOND} if spot else {})

    @lru_cache(maxsize=64)  # noqa: B019  # likewise
    def resources(self, option: int, keep_alive: int) -> Json:
        """Return the ResourceConfig."""
        kind = self.kind
        if kind.groups:
            groups = [
                {"InstanceType": t, "InstanceCount": n, "InstanceGroupName": name}
                for (t, n), name in zip(self.options, ("learner", "simulators"), strict=True)
            ]
            return {"InstanceGroups": groups, "VolumeSizeInGB": kind.volume_gb}
        instance_type, count = self.options[option]
        config: Json = {"InstanceType": instance_type, "InstanceCount": count}
        if not has_local_storage(instance_type):
            config["VolumeSizeInGB"] = kind.volume_gb or 50
            if kind.kms == "both":
                config["VolumeKmsKeyId"] = self.place.key_arn(self.place.volume_key)
        elif kind.volume_gb:
            config["VolumeSizeInGB"] = kind.volume_gb
        return config | ({"KeepAlivePeriodInSeconds": keep_alive} if keep_alive else {})

    @lru_cache(maxsize=64)  # noqa: B019  # likewise
    def algorithm(self, release: int) -> Json:
        """Return the AlgorithmSpecification with one release of the image."""
        metrics = [{"Name": name, "Regex": regex} for name, regex in self.kind.metrics]
        return {
            "TrainingImage": self._image(release),
            "TrainingInputMode": self.kind.mode,
            "MetricDefinitions": metrics,
            "EnableSageMakerMetricsTimeSeries": True,
        }

    def _image(self, release: int) -> str:
        origin, _, name = self.kind.image.partition(":")
        region = self.place.region
        if origin == "builtin":
            account = _BUILTIN.get(region, _BUILTIN["us-east-1"])
            return f"{account}.dkr.ecr.{region}.amazonaws.com/{name}"
        if origin == "dlc":
            return f"763104351884.dkr.ecr.{region}.amazonaws.com/{name}"
        pin = {
            "digest": "@sha256:" + token(self.seed, name, release, length=64),
            "tag": f":v{2 + release // 8}.{release % 8}.0",
            "latest": ":latest",
            "none": "",
        }[self.kind.pin]
        return f"{self.place.account}.dkr.ecr.{region}.amazonaws.com/{name}{pin}"

    @lru_cache(maxsize=512)  # noqa: B019  # likewise
    def channels(self, day: str, nodes: int) -> list[Json]:
        """Return the InputDataConfig for one day's data."""
        return [self._channel(name, day, nodes) for name in self.kind.channels]

    def _channel(self, name: str, day: str, nodes: int) -> Json:
        kind = self.kind
        if kind.file_system:
            source: Json = {
                "FileSystemDataSource": {
                    "FileSystemId": self.place.file_system,
                    "FileSystemAccessMode": "ro",
                    "FileSystemType": "EFS",
                    "DirectoryPath": f"/{kind.id}/{name}",
                }
            }
        else:
            spread = "ShardedByS3Key" if kind.sharded and nodes > 1 else "FullyReplicated"
            where = f"{self.data}/{name}/" + ("" if name in {"model", "vocab", "reference"} else f"dt={day}/")
            source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": where, "S3DataDistributionType": spread}}
        channel: Json = {"ChannelName": name, "DataSource": source}
        if kind.compression:
            channel["CompressionType"] = kind.compression
        if kind.record_wrapper:
            channel["RecordWrapperType"] = kind.record_wrapper
        if kind.shuffle and name == "train":
            channel["ShuffleConfig"] = {"Seed": 20_260_000 + len(day)}
        return channel

    @cached_property
    def output(self) -> Json:
        """The OutputDataConfig."""
        config: Json = {"S3OutputPath": f"{self.models}/output"}
        if self.kind.kms == "both":
            config["KmsKeyId"] = self.place.key_arn(self.place.output_key)
        elif self.kind.kms == "output":
            config["KmsKeyId"] = self.place.output_alias
        if self.kind.output:
            config["CompressionType"] = self.kind.output
        return config

    @cached_property
    def vpc(self) -> Json:
        """The VpcConfig."""
        return {"SecurityGroupIds": list(self.place.security_groups), "Subnets": list(self.place.subnets[:2])}

    @cached_property
    def debugging(self) -> Json:
        """The members that turn the debugger on."""
        registry = _DEBUGGER.get(self.place.region, _DEBUGGER["us-east-1"])
        image = f"{registry}.dkr.ecr.{self.place.region}.amazonaws.com/sagemaker-debugger-rules:latest"
        rules = [
            {
                "RuleConfigurationName": name,
                "RuleEvaluatorImage": image,
                "RuleParameters": {"rule_to_invoke": name, "collection_names": "losses"},
            }
            for name in ("LossNotDecreasing", "VanishingGradient")
        ]
        hook = {
            "S3OutputPath": f"{self.models}/debug",
            "CollectionConfigurations": [
                {"CollectionName": "losses", "CollectionParameters": {"save_config": '{"save_interval": 500}'}},
                {"CollectionName": "gradients"},
            ],
        }
        return {"DebugHookConfig": hook, "DebugRuleConfigurations": rules}

    @cached_property
    def profiling(self) -> Json:
        """The members about the profiler."""
        if self.kind.profiler == "off":
            return {"ProfilerConfig": {"DisableProfiler": True}}
        config: Json = {"S3OutputPath": f"{self.models}/profiler", "ProfilingIntervalInMilliseconds": 500}
        if self.kind.profiler != "on":
            return {"ProfilerConfig": config | {"DisableProfiler": False}}
        image = self.debugging["DebugRuleConfigurations"][0]["RuleEvaluatorImage"]
        rule = {
            "RuleConfigurationName": "ProfilerReport",
            "RuleEvaluatorImage": image,
            "RuleParameters": {"rule_to_invoke": "ProfilerReport"},
        }
        config = config | {"ProfilingIntervalInMilliseconds": 1000, "DisableProfiler": False}
        return {"ProfilerConfig": config, "ProfilerRuleConfigurations": [rule]}

    @lru_cache(maxsize=8)  # noqa: B019  # likewise
    def environment(self, secret: int) -> dict[str, str]:
        """Return the environment variables, with one of the fake secrets or, for 0, without."""
        plain = self.kind.environment | {"TEAM": self.kind.team}
        return plain | FAKE_SECRETS[secret - 1] if secret else plain

    @lru_cache(maxsize=256)  # noqa: B019  # likewise
    def tags(self, owner: int, stage: int) -> list[dict[str, str]]:
        """Return the tags as this team writes them."""
        kind = self.kind
        env = ("prod", "dev", "staging", "dev")[stage % 4]
        who = _OWNERS[owner % len(_OWNERS)]
        if kind.tag_style == "none":
            return []
        if kind.tag_style == "partial":
            pairs = {"Project": kind.id, "Owner": f"{who}@acme.example"}
        else:
            pairs = {"team": kind.team, "project": kind.id, "env": env, "owner": who}
            if stage % 16 < 14:
                pairs["cost-center"] = kind.cost_center
        if kind.tag_style == "pipeline":
            arn = f"arn:aws:sagemaker:{self.place.region}:{self.place.account}:pipeline/{kind.id}"
            pairs["sagemaker:pipeline-execution-arn"] = f"{arn}/execution/{token(self.seed, kind.id, owner, length=12)}"
        return [{"Key": key, "Value": value} for key, value in pairs.items()]
