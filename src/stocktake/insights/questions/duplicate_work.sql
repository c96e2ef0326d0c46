-- title: Which work was done and paid more than once?
-- about: Completed jobs with the same fingerprint: image, hyperparameters, environment, data and instances.
-- topic: data and models
-- param: top integer 20 | Show no more than so many rows
SELECT config_fingerprint AS fingerprint, count(*) AS runs, min(training_job_name) AS example,
    round((sum(billed_instance_seconds) - min(billed_instance_seconds)) / 3600.0, 1) AS hours_repeated
FROM aws_sagemaker_trainingjob_insights WHERE training_job_status = 'Completed'
GROUP BY ALL HAVING count(*) > 1 ORDER BY hours_repeated DESC, fingerprint LIMIT $top
