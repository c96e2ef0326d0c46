"""Which types are jobs and where they say so: the rule, its words, and what it comes to over all models."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from functools import cache

import pytest

from stocktake.insights.job_facets import JobFacet, derive_job_facet, document_shape
from stocktake.insights.job_index import FILE, facet_of, known_facets
from stocktake.insights.job_words import ENDED, LIVE, STATES, plain_word, read_words
from stocktake.providers.aws.models import Models, ServiceModel, open_models
from stocktake.resource_types.generated import TypeName
from stocktake.resource_types.registry import list_types, load_type
from stocktake.resource_types.service_types import find_type
from stocktake.resource_types.shapes import shape_at, shape_of
from stocktake.resource_types.spec import ResourceType

WORDS = read_words()
ALL = bool(os.environ.get("STOCKTAKE_TEST_ALL"))
FACETS = known_facets()


@cache
def models() -> Models:
    return open_models(None)


def derived(name: str) -> tuple[ServiceModel, ResourceType]:
    found = load_type(name, models())
    return models().load(found.service), found


def stated_words(name: str) -> list[str]:
    """Return the enumeration of a type's state as the model has it."""
    model, found = derived(name)
    path = found.life_cycle.state_path
    assert path is not None
    shape = shape_at(model, document_shape(model, found), path)
    assert shape is not None
    return list(shape_of(model, shape)["enum"])


def test_how_many_types_are_jobs() -> None:
    assert len(FACETS) >= 240
    assert len({name.split("_")[1] for name in FACETS}) >= 105
    assert {
        "aws_sagemaker_trainingjob", "aws_sagemaker_processingjob", "aws_sagemaker_hyperparametertuningjob",
        "aws_sagemaker_transformjob", "aws_sagemaker_automljob", "aws_batch_job",
        "aws_glue_jobrun", "aws_codebuild_build", "aws_emr_step", "aws_athena_queryexecution",
        "aws_stepfunctions_execution", "aws_transcribe_transcriptionjob", "aws_bedrock_modelcustomizationjob",
        "aws_emrserverless_jobrun", "aws_backup_backupjob", "aws_ssm_automationexecution", "aws_omics_run",
    } <= FACETS.keys()  # fmt: skip
    assert not {"aws_ec2_instance", "aws_rds_dbinstance", "aws_s3_bucket", "aws_scheduler_schedule"} & FACETS.keys()


@cache
def type_names() -> tuple[TypeName, ...]:
    return list_types(models(), "ABCD")


SERVICES = sorted({one.service for one in type_names()})


@pytest.mark.parametrize("service", SERVICES if ALL else SERVICES[::40])
def test_the_index_is_what_the_models_say(service: str) -> None:
    model = models().load(service)
    found = {}
    for one in type_names():
        if one.service == service:
            derived_type = find_type(model, one.noun)
            facet = None if derived_type is None else derive_job_facet(model, derived_type)
            if facet is not None:
                found[one.name] = facet
    assert found == {name: facet for name, facet in FACETS.items() if name.split("_")[1] == found_prefix(service)}


def found_prefix(service: str) -> str:
    """Return the service's part of the names of its types."""
    return next(one.name.split("_")[1] for one in type_names() if one.service == service)


@pytest.mark.parametrize("name", FACETS)
def test_every_facet_has_a_life(name: str) -> None:
    facet = FACETS[name]
    assert set(facet.words.values()) <= set(STATES)
    assert set(facet.words.values()) & LIVE
    assert set(facet.words.values()) & ENDED
    assert facet.ended
    assert facet.started or facet.created
    assert len({facet.created, facet.started, facet.ended} - {""}) >= 2, "one field is not two times"


@pytest.mark.parametrize("name", sorted(FACETS) if ALL else sorted(FACETS)[::15])
def test_every_word_of_every_job_is_known(name: str) -> None:
    unknown = [
        word
        for word in stated_words(name)
        if WORDS.state_of(word, name) is None and plain_word(word) not in WORDS.stateless
    ]
    assert unknown == []


def test_no_word_is_there_that_no_job_has() -> None:
    used = {plain_word(word) for facet in FACETS.values() for word in (*facet.words, *facet.late_words)}
    assert set(WORDS.exact) - used == set()
    assert {word for _, word in WORDS.exceptions} <= used


def test_a_word_means_one_thing() -> None:
    assert set(WORDS.exact.values()) == set(STATES)
    assert not set(WORDS.exact) & (WORDS.stateless | WORDS.standing)
    for (type_name, word), state in WORDS.exceptions.items():
        assert WORDS.exact.get(word) != state, f"{type_name}: the exception says what the rule says"
    meanings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for facet in FACETS.values():
        for word, state in facet.words.items():
            meanings[plain_word(word)][state] += 1
    different = {word for word, found in meanings.items() if len(found) > 1}
    assert different == {word for _, word in WORDS.exceptions if len(meanings[word]) > 1}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("IN_PROGRESS", "running"), ("in-progress", "running"), ("Completed", "succeeded"),
        ("TIMED_OUT", "timed_out"), ("COMPLETED_WITH_ERRORS", "partial"), ("SomethingNewFailed", "failed"),
        ("PREPARE_COMPLETED", "succeeded"), ("ANY", None), ("blue", None),
    ],
)  # fmt: skip
def test_what_words_mean(word: str, state: str | None) -> None:
    assert WORDS.state_of(word) == state


def test_facets_that_were_read_by_hand() -> None:
    job = FACETS["aws_sagemaker_trainingjob"]
    assert (job.state, job.created, job.started, job.ended) == (
        "training_job_status", "creation_time", "training_start_time", "training_end_time",
    )  # fmt: skip
    assert job.detail == "secondary_status"
    assert job.late_words == ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")
    assert set(job.parent) == {"tuning_job_arn", "auto_ml_job_arn", "labeling_job_arn"}
    assert job.compute[0] == "resource_config.instance_type"
    assert (job.principal, job.reason) == (("role_arn",), ("failure_reason",))
    batch = FACETS["aws_batch_job"]
    assert (batch.created, batch.started, batch.ended) == ("ms:created_at", "ms:started_at", "ms:stopped_at")
    query = FACETS["aws_athena_queryexecution"]
    assert (query.state, query.created) == ("status.state", "status.submission_date_time")
    run = FACETS["aws_glue_jobrun"]
    assert (run.parent[0], run.compute, run.words["TIMEOUT"]) == ("job_name", ("worker_type",), "timed_out")
    cluster = FACETS["aws_emr_cluster"]
    assert cluster.words["WAITING"] == "running", "by the exception"


def test_how_much_is_found_over_all_types() -> None:
    found = Counter(
        what
        for facet in FACETS.values()
        for what in ("created", "started", "parent", "principal", "compute", "reason")
        if getattr(facet, what)
    )
    least = {"created": 140, "started": 130, "parent": 60, "principal": 100, "compute": 20, "reason": 150}
    assert {what: number for what, number in least.items() if found[what] < number} == {}, found


def test_a_type_that_is_no_job() -> None:
    assert derive_job_facet(*derived("aws_ec2_volume")) is None
    assert facet_of("aws_ec2_volume", "any other models") is None
    assert facet_of("aws_no_such", "any other models") is None
    assert facet_of("aws_batch_job", "any other models") == FACETS["aws_batch_job"]
    assert FILE.stat().st_size < 300_000
    assert isinstance(FACETS["aws_batch_job"], JobFacet)
