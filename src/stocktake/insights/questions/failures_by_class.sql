-- title: Why do jobs fail, and in which phase?
-- about: Class as the reason begins, what it says went wrong, the phase, and what was paid.
-- topic: failures
SELECT failure_class, failure_subclass, failed_phase, count(*) AS jobs,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS pct,
    round(sum(total_instance_seconds) / 3600.0, 1) AS instance_hours
FROM aws_sagemaker_trainingjob_insights WHERE training_job_status = 'Failed' GROUP BY ALL ORDER BY jobs DESC, failure_class, failure_subclass
