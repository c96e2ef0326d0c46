"""What an XML service says beyond the model is in the catalog, beside the row it belongs to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import orjson
import pytest

from stocktake.core.progress import Silent
from stocktake.store.catalog import open_catalog, run
from stocktake.sync import SyncRequest, run_sync

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/a</Arn><UserId>A</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
VPCS = b"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</requestId>
    <vpcSet>
        <item>
            <vpcId>vpc-1</vpcId>
            <isDefault>false</isDefault>
            <cidrBlock>10.0.0.0/16</cidrBlock>
            <climate><zone>temperate</zone><monthSet><item>May</item><item>June</item></monthSet></climate>
            <tagSet><item><key>team</key><value>search</value></item></tagSet>
        </item>
        <item>
            <vpcId>vpc-2</vpcId>
            <isDefault>true</isDefault>
            <cidrBlock>172.31.0.0/16</cidrBlock>
            <cidrBlockAssociationSet>
                <item><cidrBlock>172.31.0.0/16</cidrBlock><cidrBlockState><state>associated</state><mood/></cidrBlockState></item>
            </cidrBlockAssociationSet>
        </item>
        <item><vpcId>vpc-3</vpcId><isDefault>false</isDefault><cidrBlock>10.1.0.0/16</cidrBlock></item>
    </vpcSet>
</DescribeVpcsResponse>"""


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        answers = {"GetCallerIdentity": IDENTITY, "DescribeVpcs": VPCS}
        body = answers.get(form.get("Action", [""])[0])
        self.send_response(200 if body else 400)
        body = body or b"<Response><Errors><Error><Code>InvalidAction</Code></Error></Errors></Response>"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_unknown_elements_of_an_answer_are_in_the_stored_rows(provider: str, tmp_path: Path) -> None:
    path = tmp_path / "c.duckdb"
    report = run_sync(SyncRequest(catalog=path, types=("aws_ec2_vpc",), endpoint_url=provider), Silent())
    assert report.exit_code == 0, report.scopes
    with open_catalog(path, read_only=True) as catalog:
        rows = run(catalog.connection, "SELECT vpc_id, cidr_block, tags, _unknown FROM aws_ec2_vpc ORDER BY vpc_id")
    assert [row[:3] for row in rows] == [
        ("vpc-1", "10.0.0.0/16", ["team:search"]),
        ("vpc-2", "172.31.0.0/16", []),
        ("vpc-3", "10.1.0.0/16", []),
    ]
    unknown = [orjson.loads(row[3]) if row[3] else None for row in rows]
    assert unknown == [
        {"climate": {"zone": "temperate", "monthSet": ["May", "June"]}},
        {"CidrBlockAssociationSet": {"0": {"CidrBlockState": {"mood": ""}}}},
        None,
    ]
