"""Why training jobs fail: reasons by class and phase, in the wording that users know from the service."""

from __future__ import annotations

from stocktake.demo.plan import Failure

_SCRIPT = "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "
_CUDA = _SCRIPT + '"torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB", exit code: 1'
_COMMON = (
    (6, "AlgorithmError", "Training", _SCRIPT + "\"KeyError: 'label_id'\", exit code: 1"),
    (
        5,
        "AlgorithmError",
        "Training",
        _SCRIPT + '"ValueError: Input contains NaN, infinity or a value too large", exit code: 1',
    ),
    (4, "AlgorithmError", "Training", _SCRIPT + "\"ModuleNotFoundError: No module named 'featurelib'\", exit code: 1"),
    (4, "AlgorithmError", "Training", "AlgorithmError: , exit code: 137"),
    (
        2,
        "ClientError",
        "Training",
        "ClientError: Please use an instance type with more disk space: No space left on device",
    ),
    (2, "ClientError", "Starting", "ClientError: Cannot pull the training image: the repository or tag does not exist"),
    (2, "ClientError", "Uploading", "ClientError: Artifact upload failed: Access Denied writing to {output}"),
    (2, "InternalServerError", "Training", "InternalServerError: We encountered an internal error. Please try again."),
)
_DOWNLOADS = (
    (
        4,
        "ClientError",
        "Downloading",
        "ClientError: No S3 objects found under S3 URL {input} given in input data source.",
    ),
    (2, "ClientError", "Downloading", "ClientError: Data download failed: Access Denied reading {input}; check {role}"),
)
_NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
_GPU = ((9, "AlgorithmError", "Training", _CUDA),)
_SCARCE = ((12, "CapacityError", "Starting", _NO_CAPACITY),)
_SELDOM_SCARCE = ((1, *_SCARCE[0][1:]),)


def possible_failures(
    *, downloads: bool, accelerated: bool, scarce: bool, places: dict[str, str]
) -> tuple[Failure, ...]:
    """Return the failures that a job could have, each as often as its weight says.

    Shape: `places` fills `{input}`, `{output}` and `{role}` in the reasons.
    """
    table = list(_COMMON)
    if downloads:
        table += _DOWNLOADS
    if accelerated:
        table += _GPU
    table += _SCARCE if scarce else _SELDOM_SCARCE
    return tuple(
        failure
        for weight, kind, phase, reason in table
        for failure in (Failure(kind, phase, reason.format_map(places)),) * weight
    )
