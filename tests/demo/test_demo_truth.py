"""The simulation tells what really happened, and nothing that the API's answers deny."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen


def test_what_a_job_went_through(desk: Any) -> None:
    groups = [
        {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "InstanceGroupName": "a"},
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 3, "InstanceGroupName": "b"},
    ]
    desk.create(
        "hard",
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 90_000},
        RetryStrategy={"MaximumRetryAttempts": 2},
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 10},
        Environment={
            "SIMULATED_TRAINING_SECONDS": "600",
            "SIMULATED_INTERRUPTIONS": "2",
            "SIMULATED_SERVER_ERRORS": "1",
        },
    )
    [early] = desk.cloud.truth()
    assert (early["status"], early["interruptions"], early["retries"], early["billed"]) == ("InProgress", 0, 0, None)
    assert early["seconds"] == {}
    shown = desk.finish("hard")
    [told] = desk.cloud.truth()
    assert told["arn"] == shown["TrainingJobArn"]
    assert told["status"] == shown["TrainingJobStatus"] == "Completed"
    assert (told["interruptions"], told["retries"]) == (2, 1)
    assert told["instances"] == [("ml.g5.xlarge", 1), ("ml.c5.xlarge", 3)]
    assert told["billed"] == shown["BillableTimeInSeconds"] * 4
    assert told["seconds"]["training"] == 300 + 300 + 200 + 600
    assert told["kept"] is None
    assert told["saved_percent"] > 40


def test_over_http_and_from_a_process_of_its_own(estate_desk: Any, tmp_path: Path) -> None:
    with urlopen(f"{estate_desk.cloud.endpoint_url}/_control/truth") as answer:  # noqa: S310 - our own server
        told = json.load(answer)
    assert len(told["jobs"]) == 1200
    assert told["now"] == estate_desk.cloud.clock.now().isoformat()
    file = tmp_path / "truth.ndjson"
    command = [sys.executable, "-m", "stocktake.demo", "--jobs", "1200", "--seed", "11", "--truth", str(file)]
    subprocess.run(command, check=True)
    assert [json.loads(line) for line in file.read_text().splitlines()] == told["jobs"]


def test_the_bill_is_the_instances_at_the_invented_prices(estate_desk: Any) -> None:
    for job in estate_desk.cloud.truth():
        seconds = (job["billed"] or 0) + (job["kept"] or 0)
        count = sum(number for _, number in job["instances"])
        assert seconds % count == 0
        assert bool(job["invented_usd"]) == bool(seconds)
        assert job["saved_percent"] is None or job["saved_percent"] < 80
