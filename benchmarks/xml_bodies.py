"""What it costs to read a page of DescribeInstances: botocore's parser, and ours."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import botocore.session
import orjson
from botocore.compat import HTTPHeaders
from botocore.parsers import create_parser
from rich.console import Console
from rich.table import Table

from stocktake.collect.bodies import BodyReader
from stocktake.collect.http import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

INSTANCES = 300
_OPERATION = "DescribeInstances"
_NAMESPACE = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'


def instance(number: int) -> dict[str, Any]:
    """Return one instance as EC2 describes it: one interface, two disks, five tags."""
    hexadecimal = f"{number:017x}"
    attached = "2026-03-01T09:30:00.000Z"
    address = f"10.0.{number // 250}.{number % 250}"
    name = f"ip-{address.replace('.', '-')}.eu-west-1.compute.internal"
    groups = [
        {"groupId": f"sg-{hexadecimal}", "groupName": "web"},
        {"groupId": f"sg-1{hexadecimal}", "groupName": "ssh"},
    ]
    public = {
        "publicIp": f"52.1.2.{number % 250}",
        "publicDnsName": f"ec2-{number}.amazonaws.com",
        "ipOwnerId": "amazon",
    }
    disks = [
        {
            "deviceName": device,
            "ebs": {
                "volumeId": f"vol-{hexadecimal}",
                "status": "attached",
                "attachTime": attached,
                "deleteOnTermination": "true",
                "volumeOwnerId": "123456789012",
            },
        }
        for device in ("/dev/xvda", "/dev/sdf")
    ]
    interface = {
        "networkInterfaceId": f"eni-{hexadecimal}",
        "subnetId": "subnet-0a1b2c3d4e5f60718",
        "vpcId": "vpc-0a1b2c3d4e5f60718",
        "description": "",
        "ownerId": "123456789012",
        "status": "in-use",
        "macAddress": "06:5f:14:2b:aa:01",
        "privateIpAddress": address,
        "privateDnsName": name,
        "sourceDestCheck": "true",
        "groupSet": groups,
        "attachment": {
            "attachmentId": f"eni-attach-{hexadecimal}",
            "deviceIndex": "0",
            "status": "attached",
            "attachTime": attached,
            "deleteOnTermination": "true",
            "networkCardIndex": "0",
        },
        "association": public,
        "privateIpAddressesSet": [
            {"privateIpAddress": address, "privateDnsName": name, "primary": "true", "association": public}
        ],
        "ipv6AddressesSet": "",
        "interfaceType": "interface",
    }
    return {
        "instanceId": f"i-{hexadecimal}",
        "imageId": "ami-0abcdef1234567890",
        "instanceState": {"code": "16", "name": "running"},
        "privateDnsName": name,
        "dnsName": public["publicDnsName"],
        "reason": "",
        "keyName": "operations",
        "amiLaunchIndex": "0",
        "productCodes": "",
        "instanceType": "m6i.large",
        "launchTime": attached,
        "placement": {"availabilityZone": "eu-west-1a", "groupName": "", "tenancy": "default"},
        "monitoring": {"state": "disabled"},
        "subnetId": interface["subnetId"],
        "vpcId": interface["vpcId"],
        "privateIpAddress": address,
        "ipAddress": public["publicIp"],
        "sourceDestCheck": "true",
        "groupSet": groups,
        "architecture": "x86_64",
        "rootDeviceType": "ebs",
        "rootDeviceName": "/dev/xvda",
        "blockDeviceMapping": disks,
        "virtualizationType": "hvm",
        "clientToken": f"{hexadecimal}-{number}",
        "tagSet": [{"key": key, "value": f"{key} {number}"} for key in ("Name", "team", "stage", "cost-center", "app")],
        "hypervisor": "xen",
        "networkInterfaceSet": [interface],
        "ebsOptimized": "true",
        "enaSupport": "true",
        "cpuOptions": {"coreCount": "1", "threadsPerCore": "2"},
        "capacityReservationSpecification": {"capacityReservationPreference": "open"},
        "hibernationOptions": {"configured": "false"},
        "metadataOptions": {
            "state": "applied",
            "httpTokens": "required",
            "httpPutResponseHopLimit": "2",
            "httpEndpoint": "enabled",
            "httpProtocolIpv6": "disabled",
            "instanceMetadataTags": "disabled",
        },
        "enclaveOptions": {"enabled": "false"},
        "bootMode": "uefi",
        "platformDetails": "Linux/UNIX",
        "usageOperation": "RunInstances",
        "usageOperationUpdateTime": attached,
        "privateDnsNameOptions": {
            "hostnameType": "ip-name",
            "enableResourceNameDnsARecord": "false",
            "enableResourceNameDnsAAAARecord": "false",
        },
        "maintenanceOptions": {"autoRecovery": "default"},
        "currentInstanceBootMode": "uefi",
    }


def page(instances: int) -> bytes:
    """Return a page as EC2 sends it, each element on a line of its own."""
    reservations = [
        {
            "reservationId": f"r-{number:017x}",
            "ownerId": "123456789012",
            "groupSet": "",
            "instancesSet": [instance(number)],
        }
        for number in range(instances)
    ]
    content = {"requestId": "8f7724cf-496f-496e-8fe3-example", "reservationSet": reservations}
    lines = "".join(_lines(name, value, 1) for name, value in content.items())
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}<{_OPERATION}Response {_NAMESPACE}>\n{lines}</{_OPERATION}Response>".encode()


def _lines(name: str, value: Any, depth: int) -> str:  # noqa: ANN401 - any content
    indent = "    " * depth
    if not value:
        return f"{indent}<{name}/>\n"
    if isinstance(value, str):
        return f"{indent}<{name}>{value}</{name}>\n"
    children = value.items() if isinstance(value, dict) else [("item", one) for one in value]
    inner = "".join(_lines(child, one, depth + 1) for child, one in children)
    return f"{indent}<{name}>\n{inner}{indent}</{name}>\n"


def main(rounds: int) -> None:
    """Print the CPU that a page of EC2 instances costs each reader, in turns, all in this process."""
    session = botocore.session.Session()
    client = session.create_client("ec2", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106 - none
    model = client.meta.service_model
    shape = model.operation_model(_OPERATION).output_shape
    body = page(INSTANCES)
    split, parsed = HttpResponse(200, [], body), HttpResponse(200, [], body.replace(b"?>", b"?><!-- not plain -->", 1))
    ours = BodyReader(model, client.meta.events)
    bare = create_parser("ec2")  # as boto3 has it: times become datetimes
    texts = create_parser("ec2")
    texts._timestamp_parser = texts._blob_parser = str  # noqa: SLF001 - the same work as ours: times stay texts

    def with_botocore(parser: Any) -> Any:  # noqa: ANN401 - botocore has no types
        answer = {"status_code": 200, "headers": HTTPHeaders(), "body": body, "context": {}}
        members = parser.parse(answer, shape)
        del members["ResponseMetadata"]
        return members

    runs: dict[str, Callable[[], Any]] = {
        "botocore's parser, as boto3 uses it, to objects": lambda: with_botocore(bare),
        "botocore's parser, times left as text, to JSON": lambda: orjson.dumps(with_botocore(texts)),
        "ours, a document that is not plain (expat), to JSON": lambda: ours.json_bytes(_OPERATION, parsed),
        "ours, to JSON": lambda: ours.json_bytes(_OPERATION, split),
    }
    if orjson.loads(orjson.dumps(with_botocore(texts))) != orjson.loads(runs["ours, to JSON"]()):
        raise SystemExit("the two readers differ")
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    table = Table(title=f"{INSTANCES} EC2 instances of {len(body) / INSTANCES:,.0f} bytes XML (best of {rounds})")
    for column in ("reader", "CPU µs/instance", "its CPU : ours"):
        table.add_column(column, justify="left" if column == "reader" else "right")
    for name, seconds in best.items():
        table.add_row(name, f"{seconds / INSTANCES * 1e6:,.0f}", f"{seconds / best['ours, to JSON']:.1f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]))
