-- title: What did each team's training cost?
-- about: Billed instance-hours by the tag `team`, warm pools included; currency where prices are given, and the part that gave no model.
-- topic: money
-- param: days integer 30 | Only jobs created in the last so many days
-- param: now moment newest | What counts as now; newest is the last change that any job shows
SELECT coalesce(j.team, '(untagged)') AS team, count(*) AS jobs,
    round(sum(j.total_instance_seconds) / 3600.0, 1) AS instance_hours,
    round(sum(j.total_instance_seconds) FILTER (j.training_job_status IN ('Failed', 'Stopped')) / 3600.0, 1) AS hours_without_model,
    round(sum(c.cost), 2) AS cost,
    round(sum(c.cost) FILTER (j.training_job_status IN ('Failed', 'Stopped')), 2) AS cost_without_model,
    round(sum(c.unpriced_hours), 1) AS unpriced_hours
FROM aws_sagemaker_trainingjob_insights AS j
LEFT JOIN job_costs AS c ON c.id = j._id AND c.account_id = j.account_id AND c.region = j._region
WHERE j.creation_time >= $now - to_days($days)
GROUP BY ALL ORDER BY instance_hours DESC
