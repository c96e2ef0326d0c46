from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from stocktake.demo.clock import DEFAULT_START, VirtualClock
from stocktake.demo.estate import Estate
from stocktake.demo.server import SimulatedCloud


def test_it_runs_as_a_process_of_its_own_and_is_killed() -> None:
    command = [sys.executable, "-m", "stocktake.demo", "--jobs", "50", "--accounts", "1", "--regions", "eu-west-1",
               "--speed", "60", "--seed", "3", "--start", "2026-01-01T00:00:00",
               "--switches", '{"denied_actions": ["sagemaker:Search"]}']  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        environment = ready["environment"]
        client = boto3.client(
            "sagemaker",
            region_name="eu-west-1",
            endpoint_url=ready["endpoint_url"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        assert len(client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]) == 50
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.search(Resource="TrainingJob")
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_accounts_can_be_named() -> None:
    command = [sys.executable, "-m", "stocktake.demo", "--jobs", "1", "--accounts", "999988887777", "123456789012"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["accounts"] == ["999988887777", "123456789012"]
        process.send_signal(signal.SIGINT)
    assert process.returncode in {0, -signal.SIGINT, 130, 1}


def test_several_clouds_live_side_by_side() -> None:
    with SimulatedCloud(Estate(5, seed=1)) as one, SimulatedCloud(Estate(9, seed=2)) as two:
        assert one.endpoint_url != two.endpoint_url
        assert one.endpoint_url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="not running"):
        _ = one.endpoint_url


def test_the_environment_makes_any_client_a_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedCloud(Estate(5, accounts=["123123123123"])) as cloud:
        for name, value in cloud.environment(region="us-east-1").items():
            monkeypatch.setenv(name, value)
        assert boto3.session.Session().client("sts").get_caller_identity()["Account"] == "123123123123"


def test_the_clock_runs_stands_and_jumps() -> None:
    clock = VirtualClock(DEFAULT_START, 1000)
    time.sleep(0.02)
    assert 15 < (clock.now() - DEFAULT_START).total_seconds() < 20_000
    clock.pause()
    stopped = clock.now()
    time.sleep(0.01)
    assert clock.now() == stopped
    clock.advance(90)
    assert (clock.now() - stopped).total_seconds() == 90
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="backward"):
        clock.factor = -1


def test_a_core_answers_more_than_a_thousand_calls_a_second() -> None:
    """Client and server share this process, so that its CPU time holds both and no other process matters."""
    estate = Estate(1000, accounts=1, regions=["us-east-1"])
    with SimulatedCloud(estate, clock=VirtualClock(DEFAULT_START, 0)) as cloud:
        host, port = urlsplit(cloud.endpoint_url).netloc.split(":")
        with socket.create_connection((host, int(port))) as line, line.makefile("rb") as answers:
            names: list[str] = []
            token: dict[str, str] | None = {}
            while token is not None:
                answer = call(line, answers, cloud, "ListTrainingJobs", {"MaxResults": 100} | token)
                names += [entry["TrainingJobName"] for entry in answer["TrainingJobSummaries"]]
                token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else None
            before = time.process_time()
            for name in names:
                assert call(line, answers, cloud, "DescribeTrainingJob", {"TrainingJobName": name})
            took = time.process_time() - before
    assert len(names) == 1000
    assert took < 1.0


def call(line: socket.socket, answers: Any, cloud: SimulatedCloud, operation: str, body: dict[str, Any]) -> Any:
    scope = f"{cloud.credentials()['aws_access_key_id']}/20260302/us-east-1/sagemaker/aws4_request"
    raw = json.dumps(body)
    line.sendall(
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: SageMaker.{operation}\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, Signature=0\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n{raw}".encode()
    )
    length = 0
    while (header := answers.readline().strip()) != b"":
        if header.startswith(b"content-length:"):
            length = int(header.partition(b":")[2])
    return json.loads(answers.read(length))
