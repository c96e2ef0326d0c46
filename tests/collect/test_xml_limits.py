"""XML that is broken, hostile, or not what the model says."""

from __future__ import annotations

import tracemalloc
from functools import cache
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.model import ServiceModel

from stocktake.collect import xml_pieces
from stocktake.collect.bodies import BodyReader, MalformedBodyError
from stocktake.collect.http import HttpResponse

SESSION = botocore.session.Session()
LOADER = SESSION.get_component("data_loader")


@cache
def reader(service: str) -> BodyReader:
    return BodyReader(ServiceModel(LOADER.load_service_model(service, "service-2"), service))


@cache
def finishing_reader(service: str) -> BodyReader:
    client = SESSION.create_client(service, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return BodyReader(client.meta.service_model, client.meta.events)


def read(service: str, operation: str, body: bytes | str, *, finished: bool = False) -> Any:
    sent = body.encode() if isinstance(body, str) else body
    of = finishing_reader(service) if finished else reader(service)
    return orjson.loads(of.json_bytes(operation, HttpResponse(200, [], sent)))


def vpcs(inner: str, head: str = "") -> str:
    return f"{head}<DescribeVpcsResponse><vpcSet><item>{inner}</item></vpcSet></DescribeVpcsResponse>"


def vpc(inner: str) -> Any:
    [found] = read("ec2", "DescribeVpcs", vpcs(inner))["Vpcs"]
    return found


# -- hostile -----------------------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": vpcs("<vpcId>&l9;</vpcId>", f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>'),
    "quadratic blowup": vpcs(f"<vpcId>{'&a;' * 9999}</vpcId>", f'<!DOCTYPE x [<!ENTITY a "{"a" * 9999}">]>'),
    "external entity": vpcs("<vpcId>&f;</vpcId>", '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
    "external document type": vpcs("", '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "parameter entity": vpcs("", '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>'),
    "harmless document type": vpcs("", "<!DOCTYPE DescribeVpcsResponse>"),
    "undeclared entity": vpcs("<vpcId>&nbsp;</vpcId>"),
    "nested unknown elements": vpcs("<a>" * 3000 + "</a>" * 3000),
    "nested for ever": "<DescribeVpcsResponse>" + "<a>" * 200_000,
    "a name without end": vpcs(f"<{'a' * 100_000}/>"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_hostile_xml_is_refused_at_once(body: str, encoding: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedBodyError):
            read("ec2", "DescribeVpcs", body.encode(encoding))
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


def test_a_document_type_in_a_text_is_text() -> None:
    text = "<!DOCTYPE html><p>&amp;"
    assert vpc(f"<vpcId><![CDATA[{text}]]></vpcId>") == {"VpcId": text}
    assert vpc("<vpcId>&lt;!DOCTYPE html></vpcId><!-- <!DOCTYPE x> -->") == {"VpcId": "<!DOCTYPE html>"}


def test_a_body_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = vpcs("<vpcId>v</vpcId>")
    monkeypatch.setattr(xml_pieces, "MAX_XML_BYTES", len(body) - 1)
    with pytest.raises(MalformedBodyError, match="are not read"):
        read("ec2", "DescribeVpcs", body)


def test_unknown_elements_are_followed_a_hundred_deep() -> None:
    def nested(depth: int) -> Any:
        return vpc("<a>" * depth + "x" + "</a>" * depth)

    assert orjson.dumps(nested(100)).count(b'"a"') == 100
    with pytest.raises(MalformedBodyError, match="nested more than 100 deep"):
        nested(102)


def test_long_texts_cost_their_length() -> None:
    text = "&#65;<!-- -->" * 400_000  # taken apart piece by piece, joined once
    assert vpc(f"<vpcId>{text}</vpcId>") == {"VpcId": "A" * 400_000}


# -- broken ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["<vpcId>v</vpcId>", "<vpcId><![CDATA[v]]></vpcId><x a='1'/>"])
def test_every_part_of_a_body_is_malformed(inner: str) -> None:
    body = vpcs(inner, '<?xml version="1.0" encoding="UTF-8"?>\n').encode()
    read("ec2", "DescribeVpcs", body)
    for length in range(len(body)):
        with pytest.raises(MalformedBodyError):
            read("ec2", "DescribeVpcs", body[:length])


BROKEN = [
    vpcs("<vpcId>v</vpcID>"),
    vpcs("<vpcId>v</vpcId ><vpcId"),
    vpcs("<vpcId>a & b</vpcId>"),
    vpcs("<vpcId>]]></vpcId>"),
    vpcs("<vpcId>\x0b</vpcId>"),
    vpcs("<1/>"),
    vpcs("<aws:vpcId>v</aws:vpcId>"),
    vpcs("<x a='1' a='2'/>"),
    vpcs("") + "<more/>",
    vpcs("") + "text",
    vpcs("") + "\u2003",
    vpcs("") + vpcs(""),
    "text" + vpcs(""),
    "\n<?xml version='1.0'?>" + vpcs(""),
    vpcs("<vpcId>\ud800</vpcId>").encode("utf-8", "surrogatepass"),
    vpcs("<vpcId>é</vpcId>").encode("latin-1"),
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_not_xml_is_malformed(body: str | bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read("ec2", "DescribeVpcs", body)


NO_ANSWERS = [
    ("s3", "ListBuckets", "<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>"),
    ("s3", "ListBuckets", "<html><head><title>Sign in to the network</title></head></html>"),
    ("ec2", "DescribeVpcs", "<Response><Errors><Error><Code>InternalError</Code></Error></Errors></Response>"),
    ("iam", "ListRoles", '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error/></ErrorResponse>'),
]


@pytest.mark.parametrize(("service", "operation", "body"), NO_ANSWERS)
def test_errors_and_pages_with_status_200_are_no_answers(service: str, operation: str, body: str) -> None:
    with pytest.raises(MalformedBodyError, match="the answer is <"):
        read(service, operation, body)


# -- what the model does not say ---------------------------------------------------------------------------------------


def test_unknown_elements_stay_in_their_places() -> None:
    found = vpc(
        """<vpcId>v</vpcId>
        <mood>sunny &amp; warm</mood>
        <empty/>
        <plan level="2"><name>a</name><step>1</step><step>2</step>  </plan>
        <zoneSet><item>a</item><item>b</item></zoneSet>
        <oneSet><item><x>1</x></item></oneSet>
        <mixed>before<b>bold</b></mixed>
        <again>1</again><again>2</again>
        <日本>語</日本>
        <tagSet><item color="red"><key>k</key><value>w</value><scope>all</scope></item></tagSet>"""
    )
    assert found == {
        "VpcId": "v",
        "mood": "sunny & warm",
        "empty": "",
        "plan": {"@level": "2", "name": "a", "step": ["1", "2"]},
        "zoneSet": ["a", "b"],
        "oneSet": [{"x": "1"}],
        "mixed": {"#text": "before", "b": "bold"},
        "again": ["1", "2"],
        "日本": "語",
        "Tags": [{"@color": "red", "Key": "k", "Value": "w", "scope": "all"}],
    }


def test_an_unknown_element_never_passes_for_a_member_of_its_name() -> None:
    assert vpc("<VpcId>not the id</VpcId><vpcId>v</vpcId>") == {"<VpcId>": "not the id", "VpcId": "v"}


def test_what_does_not_fit_stays_as_it_came() -> None:
    volume = "<size>ten</size><iops/><throughput>9999999999999999999999</throughput><encrypted>yes</encrypted>"
    volume += "<volumeId>v<b>1</b></volumeId><snapshotId>a</snapshotId><snapshotId>b</snapshotId><tagSet>none</tagSet>"
    body = f"<DescribeVolumesResponse><volumeSet><item>{volume}</item></volumeSet></DescribeVolumesResponse>"
    assert read("ec2", "DescribeVolumes", body)["Volumes"] == [
        {
            "Size": "ten",
            "Iops": "",
            "Throughput": "9999999999999999999999",
            "Encrypted": False,  # botocore, too, reads whatever is not `true` so
            "VolumeId": {"#text": "v", "b": "1"},
            "SnapshotId": ["a", "b"],
            "Tags": "none",
        }
    ]


def test_numbers_that_json_does_not_have_stay_texts() -> None:
    points = "".join(f"<member><Threshold>{word}</Threshold></member>" for word in ("NaN", "Infinity", "1e3"))
    body = f"""<DescribeReservedNodesResponse><DescribeReservedNodesResult><ReservedNodes>{
        points.replace("Threshold", "FixedPrice").replace("member", "ReservedNode")
    }</ReservedNodes></DescribeReservedNodesResult></DescribeReservedNodesResponse>"""
    found = read("redshift", "DescribeReservedNodes", body)["ReservedNodes"]
    assert [one["FixedPrice"] for one in found] == ["NaN", "Infinity", 1000.0]


def test_an_element_that_two_members_claim_is_both() -> None:
    topic = "<Topic>t</Topic><Event>s3:A</Event><Event>s3:B</Event>"
    body = f"<NotificationConfiguration><TopicConfiguration>{topic}</TopicConfiguration></NotificationConfiguration>"
    found = read("s3", "GetBucketNotification", body)["TopicConfiguration"]
    assert found == {"Topic": "t", "Event": "s3:A", "Events": ["s3:A", "s3:B"]}


def test_a_union_of_a_member_that_the_model_does_not_know_keeps_it() -> None:
    inner = "<ServiceIntegrations><member><Telepathy><Scope>all</Scope></Telepathy></member></ServiceIntegrations>"
    inner = f"<RedshiftIdcApplications><member>{inner}</member></RedshiftIdcApplications>"
    body = f"<R><DescribeRedshiftIdcApplicationsResult>{inner}</DescribeRedshiftIdcApplicationsResult></R>"
    [found] = read("redshift", "DescribeRedshiftIdcApplications", body)["RedshiftIdcApplications"]
    assert found == {"ServiceIntegrations": [{"Telepathy": {"Scope": "all"}}]}


def test_line_ends_are_newlines() -> None:
    assert vpc("<vpcId>a\r\nb\rc&#13;</vpcId>\r\n") == {"VpcId": "a\nb\nc\r"}


def test_a_list_with_other_names_than_the_models() -> None:
    names = "<item><vpcId>1</vpcId></item><member><vpcId>2</vpcId></member><Vpc><vpcId>3</vpcId></Vpc><item/>"
    found = read("ec2", "DescribeVpcs", f"<R><vpcSet>{names}</vpcSet></R>")["Vpcs"]
    assert found == [{"VpcId": "1"}, {"VpcId": "2"}, {"VpcId": "3"}, {}]


def test_a_map_without_keys_is_malformed() -> None:
    start, end = "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>", "</Attributes>"
    end += "</GetTopicAttributesResult></GetTopicAttributesResponse>"
    assert read("sns", "GetTopicAttributes", f"{start}<entry><key>a</key></entry>{end}") == {"Attributes": {"a": None}}
    for entry in ("<entry><value>1</value></entry>", "<entry/>", "<entry><key>a</key><other/></entry>"):
        with pytest.raises(MalformedBodyError):
            read("sns", "GetTopicAttributes", f"{start}{entry}{end}")


# -- what botocore's handlers do to an answer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "region"),
    [
        (
            '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>',
            "eu-west-1",
        ),
        ('<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint/>', None),
        ("<LocationConstraint></LocationConstraint>", None),
    ],
)
def test_where_a_bucket_is(body: str, region: str | None) -> None:
    assert read("s3", "GetBucketLocation", body, finished=True) == {"LocationConstraint": region}


@pytest.mark.parametrize(("service", "operation"), [("s3", "GetBucketLocation"), ("s3", "GetBucketVersioning")])
def test_an_empty_body_is_malformed_where_something_should_be_in_it(service: str, operation: str) -> None:
    with pytest.raises(MalformedBodyError):
        read(service, operation, b"", finished=True)


def test_an_answer_of_headers_alone_needs_no_body() -> None:
    response = HttpResponse(
        200, [b"ETag: e", b"Content-Length: 12", b"x-amz-meta-A: b", b"x-amz-delete-marker: true"], b""
    )
    found = orjson.loads(finishing_reader("s3").json_bytes("HeadObject", response))
    assert found == {"ETag": "e", "ContentLength": 12, "Metadata": {"a": "b"}, "DeleteMarker": True}


def test_policies_are_json_text() -> None:
    def role(policy: str) -> Any:
        inner = f"<RoleName>r</RoleName><AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument><new>1</new>"
        body = f"<GetRoleResponse><GetRoleResult><Role>{inner}</Role></GetRoleResult></GetRoleResponse>"
        return read("iam", "GetRole", body, finished=True)["Role"]

    assert role("%7B%22Version%22%3A%20%222012%22%7D") == {
        "RoleName": "r",
        "AssumeRolePolicyDocument": '{"Version":"2012"}',
        "new": "1",
    }
    assert role("not json")["AssumeRolePolicyDocument"] == "not json"
    assert role('{"N": 99999999999999999999, "T": "\\ud800"}')["AssumeRolePolicyDocument"] == (
        '{"N":99999999999999999999,"T":"\\ud800"}'
    )
    with pytest.raises(MalformedBodyError):
        role("<a>no text</a>")


def test_handlers_are_not_called_where_there_is_nothing_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SESSION.create_client("ec2", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    calls: list[str] = []
    emit = client.meta.events.emit

    def noted(name: str, **more: Any) -> Any:
        calls.append(name)
        return emit(name, **more)

    monkeypatch.setattr(client.meta.events, "emit", noted)
    of = BodyReader(client.meta.service_model, client.meta.events)
    for _ in range(3):
        of.json_bytes("DescribeVpcs", HttpResponse(200, [], vpcs("").encode()))
    assert calls == ["after-call.ec2.DescribeVpcs"]
    output = b"<R><output>aGVsbG8=</output></R>"
    for _ in range(3):
        found = of.json_bytes("GetConsoleOutput", HttpResponse(200, [], output))
        assert orjson.loads(found) == {"Output": "hello"}
