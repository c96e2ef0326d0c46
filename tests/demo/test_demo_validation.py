from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

EBS = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/team/trainer:v1"
RULE = {"RuleConfigurationName": "r", "RuleEvaluatorImage": "1.dkr.ecr.us-east-1.amazonaws.com/rules:latest"}
ARN = "arn:aws:sagemaker:us-east-1:111122223333"


def algorithm(**changes: Any) -> dict[str, Any]:
    given = {"TrainingImage": IMAGE, "TrainingInputMode": "File"} | changes
    return {"AlgorithmSpecification": {key: value for key, value in given.items() if value is not None}}


def channels(*several: dict[str, Any]) -> dict[str, Any]:
    return {"InputDataConfig": list(several)}


def channel(name: str = "train", source: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3} if source is None else source} | changes


def s3(**changes: Any) -> dict[str, Any]:
    return {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"} | changes}


def efs(**changes: Any) -> dict[str, Any]:
    system = {
        "FileSystemId": "fs-12345678",
        "FileSystemType": "EFS",
        "FileSystemAccessMode": "ro",
        "DirectoryPath": "/x",
    }
    return {"FileSystemDataSource": system | changes}


def resources(**changes: Any) -> dict[str, Any]:
    return {"ResourceConfig": {key: value for key, value in (EBS | changes).items() if value is not None}}


def group(name: str, count: int = 1) -> dict[str, Any]:
    return {"InstanceGroupName": name, "InstanceType": "ml.m5.xlarge", "InstanceCount": count}


def groups(*several: dict[str, Any]) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceGroups": list(several), "VolumeSizeInGB": 30}}


def stopping(spot: bool | None = None, **limits: int) -> dict[str, Any]:
    return {"StoppingCondition": limits, "EnableManagedSpotTraining": spot}


VPC = {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}
PREFERENCES = [{"InstanceType": "ml.m5.xlarge"}, {"InstanceType": "ml.m5.2xlarge"}]

# Each case: what is wrong with the request, and what the message names.
MODEL: dict[str, tuple[dict[str, Any], str]] = {
    "name pattern": ({"TrainingJobName": "a_b"}, "'trainingJobName'.*regular expression pattern"),
    "name length": ({"TrainingJobName": "a" * 64}, "'trainingJobName'.*length less than or equal to 63"),
    "no role": ({"RoleArn": None}, "Value null at 'roleArn'.*Member must not be null"),
    "role": ({"RoleArn": "arn:aws:iam::1:user/some-user"}, "'roleArn'.*pattern"),
    "no output": ({"OutputDataConfig": None}, "null at 'outputDataConfig'"),
    "output path": ({"OutputDataConfig": {"S3OutputPath": "/local"}}, "'outputDataConfig.s3OutputPath'"),
    "input mode": (algorithm(TrainingInputMode="Stream"), "trainingInputMode'.*enum value set: .Pipe, File, FastFile"),
    "instance type": (resources(InstanceType="ml.zz.large"), "'resourceConfig.instanceType'.*enum"),
    "negative count": (resources(InstanceCount=-1), "instanceCount'.*greater than or equal to 0"),
    "keep alive": (resources(KeepAlivePeriodInSeconds=30000), "keepAlivePeriodInSeconds'.*less than or equal to 21600"),
    "pending": (stopping(MaxPendingTimeInSeconds=60), "maxPendingTimeInSeconds'.*greater than or equal to 1800"),
    "retries": ({"RetryStrategy": {"MaximumRetryAttempts": 31}}, "maximumRetryAttempts'.*less than or equal to 30"),
    "hyperparameters": ({"HyperParameters": {str(n): "" for n in range(101)}}, "'hyperParameters'.*length"),
    "environment": ({"Environment": {"1x": "a"}}, "'environment.key'.*pattern"),
    "metric count": (algorithm(MetricDefinitions=[{"Name": "m", "Regex": "(r)"}] * 41), "metricDefinitions'.*40"),
    "channel count": (channels(*[channel(f"c{n}") for n in range(21)]), "'inputDataConfig'.*20"),
    "checkpoint": ({"CheckpointConfig": {"S3Uri": "/local/x"}}, "'checkpointConfig.s3Uri'"),
    "data type": (channels(channel(source=s3(S3DataType="Zip"))), "'inputDataConfig.1.member.dataSource.s3DataSource"),
    "distribution": (channels(channel(source=s3(S3DataDistributionType="Random"))), "s3DataDistributionType"),
    "file system mode": (channels(channel(source=efs(FileSystemAccessMode="rx"))), "fileSystemAccessMode"),
    "file system id": (channels(channel(source=efs(FileSystemId="nfs-12345678"))), "fileSystemId"),
    "tag key": ({"Tags": [{"Key": "a*b", "Value": ""}]}, "'tags.1.member.key'"),
    "access mode": (
        algorithm(TrainingImageConfig={"TrainingRepositoryAccessMode": "Public"}) | VPC,
        "trainingRepositoryAccessMode",
    ),
}  # fmt: skip

RULES: dict[str, tuple[dict[str, Any], str]] = {
    "image and algorithm": (algorithm(AlgorithmName="algo"), "AlgorithmName or AlgorithmSpecification.TrainingImage"),
    "neither": (algorithm(TrainingImage=None), "AlgorithmName or AlgorithmSpecification.TrainingImage"),
    "image form": (algorithm(TrainingImage="justaname"), "TrainingImage"),
    "no algorithm": ({"AlgorithmSpecification": None}, "AlgorithmSpecification is required"),
    "no resources": ({"ResourceConfig": None}, "ResourceConfig is required"),
    "regex": (algorithm(MetricDefinitions=[{"Name": "m", "Regex": "(x"}]), "MetricDefinitions.*metric m"),
    "regex without group": (algorithm(MetricDefinitions=[{"Name": "m", "Regex": "x"}]), "must capture"),
    "private image without vpc": (
        algorithm(TrainingImageConfig={"TrainingRepositoryAccessMode": "Vpc"}), "requires VpcConfig"),
    "credentials for the platform": (
        algorithm(TrainingImageConfig={"TrainingRepositoryAccessMode": "Platform", "TrainingRepositoryAuthConfig": {
            "TrainingRepositoryCredentialsProviderArn": "arn:aws:lambda:us-east-1:111122223333:function:f"}}),
        "TrainingRepositoryAuthConfig"),
    "compression outside pipe": (channels(channel(CompressionType="Gzip")), "CompressionType is used only in Pipe"),
    "record wrapper in file mode": (channels(channel(RecordWrapperType="RecordIO")), "RecordWrapperType"),
    "augmented outside pipe": (
        channels(channel(source=s3(S3DataType="AugmentedManifestFile", S3Uri="s3://b/m", AttributeNames=["a"]))),
        "AugmentedManifestFile can only be used"),
    "attributes of a prefix": (channels(channel(source=s3(AttributeNames=["a"]))), "AttributeNames"),
    "manifest prefix": (channels(channel(source=s3(S3DataType="ManifestFile"))), "S3Uri must name one object"),
    "no eula": (channels(channel(source=s3(ModelAccessConfig={"AcceptEula": False}))), "AcceptEula"),
    "hub content": (
        channels(channel(source=s3(HubAccessConfig={"HubContentArn": f"{ARN}:hub-content/h/Model/m/1"}))),
        "ModelReference"),
    "unknown group": (channels(channel(source=s3(InstanceGroupNames=["ghost"]))), "InstanceGroupNames ghost"),
    "two sources": (channels(channel(source=s3() | efs())) | VPC, "exactly one source"),
    "no source": (channels(channel(source={})), "exactly one source"),
    "file system without vpc": (channels(channel(source=efs())), "FileSystemDataSource requires VpcConfig"),
    "relative directory": (channels(channel(source=efs(DirectoryPath="x"))) | VPC, "must be absolute"),
    "same channel twice": (channels(channel(), channel()), "ChannelName must be unique"),
    "earlier model by pipe": (
        channels(channel(ContentType="application/x-sagemaker-model", InputMode="Pipe")), "incremental training"),
    "output key": ({"OutputDataConfig": {"S3OutputPath": "s3://b/p", "KmsKeyId": "my-key"}}, "OutputDataConfig.Kms"),
    "express key": ({"OutputDataConfig": {"S3OutputPath": "s3://b--use1-az4--x-s3/p", "KmsKeyId": KEY}}, "Express"),
    "groups and type": (
        {"ResourceConfig": {"InstanceGroups": [group("a")]} | EBS}, "InstanceGroups is mutually exclusive"),
    "groups of one name": (groups(group("a"), group("a")), "InstanceGroupName must be unique"),
    "empty group": (groups(group("a", 0)), "InstanceCount must be at least 1"),
    "no type": (resources(InstanceType=None), "InstanceType is required"),
    "no instances": (resources(InstanceCount=0), "InstanceCount must be at least 1"),
    "preferences and type": (resources(InstancePreferences=PREFERENCES), "InstancePreferences is mutually exclusive"),
    "preferences without count": (
        resources(InstanceType=None, InstanceCount=None, InstancePreferences=PREFERENCES), "Set InstanceCount"),
    "preferences of one type": (
        resources(InstanceType=None, InstancePreferences=PREFERENCES[:1] * 2), "can appear only once"),
    "selected type": (resources(SelectedInstanceType="ml.m5.xlarge"), "read-only"),
    "volume key on local storage": (
        {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeKmsKeyId": KEY}},
        "VolumeKmsKeyId is not supported for ml.g5.xlarge"),
    "volume alias": (resources(VolumeKmsKeyId="alias/x"), "VolumeKmsKeyId alias/x"),
    "no volume": (resources(VolumeSizeInGB=None), "VolumeSizeInGB is required"),
    "warm spot": (
        resources(KeepAlivePeriodInSeconds=600)
        | stopping(True, MaxRuntimeInSeconds=60, MaxWaitTimeInSeconds=60),
        "KeepAlivePeriodInSeconds is not supported with EnableManagedSpotTraining"),
    "warm groups": (
        {"ResourceConfig": groups(group("a"))["ResourceConfig"] | {"KeepAlivePeriodInSeconds": 600}},
        "KeepAlivePeriodInSeconds is not supported with InstanceGroups"),
    "more than 28 days": (stopping(MaxRuntimeInSeconds=3_000_000), "MaxRuntimeInSeconds must be at most 2419200"),
    "spot without wait": (stopping(True, MaxRuntimeInSeconds=60), "MaxWaitTimeInSeconds is required"),
    "wait without spot": (stopping(MaxWaitTimeInSeconds=100_000), "MaxWaitTimeInSeconds can only be set"),
    "wait below runtime": (
        stopping(True, MaxRuntimeInSeconds=60, MaxWaitTimeInSeconds=59), "it must be >= MaxRuntimeInSeconds 60"),
    "wait below default runtime": (stopping(True, MaxWaitTimeInSeconds=3600), ">= MaxRuntimeInSeconds 86400"),
    "security group": ({"VpcConfig": {"SecurityGroupIds": ["g-1"], "Subnets": ["subnet-1"]}}, "VpcConfig.*g-1"),
    "profiling interval": (
        {"ProfilerConfig": {"ProfilingIntervalInMilliseconds": 250}}, "ProfilingIntervalInMilliseconds 250"),
    "profiling parameter": ({"ProfilerConfig": {"ProfilingParameters": {"Foo": "1"}}}, "unknown key Foo"),
    "rule twice": (
        {"DebugRuleConfigurations": [RULE], "ProfilerRuleConfigurations": [RULE]}, "RuleConfigurationName must be"),
    "rule without volume": (
        {"DebugRuleConfigurations": [RULE | {"InstanceType": "ml.t3.medium"}]}, "VolumeSizeInGB of at least 1"),
    "collection parameter": (
        {"DebugHookConfig": {"S3OutputPath": "s3://b/d", "CollectionConfigurations": [
            {"CollectionName": "x", "CollectionParameters": {"foo": "1"}}]}}, "CollectionParameters key foo"),
    "run without experiment": ({"ExperimentConfig": {"RunName": "r"}}, "RunName requires"),
    "tag twice": ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "tag keys must be unique"),
    "reserved tag": ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "reserved"),
    "serverless with image": (
        {"ServerlessJobConfig": {"BaseModelArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/Hub/Model/m",
                                 "JobType": "FineTuning"}}, "ServerlessJobConfig is mutually exclusive"),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(estate_desk: Any) -> Any:
    return estate_desk


@pytest.mark.parametrize("case", sorted(MODEL.keys() | RULES.keys()))
def test_a_wrong_request_is_refused_and_the_member_named(desk: Any, case: str) -> None:
    changes, named = (MODEL | RULES)[case]
    with pytest.raises(ClientError, match=f"(?s)ValidationException.*{named}") as refused:
        desk.sagemaker.create_training_job(**desk.request("refused", **changes))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert desk.sagemaker.list_training_jobs(NameContains="refused", MaxResults=100)["TrainingJobSummaries"] == []


def test_several_faults_are_told_at_once(desk: Any) -> None:
    with pytest.raises(ClientError, match=r"2 validation errors detected: .*; Value"):
        desk.create("refused", RoleArn="x" * 30, OutputDataConfig={"S3OutputPath": "/local"})


def test_a_value_of_another_type_cannot_be_read(desk: Any) -> None:
    """boto3's serializer would not write such a body, so it is put in its place."""
    client = desk.client("sagemaker", parameter_validation=False)  # one of its own, for it is tampered with

    def replace(request: Any, **_: Any) -> None:
        request.data = b'{"TrainingJobName": "x", "ResourceConfig": {"InstanceCount": "two"}}'

    client.meta.events.register("before-sign.sagemaker.CreateTrainingJob", replace)
    with pytest.raises(ClientError, match=r"SerializationException.*instanceCount"):
        client.create_training_job(TrainingJobName="x")


def test_pipe_options_are_accepted_in_pipe_mode(desk: Any) -> None:
    train = channel(CompressionType="Gzip", RecordWrapperType="RecordIO", InputMode="Pipe", ShuffleConfig={"Seed": 1})
    desk.create("pipe-options", InputDataConfig=[train])
    assert desk.describe("pipe-options")["InputDataConfig"] == [train]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("output-alias", {"OutputDataConfig": {"S3OutputPath": "s3://b/p", "KmsKeyId": "alias/ExampleAlias"}}),
        ("output-key-id", {"OutputDataConfig": {"S3OutputPath": "s3://b", "KmsKeyId": KEY.rpartition("/")[2]}}),
        ("volume-key", resources(VolumeKmsKeyId=KEY)),
        ("groups", groups(group("a"), group("b"))),
        ("preferences", resources(InstanceType=None, InstancePreferences=PREFERENCES)),
        ("by-digest", algorithm(TrainingImage="1.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "0" * 64)),
        ("by-algorithm", algorithm(TrainingImage=None, AlgorithmName="my-algorithm")),
        ("file-system", channels(channel(source=efs())) | VPC),
    ],
)
def test_what_the_page_allows_is_accepted(desk: Any, name: str, changes: dict[str, Any]) -> None:
    desk.create(name, **changes)
    assert desk.describe(name)["TrainingJobStatus"] == "InProgress"


def test_names_are_unique_in_an_account_and_region(desk: Any) -> None:
    arn = desk.create("taken")
    with pytest.raises(ClientError, match=f"ResourceInUse.*already exists.*{arn}"):
        desk.create("taken")
    other = type(desk)(desk.cloud, region="eu-west-1")
    assert other.create("taken") != arn


def test_unknown_jobs_are_not_found(desk: Any) -> None:
    for call in ("describe_training_job", "stop_training_job", "delete_training_job", "update_training_job"):
        with pytest.raises(ClientError, match=r"ResourceNotFound.*Requested resource not found"):
            getattr(desk.sagemaker, call)(TrainingJobName="nowhere")
    with pytest.raises(desk.sagemaker.exceptions.ResourceNotFound):
        desk.describe("nowhere")
