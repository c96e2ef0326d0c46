"""XML read without botocore's parser: what that parser reads, value for value, and what it loses."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.compat import HTTPHeaders
from botocore.exceptions import UnknownServiceError
from botocore.model import ServiceModel
from botocore.parsers import ResponseParserFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.collect.bodies import BodyReader
from stocktake.collect.http import HttpResponse
from stocktake.collect.xml_bodies import XmlReader
from stocktake.collect.xml_pieces import IrregularError, XmlError, parse, split
from xml_answers import Style, Writer, Written, answer_value

LOADER = botocore.session.Session().get_component("data_loader")
SERVICES = [
    *("autoscaling", "cloudformation", "cloudfront", "cloudsearch", "docdb", "ec2", "elasticache", "elasticbeanstalk"),
    *("elb", "elbv2", "iam", "importexport", "neptune", "rds", "redshift", "route53", "s3", "s3control", "sdb", "ses"),
    *("sns", "sts"),
]
"""All whose protocol is query, ec2 or rest-xml; to find them would take reading 436 models."""
AMBIGUOUS = {"GetBucketNotification"}
"""Two members of one structure are the same element: see the test of its own."""


@cache
def model(service: str) -> Any:
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)


@cache
def operations() -> dict[str, list[str]]:
    """All operations of XML services that answer anything; what else goes over the wire is no document."""
    found: dict[str, list[str]] = {}
    for service in SERVICES:
        all_of_it = (model(service).operation_model(name) for name in model(service).operation_names)
        found[service] = [
            one.name
            for one in all_of_it
            if one.output_shape is not None and not one.has_event_stream_output and one.name not in AMBIGUOUS
        ]
    return found


def http(written: Written) -> HttpResponse:
    lines = [f"{name}: {value}".encode("latin-1") for name, value in written.headers.items()]
    return HttpResponse(200, lines, written.body)


def botocore_reads(service: str, operation: str, written: Written) -> Any:
    service_model = model(service)
    factory = ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=lambda value: value, blob_parser=lambda value: value)
    parser = factory.create_parser(service_model.resolved_protocol)
    headers = HTTPHeaders()
    for name, value in written.headers.items():
        headers[name.lower()] = value
    response = {"status_code": 200, "headers": headers, "body": written.body, "context": {}}
    parsed = parser.parse(response, service_model.operation_model(operation).output_shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def we_read(service: str, operation: str, written: Written) -> Any:
    return orjson.loads(BodyReader(model(service)).json_bytes(operation, http(written)))


# -- what botocore's parser reads --------------------------------------------------------------------------------------

STYLES = [
    Style(),
    Style(pretty=True, short_empty=False),
    Style(declaration=False),
    Style(prefix="aws:"),
    Style(pretty=True, odd_text=True),
]


@pytest.mark.parametrize("service", operations())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), density=st.sampled_from([0.3, 0.8, 1.0]), style=st.sampled_from(STYLES))
def test_every_operation_reads_as_with_botocore(service: str, seed: int, density: float, style: Style) -> None:
    random = Random(seed)
    reader = BodyReader(model(service))
    for operation in operations()[service]:
        shape = model(service).operation_model(operation).output_shape
        value = answer_value(shape, random, density)
        written = Writer(style, random).answer(model(service), operation, value)
        found = orjson.loads(reader.json_bytes(operation, http(written)))
        assert found == botocore_reads(service, operation, written)
        assert found == value


SMALL = [
    (
        ("ec2", "DescribeVpcs"),
        """<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
        <vpcSet><item><vpcId>v&amp;1</vpcId><isDefault>true</isDefault><new><a/>z</new><tagSet/></item></vpcSet>
        <requestId>1</requestId></DescribeVpcsResponse>""",
    ),
    (
        ("sns", "GetTopicAttributes"),
        """<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>a</key><value>&lt;</value></entry>
        </Attributes></GetTopicAttributesResult><ResponseMetadata/></GetTopicAttributesResponse>""",
    ),
    (
        ("s3", "ListBuckets"),
        """<ListAllMyBucketsResult><Buckets><Bucket><Name>n</Name></Bucket></Buckets><Owner></Owner>
        </ListAllMyBucketsResult>""",
    ),
]
SPOILERS = [*"<>&/;\x00\x0b\r\n]!?-\"' ax:=\x80", "<a>", "</a>", "<a/>", "</item>", "item", "</", "/>", "&lt;", "&#65;"]
SPOILERS += ["<!-- -->", "<![CDATA[x]]>", "<?x?>", "\ufffe", "&nbsp;", "&#0;", "&#xD800;", "&#xfffe;", "]]>", " x='<'"]
SPOILERS += ["<a b='>'>", "\u2003", "\ufeff", "<!DOCTYPE a>"]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**64), sample=st.sampled_from(SMALL))
def test_what_is_split_is_what_a_parser_would_find(seed: int, sample: tuple[tuple[str, str], str]) -> None:
    (service, operation), text = sample
    random = Random(seed)
    shape = model(service).operation_model(operation).output_shape
    reader = XmlReader(model(service).resolved_protocol)
    whole = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
    reader.read(shape, split(whole.encode()))
    for _ in range(300):
        spoiled = whole
        for _ in range(random.randint(1, 3)):
            place = random.randrange(len(spoiled))
            new = random.choice(SPOILERS) if random.random() < 0.8 else ""
            spoiled = spoiled[:place] + new + spoiled[place + random.choice([0, 0, 1, 2, 5]) :]
        try:
            found = reader.read(shape, split(spoiled.encode()))
        except (IrregularError, XmlError):
            continue
        assert found == reader.read(shape, parse(spoiled.encode()))


def test_most_answers_are_split() -> None:
    random = Random(1)
    for service, names in operations().items():
        for style in STYLES:
            if style.is_plain and service != "s3":
                shape = model(service).operation_model(names[0]).output_shape
                body = Writer(style, random).answer(model(service), names[0], answer_value(shape, random, 0.8)).body
                assert split(body).root


# -- what botocore has on record ---------------------------------------------------------------------------------------


def examples(service: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        recorded = LOADER.load_service_model(service, "examples-1")["examples"]
    except UnknownServiceError:
        return []
    known = set(operations()[service])
    return [
        (name, one["output"])
        for name, all_of_it in recorded.items()
        for one in all_of_it
        if name in known and one.get("output")
    ]


def test_recorded_examples_read_as_they_are_recorded() -> None:
    count = 0
    for service in SERVICES:
        for operation, output in examples(service):
            shape = model(service).operation_model(operation).output_shape
            value = known_part(shape, output)
            for style in STYLES:
                written = Writer(style, Random(count)).answer(model(service), operation, value)
                found = we_read(service, operation, written)
                assert found == botocore_reads(service, operation, written)
                assert set(value) <= set(found) | {name for name in value if not value[name]}
            count += 1
    assert count >= 250


def known_part(shape: Any, value: Any) -> Any:
    """Leave out what a recorded example says beyond the model."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {name: known_part(shape.members[name], one) for name, one in value.items() if name in shape.members}
    if shape.type_name == "list" and isinstance(value, list):
        return [known_part(shape.member, one) for one in value]
    return value
