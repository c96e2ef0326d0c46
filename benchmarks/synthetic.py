"""A big catalog without a cloud: training jobs and mixed resources, made by SQL into the store's own tables.

What stands in it is invented, the shape is not: tables, own columns, sweeps and coverage are as a sync leaves them.
`python benchmarks/synthetic.py PATH --jobs 1000000 --mixed 1000000` makes one.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stocktake.providers.aws.models import open_models
from stocktake.resource_types.registry import list_types, load_type
from stocktake.resource_types.spec import Kind, sql_type
from stocktake.store.catalog import open_catalog, run
from stocktake.store.key_index import index_keys, key_sql
from stocktake.store.ledger import Ledger
from stocktake.store.type_tables import column_of, ensure_tables, history_name, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from stocktake.resource_types.spec import Field, ResourceType, ValueType
    from stocktake.store.catalog import Catalog

JOB = "aws_sagemaker_trainingjob"
MOMENT = datetime(2026, 10, 1, tzinfo=UTC)
"""When everything was seen: now, as far as the catalog is concerned."""
_ROWS_AT_ONCE = 200_000
_LEAVES = 30
# Services whose types an estate has most of, most rows first.
_SERVICES = """
    ec2 iam lambda logs s3 cloudwatch sns sqs dynamodb rds ecs ecr elbv2 kms secretsmanager ssm route53
    cloudformation apigateway apigatewayv2 stepfunctions events glue athena sagemaker eks batch
    codebuild codepipeline codecommit cloudfront acm wafv2 elasticache redshift opensearch kinesis
    firehose efs fsx backup config cloudtrail guardduty securityhub inspector2 organizations
    servicecatalog cognito-idp cognito-identity iot appsync amplify mq kafka dms emr transfer workspaces
    quicksight imagebuilder networkmanager bedrock
""".split()  # noqa: SIM905 - a list literal would take a line for each
_MACROS = (
    "CREATE OR REPLACE TEMP MACRO draw(i, k) AS (hash(i * 1000 + k) % 1000000) / 1000000.0",
    "CREATE OR REPLACE TEMP MACRO number(i, k, n) AS CAST(hash(i * 1000 + k) % n AS BIGINT)",
    "CREATE OR REPLACE TEMP MACRO pick(i, k, l) AS l[1 + CAST(hash(i * 1000 + k) % len(l) AS BIGINT)]",
    "CREATE OR REPLACE TEMP MACRO hex(i, k, n) AS left(format('{:016x}', hash(i * 1000 + k)), n)",
    """
    CREATE OR REPLACE TEMP MACRO account(i) AS
        pick(i, 1, ['111122223333', '222233334444', '333344445555', '444455556666', '555566667777', '666677778888'])
    """,
    """
    CREATE OR REPLACE TEMP MACRO region(i) AS
        pick(i, 2, ['us-east-1', 'us-east-1', 'us-east-1', 'us-west-2', 'us-west-2', 'eu-west-1', 'ap-south-1'])
    """,
    """
    CREATE OR REPLACE TEMP MACRO team(i) AS pick(i, 3, ['vision', 'vision', 'search', 'search', 'ads', 'fraud',
        'ranking', 'speech', 'platform', 'risk', 'maps', 'data', NULL, NULL])
    """,
    """
    CREATE OR REPLACE TEMP MACRO app(i) AS pick(i, 4, ['checkout', 'catalog', 'billing', 'crawler', 'portal', 'ledger',
        'gateway', 'notifier', 'archive', 'scheduler', 'importer', 'reports', 'sessions', 'images', 'audit', 'pricing'])
    """,
    "CREATE OR REPLACE TEMP MACRO env(i) AS pick(i, 5, ['prod', 'prod', 'staging', 'dev', 'dev', NULL])",
    """
    CREATE OR REPLACE TEMP MACRO tags_of(i) AS list_filter([ 'app:' || app(i), 'cost-center:cc-' || number(i, 6, 40),
        'env:' || env(i), 'owner:' || coalesce(team(i), 'nobody') || '@example.com', 'team:' || team(i) ],
        lambda t: t IS NOT NULL)
    """,
    """
    CREATE OR REPLACE TEMP MACRO word(i, k) AS pick(i, k, ['standard', 'default', 'internal', 'public', 'enabled',
        'disabled', 'primary', 'secondary', 'daily', 'weekly', 'json', 'parquet', 'linux', 'x86_64', 'arm64', 'large'])
    """,
    """
    CREATE OR REPLACE TEMP MACRO text(i, k) AS 'the ' || word(i, k) || ' ' || app(i) || ' of ' ||
        coalesce(team(i), 'nobody') || ', ' || word(i, k + 500)
    """,
)


def make_catalog(path: Path, jobs: int, mixed: int, *, types: int = 300) -> None:
    """Make a catalog of so many training jobs and so many resources of other types, the most common types first."""
    path.unlink(missing_ok=True)
    with open_catalog(path) as catalog:
        sweep_id = Ledger(catalog, MOMENT).sweep_id
        connection = catalog.connection
        for macro in _MACROS:
            run(connection, macro)
        held = []
        if jobs:
            job = load_type(JOB, open_models())
            _write(catalog, job, _job_columns(), jobs, sweep_id)
            held.append(JOB)
        if mixed:
            for resource_type, rows in _shares(mixed, types):
                _write(catalog, resource_type, _columns(resource_type), rows, sweep_id)
                held.append(resource_type.name)
        _write_coverage(connection, held, sweep_id)
        index_keys(catalog)
        run(connection, "UPDATE sweeps SET status = 'complete', finished_at = started_at, calls = 0")
        run(connection, "CHECKPOINT")


def _shares(mixed: int, count: int) -> Iterator[tuple[ResourceType, int]]:
    """Yield types with how many rows each has: a few have many, many have few."""
    models = open_models()
    names: dict[str, list[str]] = {}
    for one in list_types(models, "A"):
        if one.name != JOB:
            names.setdefault(one.service, []).append(one.name)
    chosen = [name for service in _SERVICES for name in names.get(service, ())][:count]
    # The order in which types have many rows has nothing to do with their names.
    ranked = sorted(chosen, key=lambda name: sum(map(ord, name)) * 7919 % 1009)
    weights = [1 / (rank + 1) ** 0.9 for rank in range(len(ranked))]
    rows = [max(1, int(mixed * weight / sum(weights))) for weight in weights]
    rows[0] += mixed - sum(rows)
    wanted = dict(zip(ranked, rows, strict=True))
    for service in _SERVICES:
        for name in names.get(service, ()):
            if name in wanted:
                yield load_type(name, models), wanted[name]
        models.forget(service)


def _write(catalog: Catalog, resource_type: ResourceType, columns: dict[str, str], rows: int, sweep_id: int) -> None:
    ensure_tables(catalog, resource_type, MOMENT)
    connection = catalog.connection
    seen = f"TIMESTAMP '{MOMENT.replace(tzinfo=None).isoformat()}'"
    own = {
        "_key": key_sql("_id"),
        "_from": seen,
        "_sweep": str(sweep_id),
        "_hash": "hash(i)",
        "_summary": "hash(i + 1)",
    }
    own["_settled"] = "true"
    # Numbers that no other type has, so that its draws are its own.
    start = sum(map(ord, resource_type.name)) * 10_000_000
    picked = ", ".join(f"{value} AS {quote(name)}" for name, value in (columns | own).items())
    for first in range(0, rows, _ROWS_AT_ONCE):
        last = min(rows, first + _ROWS_AT_ONCE)
        run(
            connection,
            f"INSERT INTO {quote(history_name(resource_type.name))} BY NAME "  # noqa: S608 - our own names
            f"SELECT {picked} FROM (SELECT range AS n, range + {start} AS i FROM range({first}, {last}))",
        )


def _write_coverage(connection: duckdb.DuckDBPyConnection, held: list[str], sweep_id: int) -> None:
    for name in held:
        run(
            connection,
            f"INSERT INTO coverage BY NAME SELECT {sweep_id} AS sweep_id, "  # noqa: S608 - our own names
            "account_id, _region AS region, "
            f"'{name}' AS type, 'complete' AS status, 1 AS calls, 0 AS throttled_calls, 0 AS failed_calls, "
            "count(*) AS listed, count(*) AS read, count(*) AS new, 0 AS changed, 0 AS deleted, 0 AS unchanged, "
            "0 AS aside, 'complete' AS tags_status, any_value(_from) AS started_at, any_value(_from) AS finished_at "
            f"FROM {quote(history_name(name))} GROUP BY account_id, _region",
        )


def _columns(resource_type: ResourceType) -> dict[str, str]:
    """Return an expression for each column of a type that is filled: what identifies it, and more up to a limit."""
    noun = resource_type.noun.lower()
    name = f"app(i) || '-' || coalesce(env(i), 'all') || '-{noun[:12]}-' || n"
    arn = f"'arn:aws:{resource_type.arn_service}:' || region(i) || ':' || account(i) || ':{noun}/' || {name}"
    columns = {"_id": arn, "_region": "region(i)", "account_id": "account(i)"}
    identity = resource_type.identity
    fixed = {"account_id": "account(i)", "tags": "tags_of(i)"}
    for path, value in [*((path, name) for path in identity.key_paths), (identity.arn_path, arn)]:
        column = column_of(resource_type.fields, path)
        if column and "." not in column:
            fixed[column.strip('"')] = value
    states = [*sorted(resource_type.life_cycle.final_states), "Active", "Active", "Active", "Updating"]
    state = column_of(resource_type.fields, resource_type.life_cycle.state_path)
    if state and "." not in state:
        fixed[state.strip('"')] = f"pick(i, 7, {states!r})"
    created = column_of(resource_type.fields, identity.created_path)
    field = resource_type.field(created.strip('"')) if created else None
    if field is not None and field.type.kind is Kind.TIMESTAMP:
        fixed[field.name] = columns["_created"] = _time("8")
    leaves = 0
    for number, field in enumerate(resource_type.fields):
        if field.name in fixed:
            columns[field.name] = fixed[field.name]
        elif leaves < _LEAVES:
            leaves += max(1, len(field.type.fields))
            value = _value(field, 20 + number % 400, depth=2)
            columns[field.name] = f"CASE WHEN draw(i, {420 + number % 80}) < 0.7 THEN {value} END"
    return columns


def _value(field: Field, k: int, depth: int) -> str:
    """Return an expression for a value of a field: `k` tells its draws from others."""
    kind = field.type.kind
    plain = {
        Kind.BOOLEAN: f"draw(i, {k}) < 0.5",
        Kind.INT32: f"number(i, {k}, 4000)",
        Kind.INT64: f"number(i, {k}, 9000000)",
        Kind.FLOAT: f"round(draw(i, {k}) * 100, 2)",
        Kind.DOUBLE: f"round(draw(i, {k}) * 100, 2)",
        Kind.TIMESTAMP: _time(str(k)),
        Kind.JSON: '\'{"Version":"2012-10-17"}\'',
    }
    if kind in plain:
        return plain[kind]
    if kind is Kind.STRING:
        return _text(field.name, k)
    if depth == 0:
        return f"CAST(NULL AS {sql_type(field.type)})"
    return _nested(field, field.type, k, depth)


def _nested(field: Field, value: ValueType, k: int, depth: int) -> str:
    if value.kind is Kind.STRUCT:
        if not value.fields:
            return "'{}'"
        inner = (f"{quote(f.name)} := {_value(f, k + 1 + n % 9, depth - 1)}" for n, f in enumerate(value.fields))
        return f"struct_pack({', '.join(inner)})"
    assert value.element is not None  # noqa: S101 - what is neither plain nor a struct has elements
    element = _value(type(field)(field.name, value.element, None, None), k, depth - 1)
    if value.kind is Kind.LIST:
        return f"[{element}]"
    return f"MAP {{'mode': {element}}}"


def _text(name: str, k: int) -> str:
    if name.endswith("_arn"):
        return f"'arn:aws:{name.partition('_')[0]}:' || region(i) || ':' || account(i) || ':thing/' || hex(i, {k}, 6)"
    if name.endswith("_id"):
        return f"'{name.removesuffix('_id').split('_')[-1]}-' || hex(i, {k}, 12)"
    if name.endswith(("description", "comment")):
        return f"text(i, {k})"
    if name.endswith("name"):
        return f"app(i) || '-' || word(i, {k})"
    return f"word(i, {k})"


def _time(k: str) -> str:
    """Return a time in the two years before the moment, later ones more often."""
    moment = MOMENT.replace(tzinfo=None).isoformat()
    return f"TIMESTAMP '{moment}' - to_seconds(CAST(pow(draw(i, {k}), 1.5) * 63072000 AS BIGINT))"


_STATUS = "pick(i, 7, ['Completed', 'Completed', 'Completed', 'Completed', 'Completed', 'Failed', 'Stopped'])"
_RUNS = "(n % 2000 = 0)"
_NAME = "coalesce(team(i), 'adhoc') || '-' || app(i) || '-' || strftime({created}, '%Y-%m-%d') || '-' || n"


def _job_columns() -> dict[str, str]:
    """Return an expression for each column of a training job; those that hardly any job has stay empty."""
    moment = MOMENT.replace(tzinfo=None).isoformat()
    created = f"(TIMESTAMP '{moment}' - to_seconds(63072000 - n % 100000 * 630) + to_seconds(number(i, 8, 600)))"
    started = f"({created} + to_seconds(60 + number(i, 9, 900)))"
    seconds = "CAST(120 + pow(draw(i, 10), 3) * 80000 AS INTEGER)"
    ended = f"({started} + to_seconds({seconds}))"
    spot = "(draw(i, 11) < 0.4)"
    name = _NAME.format(created=created)
    arn = f"'arn:aws:sagemaker:' || region(i) || ':' || account(i) || ':training-job/' || {name}"
    status = f"CASE WHEN {_RUNS} THEN 'InProgress' ELSE {_STATUS} END"
    done = f"NOT {_RUNS}"
    instance = (
        "pick(i, 12, ['ml.m5.xlarge', 'ml.m5.2xlarge', 'ml.c5.4xlarge', 'ml.g4dn.xlarge', 'ml.g5.2xlarge', "
        "'ml.p3.2xlarge', 'ml.p3.16xlarge', 'ml.p4d.24xlarge', 'ml.p5.48xlarge', 'ml.trn1.32xlarge'])"
    )
    bucket = "'s3://' || coalesce(team(i), 'adhoc') || '-ml-' || account(i)"
    secondary = (
        f"CASE WHEN {_RUNS} THEN 'Training' WHEN {_STATUS} = 'Stopped' AND draw(i, 13) < 0.5 "
        f"THEN 'MaxRuntimeExceeded' ELSE {_STATUS} END"
    )
    phases = (
        f"[struct_pack(end_time := {created} + INTERVAL 50 SECOND, start_time := {created}, status := 'Starting', "
        "status_message := 'Preparing the instances for training'), "
        f"struct_pack(end_time := {started} + INTERVAL 40 SECOND, start_time := {started}, status := 'Downloading', "
        "status_message := 'Downloading the training image'), "
        f"struct_pack(end_time := {ended}, start_time := {started} + INTERVAL 40 SECOND, status := 'Training', "
        "status_message := 'Training image download completed. Training in progress.'), "
        f"struct_pack(end_time := {ended} + INTERVAL 20 SECOND, start_time := {ended}, status := {secondary}, "
        "status_message := 'Training job ' || lower(" + _STATUS + "))]"
    )

    def channel(name: str, k: int) -> str:
        return (
            f"struct_pack(channel_name := '{name}', compression_type := 'None', content_type := "
            f"pick(i, {k}, ['text/csv', 'application/x-parquet', 'application/x-recordio']), "
            "data_source := struct_pack(s3_data_source := struct_pack(s3_data_type := 'S3Prefix', "
            f"s3_data_distribution_type := 'FullyReplicated', s3_uri := {bucket} || '/data/' || app(i) || '/v' || "
            f"number(i, {k + 1}, 60) || '/{name}/')), "
            f"input_mode := pick(i, {k + 2}, ['File', 'FastFile', 'Pipe']), record_wrapper_type := 'None')"
        )

    channels = f"CASE WHEN draw(i, 14) < 0.3 THEN [{channel('train', 15)}] "
    channels += f"ELSE [{channel('train', 15)}, {channel('validation', 15)}] END"

    def metric(name: str, k: int, scale: str) -> str:
        return (
            f"struct_pack(metric_name := '{name}', timestamp := {ended}, "
            f"value := CAST({scale} * draw(i, {k}) AS FLOAT))"
        )

    return {
        "_id": arn,
        "_region": "region(i)",
        "_created": created,
        "account_id": "account(i)",
        "training_job_name": name,
        "training_job_arn": arn,
        "training_job_status": status,
        "secondary_status": secondary,
        "failure_reason": f"CASE WHEN {done} AND {_STATUS} = 'Failed' THEN pick(i, 19, ["
        "'AlgorithmError: ExecuteUserScriptError: ExitCode 1, ErrorMessage \"CUDA out of memory\"', "
        "'CapacityError: Unable to provision requested ML compute capacity. Please retry using a different type', "
        "'ClientError: Data download failed: AccessDenied', 'InternalServerError: We encountered an internal error'"
        "]) || ', request ' || hex(i, 20, 12) END",
        "creation_time": created,
        "training_start_time": started,
        "training_end_time": f"CASE WHEN {done} THEN {ended} END",
        "last_modified_time": f"CASE WHEN {done} THEN {ended} + INTERVAL 20 SECOND ELSE {started} END",
        "training_time_in_seconds": f"CASE WHEN {done} THEN {seconds} END",
        "billable_time_in_seconds": f"CASE WHEN {done} THEN CAST({seconds} * "
        f"CASE WHEN {spot} THEN 0.3 + 0.3 * draw(i, 21) ELSE 1 END AS INTEGER) END",
        "enable_managed_spot_training": spot,
        "enable_network_isolation": "draw(i, 22) < 0.3",
        "enable_inter_container_traffic_encryption": "draw(i, 23) < 0.2",
        "algorithm_specification": "struct_pack(training_image := '683313688378.dkr.ecr.' || region(i) || "
        "'.amazonaws.com/' || pick(i, 24, ['sagemaker-xgboost', 'pytorch-training', 'tensorflow-training', "
        "'custom-train']) || ':' || pick(i, 25, ['1.7-1', '2.3-gpu', '2.14', 'latest']), "
        "training_input_mode := 'File', enable_sage_maker_metrics_time_series := draw(i, 26) < 0.5)",
        "resource_config": f"struct_pack(instance_type := {instance}, "
        "instance_count := CAST(pick(i, 27, [1, 1, 1, 1, 2, 4, 8]) AS INTEGER), "
        "volume_size_in_gb := CAST(pick(i, 28, [30, 50, 100, 500]) AS INTEGER), "
        "keep_alive_period_in_seconds := CASE WHEN draw(i, 29) < 0.05 THEN 1800 END)",
        "stopping_condition": "struct_pack(max_runtime_in_seconds := 86400, max_wait_time_in_seconds := "
        f"CASE WHEN {spot} THEN 172800 END)",
        "checkpoint_config": f"CASE WHEN draw(i, 30) < 0.4 THEN struct_pack(local_path := '/opt/ml/checkpoints', "
        f"s3_uri := {bucket} || '/checkpoints/' || n) END",
        "output_data_config": f"struct_pack(s3_output_path := {bucket} || '/models/' || app(i), compression_type := "
        "'GZIP', kms_key_id := CASE WHEN draw(i, 31) < 0.5 THEN 'arn:aws:kms:' || region(i) || ':' || account(i) || "
        "':key/' || number(i, 32, 30) END)",
        "model_artifacts": f"CASE WHEN {done} AND {_STATUS} = 'Completed' THEN struct_pack(s3_model_artifacts := "
        f"{bucket} || '/models/' || app(i) || '/' || {name} || '/output/model.tar.gz') END",
        "role_arn": "'arn:aws:iam::' || account(i) || ':role/' || coalesce(team(i), 'shared') || '-trainer'",
        "vpc_config": "CASE WHEN draw(i, 33) < 0.5 THEN struct_pack(security_group_ids := "
        "['sg-' || number(i, 34, 200)], "
        "subnets := ['subnet-' || number(i, 35, 60), 'subnet-' || number(i, 36, 60)]) END",
        "environment": "CASE WHEN draw(i, 37) < 0.6 THEN MAP {'LOG_LEVEL': pick(i, 38, ['INFO', 'DEBUG']), "
        "'STAGE': coalesce(env(i), 'none')} END",
        "hyper_parameters": "MAP {'epochs': CAST(1 + number(i, 39, 40) AS VARCHAR), "
        "'learning_rate': CAST(round(pow(10, -1 - 4 * draw(i, 40)), 5) AS VARCHAR), "
        "'batch_size': CAST(pick(i, 41, [16, 32, 64, 128]) AS VARCHAR), "
        "'sagemaker_program': 'train.py', 'seed': CAST(number(i, 42, 100) AS VARCHAR)}",
        "input_data_config": channels,
        "final_metric_data_list": f"CASE WHEN {done} AND {_STATUS} = 'Completed' THEN "
        f"[{metric('validation:auc', 43, '1')}, {metric('train:loss', 44, '4')}] END",
        "secondary_status_transitions": phases,
        "tuning_job_arn": "CASE WHEN draw(i, 45) < 0.2 THEN 'arn:aws:sagemaker:' || region(i) || ':' || account(i) || "
        "':hyper-parameter-tuning-job/tune-' || number(i, 46, 2000) END",
        "experiment_config": "CASE WHEN draw(i, 47) < 0.2 THEN struct_pack(experiment_name := app(i) || '-experiment', "
        "trial_name := 'trial-' || number(i, 48, 500)) END",
        "profiler_config": "struct_pack(disable_profiler := draw(i, 49) < 0.5, s3_output_path := "
        f"{bucket} || '/profiler')",
        "profiling_status": "pick(i, 50, ['Enabled', 'Disabled'])",
        "retry_strategy": "CASE WHEN draw(i, 51) < 0.3 THEN struct_pack(maximum_retry_attempts := 2) END",
        "warm_pool_status": "CASE WHEN draw(i, 29) < 0.05 THEN struct_pack(status := pick(i, 52, ['Terminated', "
        "'Reused', 'Available']), resource_retained_billable_time_in_seconds := number(i, 53, 1800)) END",
        "tags": "tags_of(i)",
    }


def main() -> None:
    """Make a catalog from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--mixed", type=int, default=1_000_000)
    parser.add_argument("--types", type=int, default=300, help="how many types the mixed resources are of")
    given = parser.parse_args()
    make_catalog(given.path, given.jobs, given.mixed, types=given.types)


if __name__ == "__main__":
    main()
