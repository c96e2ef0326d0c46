"""A training job that keeps all rules, and patches of it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-gpu-py311"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
GOOD: dict[str, Any] = {
    "account_id": "111122223333",
    "training_job_name": "good",
    "training_job_arn": "arn:aws:sagemaker:us-east-1:111122223333:training-job/good",
    "training_job_status": "Completed",
    "secondary_status": "Completed",
    "algorithm_specification": {
        "training_image": IMAGE,
        "training_input_mode": "FastFile",
        "metric_definitions": [{"name": "train:loss", "regex": "loss=([0-9.]+)"}],
    },
    "role_arn": "arn:aws:iam::111122223333:role/training",
    "input_data_config": [
        {
            "channel_name": "train",
            "data_source": {"s3_data_source": {"s3_data_type": "S3Prefix", "s3_uri": "s3://data/train/"}},
        }
    ],
    "output_data_config": {"s3_output_path": "s3://models/out", "kms_key_id": KEY},
    "model_artifacts": {"s3_model_artifacts": "s3://models/out/good/output/model"},
    "resource_config": {
        "instance_type": "ml.m5.xlarge",
        "instance_count": 1,
        "volume_size_in_gb": 30,
        "volume_kms_key_id": KEY,
    },
    "vpc_config": {"subnets": ["subnet-1"], "security_group_ids": ["sg-1"]},
    "stopping_condition": {"max_runtime_in_seconds": 86400},
    "enable_network_isolation": True,
    "enable_managed_spot_training": False,
    "enable_inter_container_traffic_encryption": False,
    "profiler_config": {"disable_profiler": False, "profiling_interval_in_milliseconds": 500},
    "hyper_parameters": {"epochs": "3"},
    "environment": {"MODE": "fast"},
    "creation_time": "2026-01-01 00:00:00",
    "training_start_time": "2026-01-01 00:00:10",
    "training_end_time": "2026-01-01 00:04:00",
    "last_modified_time": "2026-01-01 00:04:00",
    "training_time_in_seconds": 230,
    "billable_time_in_seconds": 230,
    "secondary_status_transitions": [
        {"status": "Starting", "start_time": "2026-01-01 00:00:00", "end_time": "2026-01-01 00:01:00"},
        {"status": "Training", "start_time": "2026-01-01 00:01:00", "end_time": "2026-01-01 00:03:00"},
        {"status": "Uploading", "start_time": "2026-01-01 00:03:00", "end_time": "2026-01-01 00:04:00"},
        {"status": "Completed", "start_time": "2026-01-01 00:04:00", "end_time": "2026-01-01 00:04:00"},
    ],
    "final_metric_data_list": [{"metric_name": "train:loss", "value": 0.5, "timestamp": "2026-01-01 00:02:30"}],
    "tags": ["team:vision", "env:prod"],
}


def patched(patch: dict[str, Any]) -> dict[str, Any]:
    """Return the good record with a few fields changed; `a.b` is inside `a`, None takes a field out."""
    record = deepcopy(GOOD)
    for path, value in patch.items():
        *above, last = path.split(".")
        inner = record
        for step in above:
            inner = inner.setdefault(step, {})
        inner[last] = expanded(value)
    return record


def expanded(value: Any) -> Any:
    if isinstance(value, dict) and "$repeat" in value:
        return [value["item"]] * value["$repeat"]
    if isinstance(value, dict) and "$keys" in value:
        return {f"k{number}": "v" for number in range(value["$keys"])}
    return value
