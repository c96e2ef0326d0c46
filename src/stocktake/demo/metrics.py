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
    epoch, acc = f"{epochs}", f"{good:.5f}"
    train, low = f"{min(good + 0.02, 0.9999):.5f}", f"{loss:.5f}"
    test = f"{loss * (1.05 + 0.2 * fate.share(_NOISE)):.5f}"
    rate = f"{2e-5 * (1 + fate.share(_NOISE)):.2e}"
    return [
        f"[{epoch}0]#011train-auc:{train}#011validation-auc:{acc}",
        f"[{epoch}0]#011train-rmse:{low}#011validation-rmse:{test}",
        f"epoch={epoch} train_loss={low} val_loss={test} lr={rate}",
        f"epoch={epoch} train_accuracy={train} val_accuracy={acc}",
        f"eval_auc={acc} eval_loss={test} logloss={low} recall@50={acc}",
        f"ndcg={acc} wer={low} wape={low} mase={test} objective={acc}",
        f"mean_reward={400 * good:.2f} ppl={1 + 4 * loss:.3f}",
        f"{{'loss': {low}, 'learning_rate': {rate}, 'epoch': {epoch}.0}}",
        f"{{'eval_loss': {test}, 'eval_f1': {acc}, 'eval_accuracy': {acc}, 'epoch': {epoch}.0}}",
        f"Train Loss: {low}; Test Loss: {test}; Train Accuracy: {train}; Test Accuracy: {acc};",
        f"#quality_metric: host=algo-1, epoch={epoch}, train loss <loss>={low}, test <loss>={test}",
        f"loss: {low} - accuracy: {train} - val_loss: {test} - val_accuracy: {acc}",
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
