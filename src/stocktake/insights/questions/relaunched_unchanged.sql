-- title: Failed jobs that were started again unchanged: did it help?
-- about: The same fingerprint within a day in the same account.
-- topic: failures
SELECT a.failure_subclass, count(*) AS relaunched,
    count(*) FILTER (b.training_job_status = 'Completed') AS then_completed,
    round(100.0 * count(*) FILTER (b.training_job_status = 'Completed') / count(*), 1) AS helped_pct
FROM aws_sagemaker_trainingjob_insights AS a JOIN aws_sagemaker_trainingjob_insights AS b ON b.config_fingerprint = a.config_fingerprint AND b.account_id = a.account_id
    AND b._region = a._region AND b.creation_time > a.creation_time AND b.creation_time < a.creation_time + to_days(1)
WHERE a.training_job_status = 'Failed' AND b.is_final GROUP BY ALL ORDER BY relaunched DESC, failure_subclass
