"""A training job's log lines, simulated, and the final metrics that its own regular expressions find in them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stocktake.demo.draws import Draws

Json = dict[str, Any]
(_QUALITY, _LOSS, _NOISE, _EPOCHS) = range(10, 14)


def log_lines(fate: Draws, trained_ms: int) -> list[str]:
    """Return the lines that a container prints at the end of its last epoch, in the formats of common frameworks."""
    epochs = 1 + fate.below(_EPOCHS, 40)
    progress = min(trained_ms / 60_000, 60) / 60
    good = min(0.55 + 0.35 * fate.share(_QUALITY) + 0.08 * progress, 0.999)
    loss = (0.05 + 0.6 * fate.share(_LOSS)) * (1.3 - progress)
    test, train = loss * (1.05 + 0.2 * fate.share(_NOISE)), min(good + 0.02, 0.9999)
    rate = 2e-5 * (1 + fate.share(_NOISE))
    return [
        f"[{epochs * 10}]#011train-auc:{train:.5f}#011validation-auc:{good:.5f}",
        f"[{epochs * 10}]#011train-rmse:{loss:.5f}#011validation-rmse:{test:.5f}",
        f"epoch={epochs} train_loss={loss:.5f} val_loss={test:.5f} lr={rate:.2e}",
        f"epoch={epochs} train_accuracy={train:.4f} val_accuracy={good:.4f}",
        f"eval_auc={good:.5f} eval_loss={test:.5f} logloss={loss:.5f} recall@50={good:.4f}",
        f"ndcg={good:.4f} wer={loss:.4f}",
        f"wape={loss:.4f} mase={test:.4f} mean_reward={400 * good:.2f} ppl={1 + 4 * loss:.3f} objective={good:.5f}",
        f"{{'loss': {loss:.4f}, 'learning_rate': {rate:.2e}, 'epoch': {epochs}.0}}",
        f"{{'eval_loss': {test:.4f}, 'eval_f1': {good:.4f}, 'eval_accuracy': {good:.4f}, 'epoch': {epochs}.0}}",
        f"Train Loss: {loss:.5f}; Test Loss: {test:.5f}; Train Accuracy: {train:.4f}; Test Accuracy: {good:.4f};",
        f"#quality_metric: host=algo-1, epoch={epochs}, train loss <loss>={loss:.5f}, test <loss>={test:.5f}",
        f"loss: {loss:.5f} - accuracy: {train:.4f} - val_loss: {test:.5f} - val_accuracy: {good:.4f}",
    ]


def final_metrics(request: Json, fate: Draws, trained_ms: int, emitted_ms: int) -> list[Json]:
    """Return FinalMetricDataList: for each metric definition, the last value that its expression finds."""
    algorithm = request.get("AlgorithmSpecification") or {}
    definitions = algorithm.get("MetricDefinitions")
    if not definitions or trained_ms < 1000:
        return []
    lines = log_lines(fate, trained_ms)
    found = []
    for definition in definitions:
        value = _last_value(_compiled(definition["Regex"]), lines)
        if value is not None:
            found.append({"MetricName": definition["Name"], "Value": value, "Timestamp": emitted_ms / 1000})
    return found


def _last_value(pattern: re.Pattern[str], lines: list[str]) -> float | None:
    for line in reversed(lines):
        found = None
        for match in pattern.finditer(line):
            found = match
        if found is not None:
            try:
                return float(found.group(1))
            except (TypeError, ValueError):
                continue  # the group is empty, or what it captured is no number
    return None


@lru_cache(maxsize=1024)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(text)
