-- title: What was paid for jobs that gave nothing?
-- about: Failed and stopped jobs, by what ended them.
-- topic: money
SELECT j.training_job_status AS status, coalesce(j.failure_subclass, j.stop_cause) AS cause, count(*) AS jobs,
    round(sum(j.total_instance_seconds) / 3600.0, 1) AS instance_hours, round(sum(c.cost), 2) AS cost
FROM aws_sagemaker_trainingjob_insights AS j
LEFT JOIN job_costs AS c ON c.id = j._id AND c.account_id = j.account_id AND c.region = j._region
WHERE j.training_job_status IN ('Failed', 'Stopped')
GROUP BY ALL ORDER BY instance_hours DESC
