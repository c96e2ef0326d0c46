-- title: Is waiting for instances getting worse?
-- about: Week by week, with and without accelerators.
-- topic: time
-- param: days integer 84 | Only jobs created in the last so many days
-- param: now moment newest | What counts as now; newest is the last change that any job shows
SELECT date_trunc('week', creation_time)::DATE AS week, accelerator, count(*) AS jobs,
    round(quantile_cont(queue_seconds, 0.5)) AS p50_seconds, round(quantile_cont(queue_seconds, 0.9)) AS p90_seconds
FROM aws_sagemaker_trainingjob_insights WHERE queue_seconds IS NOT NULL AND creation_time >= $now - to_days($days)
GROUP BY ALL ORDER BY week DESC, accelerator
