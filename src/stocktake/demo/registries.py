"""What is made of the estate's models, in moto: images, models, packages and endpoints that the jobs lead to.

Everything follows from the seed: the same estate has the same models in service.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from stocktake.demo.jobs import NOTHING_DONE
from stocktake.demo.landscape import landscape
from stocktake.demo.render import artifacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stocktake.demo.estate import Estate
    from stocktake.demo.generated import GeneratedJob

Json = dict[str, Any]
Backend = Any  # moto's backends share no type
_EVERY = 12
"""One of so many jobs that end well is kept as a model."""
_MOST = 400
"""Not more models than this, so that a large estate does not take long to set up."""
_FINDINGS: tuple[dict[str, int], ...] = ({"HIGH": 1, "MEDIUM": 4}, {"CRITICAL": 1, "HIGH": 3}, {"MEDIUM": 2}, {})
_SERVED = "111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:v3"


class Kept(NamedTuple):
    """A job whose model is used."""

    job: GeneratedJob
    account: str
    region: str
    number: int


def kept_jobs(estate: Estate) -> list[Kept]:
    """Return the jobs of the past whose models are used: some of those that are over and went well."""
    found: list[Kept] = []
    done = 0
    for job in estate.past():
        if job.unit.kind != "single" or job.created > estate.start:
            continue
        course = job.timeline(NOTHING_DONE, warm=False)
        if course.ended >= estate.start or course.steps[-1].status != "Completed":
            continue
        done += 1
        if done % _EVERY == 0:
            place = job.unit.project.place
            found.append(Kept(job, place.account, place.region, len(found)))
            if len(found) >= _MOST:
                break
    return found


def seed_registries(estate: Estate, backend: Callable[[str, str, str], Backend]) -> None:
    """Make them. `backend` returns moto's backend of a service, an account and a region."""
    kept = kept_jobs(estate)
    for one in kept:
        _make_model(backend("sagemaker", one.account, one.region), one)
    for account, region in estate.places:
        jobs = [one.job for one in kept if (one.account, one.region) == (account, region)]
        _push_images(backend("ecr", account, region), account, _images(jobs))
    if len(estate.places) > 1:
        # Somebody tidied up too far: the models of the last place can no longer be read.
        account, region = estate.places[-1]
        backend("kms", account, region).disable_key(landscape(estate.seed, account, region).output_key)


def _make_model(sagemaker: Backend, one: Kept) -> None:
    request = one.job.request
    kind = one.job.unit.project.kind.id
    uri = artifacts(request)
    container: Json = {"Image": _SERVED, "Mode": "SingleModel"}
    if uri.endswith(".tar.gz"):
        container["ModelDataUrl"] = uri
    else:
        source = {"S3Uri": f"{uri}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        container["ModelDataSource"] = {"S3DataSource": source}
    name = f"{kind}-{one.number:04d}"
    if one.number % 3 == 2:
        _register(sagemaker, name, container)
        return
    sagemaker.create_model(name, request["RoleArn"], container, None, None, [{"Key": "project", "Value": kind}])
    if one.number % 6 == 0:
        variant = {"VariantName": "main", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(f"{name}-config", [variant], {}, {}, [], "")
        sagemaker.create_endpoint(f"{name}-live", f"{name}-config", [])


def _register(sagemaker: Backend, name: str, container: Json) -> None:
    said = {
        "Containers": [container],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    about = f"Model package {name}"
    nothing = [None] * 8
    sagemaker.create_model_package(name, None, about, said, None, None, False, None, "Approved", None, *nothing)


def _images(jobs: Iterable[GeneratedJob]) -> Iterator[tuple[str, str, str]]:
    """Yield repository, tag and digest of the images that jobs name; one of them is ''."""
    names = {job.request["AlgorithmSpecification"].get("TrainingImage", "") for job in jobs}
    for name in sorted(names):
        registry, _, path = name.partition("/")
        path, _, digest = path.partition("@")
        repository, _, tag = path.partition(":")
        if ".dkr.ecr." in registry and repository:
            yield f"{registry}/{repository}", tag or ("" if digest else "latest"), digest


def _push_images(ecr: Backend, account: str, images: Iterator[tuple[str, str, str]]) -> None:
    for where, tag, digest in images:
        registry, _, repository = where.partition("/")
        if not registry.startswith(account) or repository not in ecr.repositories:
            continue
        word = hashlib.sha256(f"{where} {tag} {digest}".encode()).hexdigest()
        media = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = json.dumps({"schemaVersion": 2, "mediaType": media, "config": {"digest": f"sha256:{word}"}})
        known = ecr.repositories[repository].images
        if any(one.image_manifest == manifest for one in known):
            continue
        image = ecr.put_image(repository, manifest, tag or None, media, digest or f"sha256:{word}")
        # moto scans nothing by itself; DescribeImages shows what stands here.
        image.image_scan_findings_summary = {"findingSeverityCounts": _FINDINGS[int(word[:2], 16) % len(_FINDINGS)]}
        image.image_scan_status = {"status": "COMPLETE"}
