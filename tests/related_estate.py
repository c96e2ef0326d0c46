"""A small estate of many services, made in a server that nobody here wrote, and who refers to whom in it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import boto3

Edge = tuple[str, str, str]
"""Source, field, target: each by the last part of what identifies it."""
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
REGION = "us-east-1"
ACCOUNT = "123456789012"
TYPES = (
    "aws_ec2_vpc", "aws_ec2_subnet", "aws_ec2_securitygroup", "aws_ec2_instance", "aws_ec2_volume",
    "aws_ec2_networkinterface", "aws_ec2_routetable", "aws_ec2_internetgateway", "aws_ec2_keypair", "aws_ec2_snapshot",
    "aws_iam_role", "aws_iam_instanceprofile", "aws_kms_key", "aws_kms_alias", "aws_s3_bucket", "aws_ecr_repository",
    "aws_lambda_function", "aws_lambda_eventsourcemapping", "aws_ecs_cluster", "aws_ecs_service",
    "aws_ecs_taskdefinition", "aws_elbv2_loadbalancer", "aws_elbv2_targetgroup", "aws_elbv2_listener",
    "aws_logs_loggroup", "aws_sns_topic", "aws_sns_subscription", "aws_rds_dbinstance", "aws_rds_dbsubnetgroup",
    "aws_secretsmanager_secret", "aws_stepfunctions_statemachine", "aws_dynamodb_table", "aws_efs_filesystem",
    "aws_efs_mounttarget", "aws_sagemaker_model", "aws_sagemaker_endpointconfig", "aws_sagemaker_endpoint",
    "aws_autoscaling_autoscalinggroup", "aws_firehose_deliverystream", "aws_kinesis_stream",
)  # fmt: skip


class Seeding:
    """Makes resources, and notes the edges that making them creates."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.edges: set[Edge] = set()

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self._endpoint, region_name=REGION)

    def note(self, source: str, **fields: str | list[str]) -> None:
        for field, targets in fields.items():
            for target in [targets] if isinstance(targets, str) else targets:
                self.edges.add((last_part(source), field, last_part(target)))

    def run(self) -> None:
        self._network()
        self._identity()
        self._compute()
        self._containers()
        self._data()
        self._messages()
        self._learning()

    def _network(self) -> None:
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
                "SubnetId"
            ]
            for n, zone in enumerate("ab")
        ]
        self.group = ec2.create_security_group(GroupName="web", Description="d", VpcId=self.vpc)["GroupId"]
        peers = [{"GroupId": self.group}]
        ec2.authorize_security_group_ingress(
            GroupId=self.group,
            IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": peers}],
        )
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        table = ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=self.subnets[0])
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for subnet in self.subnets:
            self.note(subnet, vpc_id=self.vpc)
        self.note(self.group, vpc_id=self.vpc)
        self.note(gateway, vpc_id=self.vpc)
        self.note(table, vpc_id=self.vpc, subnet_id=self.subnets[0], gateway_id=gateway)

    def _identity(self) -> None:
        iam, kms = self.client("iam"), self.client("kms")
        self.role = iam.create_role(RoleName="worker", Path="/app/", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.create_instance_profile(InstanceProfileName="machines")
        iam.add_role_to_instance_profile(InstanceProfileName="machines", RoleName="worker")
        self.key = kms.create_key()["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName="alias/data", TargetKeyId=self.key)
        self.note("machines", roles=self.role)
        self.note("alias/data", target_key_id=self.key)

    def _compute(self) -> None:
        ec2 = self.client("ec2")
        pair = ec2.create_key_pair(KeyName="ops")["KeyPairId"]
        machine = ec2.run_instances(
            ImageId=ec2.describe_images()["Images"][0]["ImageId"],
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnets[0],
            SecurityGroupIds=[self.group],
            KeyName="ops",
            IamInstanceProfile={"Name": "machines"},
        )["Instances"][0]
        described = ec2.describe_instances(InstanceIds=[machine["InstanceId"]])["Reservations"][0]["Instances"][0]
        volume = described["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        card = described["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.note(
            machine["InstanceId"],
            vpc_id=self.vpc,
            subnet_id=self.subnets[0],
            group_id=self.group,
            key_name=pair,
            iam_instance_profile="machines",
            volume_id=volume,
            network_interface_id=card,
        )
        self.note(volume, instance_id=machine["InstanceId"])
        self.note(card, vpc_id=self.vpc, subnet_id=self.subnets[0], group_id=self.group)
        copy = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        self.note(copy, volume_id=volume)

    def _containers(self) -> None:
        ecr, ecs, elb, logs = self.client("ecr"), self.client("ecs"), self.client("elbv2"), self.client("logs")
        ecr.create_repository(repositoryName="team/app")
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/app:3"
        logs.create_log_group(logGroupName="/app/web", kmsKeyId=self.key)
        self.note("/app/web", kms_key_id=self.key)
        cluster = ecs.create_cluster(clusterName="prod")["cluster"]["clusterArn"]
        task = ecs.register_task_definition(
            family="web",
            taskRoleArn=self.role,
            executionRoleArn=self.role,
            containerDefinitions=[{"name": "web", "image": image, "memory": 9}],
        )["taskDefinition"]["taskDefinitionArn"]
        self.note(task, task_role_arn=self.role, execution_role_arn=self.role, image="app")
        balancer = elb.create_load_balancer(Name="front", Subnets=self.subnets, SecurityGroups=[self.group])
        balancer_arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        target = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=self.vpc)["TargetGroups"][0]
        target_arn = target["TargetGroupArn"]
        listener = elb.create_listener(
            LoadBalancerArn=balancer_arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_arn}],
        )["Listeners"][0]["ListenerArn"]
        self.note(balancer_arn, vpc_id=self.vpc, security_groups=self.group, subnet_id=self.subnets)
        self.note(target_arn, vpc_id=self.vpc, load_balancer_arns=balancer_arn)
        self.note(listener, load_balancer_arn=balancer_arn, target_group_arn=target_arn)
        service = ecs.create_service(
            cluster="prod",
            serviceName="web",
            taskDefinition="web",
            desiredCount=1,
            loadBalancers=[{"targetGroupArn": target_arn, "containerName": "web", "containerPort": 80}],
        )["service"]["serviceArn"]
        self.note(service, cluster_arn=cluster, task_definition=task, target_group_arn=target_arn)
        scaling = self.client("autoscaling")
        scaling.create_launch_configuration(
            LaunchConfigurationName="plain", ImageId="ami-12c6146b", InstanceType="t2.nano"
        )
        scaling.create_auto_scaling_group(
            AutoScalingGroupName="fleet",
            LaunchConfigurationName="plain",
            MinSize=0,
            MaxSize=1,
            VPCZoneIdentifier=self.subnets[0],
            TargetGroupARNs=[target_arn],
        )
        self.note("fleet", target_group_arns=target_arn, vpc_zone_identifier=self.subnets[0])

    def _data(self) -> None:
        self.client("s3").create_bucket(Bucket="team-data")
        rds = self.client("rds")
        rds.create_db_subnet_group(DBSubnetGroupName="inner", DBSubnetGroupDescription="d", SubnetIds=self.subnets)
        rds.create_db_instance(
            DBInstanceIdentifier="orders",
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=10,
            MasterUsername="u",
            MasterUserPassword="password1",
            DBSubnetGroupName="inner",
            VpcSecurityGroupIds=[self.group],
            StorageEncrypted=True,
            KmsKeyId=self.key,
        )
        self.note("inner", vpc_id=self.vpc, subnet_identifier=self.subnets)
        self.note("orders", db_subnet_group_name="inner", vpc_security_group_id=self.group, kms_key_id=self.key)
        secret = self.client("secretsmanager").create_secret(Name="token", SecretString="x", KmsKeyId=self.key)
        self.note(secret["ARN"], kms_key_id=self.key)
        efs = self.client("efs")
        files = efs.create_file_system(CreationToken="t", Encrypted=True, KmsKeyId=self.key)["FileSystemId"]
        mount = efs.create_mount_target(FileSystemId=files, SubnetId=self.subnets[0])
        self.note(files, kms_key_id=self.key)
        self.note(mount["MountTargetId"], file_system_id=files, subnet_id=self.subnets[0], vpc_id=self.vpc)
        self.note(mount["MountTargetId"], network_interface_id=mount["NetworkInterfaceId"])

    def _messages(self) -> None:
        sns, code = self.client("sns"), io.BytesIO()
        topic = sns.create_topic(Name="news")["TopicArn"]
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("f.py", "def f(e, c): pass")
        function = self.client("lambda").create_function(
            FunctionName="hook",
            Runtime="python3.12",
            Role=self.role,
            Handler="f.f",
            Code={"ZipFile": code.getvalue()},
            VpcConfig={"SubnetIds": self.subnets, "SecurityGroupIds": [self.group]},
        )["FunctionArn"]
        self.note(function, role=self.role, subnet_ids=self.subnets, security_group_ids=self.group)
        subscribed = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
        self.note(subscribed, topic_arn=topic, endpoint=function)
        self.client("kinesis").create_stream(StreamName="clicks", ShardCount=1)
        stream = self.client("kinesis").describe_stream(StreamName="clicks")["StreamDescription"]["StreamARN"]
        mapping = self.client("lambda").create_event_source_mapping(
            EventSourceArn=stream, FunctionName="hook", StartingPosition="LATEST"
        )["UUID"]
        self.note(mapping, event_source_arn=stream, function_arn=function)
        machine = self.client("stepfunctions").create_state_machine(name="flow", definition="{}", roleArn=self.role)
        self.note(machine["stateMachineArn"], role_arn=self.role)
        self.client("firehose").create_delivery_stream(
            DeliveryStreamName="lake",
            ExtendedS3DestinationConfiguration={"RoleARN": self.role, "BucketARN": "arn:aws:s3:::team-data"},
        )
        self.note("lake", role_arn=self.role, bucket_arn="team-data")

    def _learning(self) -> None:
        learning = self.client("sagemaker")
        model = learning.create_model(
            ModelName="ranker",
            ExecutionRoleArn=self.role,
            PrimaryContainer={
                "Image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/app:3",
                "ModelDataUrl": "s3://team-data/models/ranker.tar.gz",
            },
            VpcConfig={"Subnets": self.subnets, "SecurityGroupIds": [self.group]},
        )["ModelArn"]
        self.note(model, execution_role_arn=self.role, image="app", model_data_url="team-data")
        self.note(model, subnets=self.subnets, security_group_ids=self.group)
        variant = {"VariantName": "v", "ModelName": "ranker", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        learning.create_endpoint_config(EndpointConfigName="ranker-1", ProductionVariants=[variant], KmsKeyId=self.key)
        learning.create_endpoint(EndpointName="ranker-live", EndpointConfigName="ranker-1")
        self.note("ranker-1", model_name="ranker", kms_key_id=self.key)
        self.note("ranker-live", endpoint_config_name="ranker-1")


def last_part(identifier: str) -> str:
    """Return what stands last in an ARN, a path or an identifier."""
    return identifier.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
