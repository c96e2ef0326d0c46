-- title: What starts jobs?
-- about: Direct calls, pipelines, tuning, AutoML, labeling, Batch; how often they end well, and their hours.
-- topic: owners
SELECT launcher, count(*) AS jobs, round(100.0 * count(*) FILTER (training_job_status = 'Completed') / count(*), 1) AS completed_pct,
    round(sum(billed_instance_seconds) / 3600.0, 1) AS instance_hours
FROM aws_sagemaker_trainingjob_insights GROUP BY ALL ORDER BY instance_hours DESC
