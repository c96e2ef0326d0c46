-- title: What did one job go through, and when?
-- about: The job with the most interruptions, or the one that is named: a row for each phase.
-- topic: time
-- param: job text '' | The job's name
SELECT training_job_name AS job, p.phase, p.started_at, p.ended_at, p.seconds
FROM (SELECT training_job_name, unnest(phases) AS p FROM (
    SELECT * FROM aws_sagemaker_trainingjob_insights WHERE $job = '' OR training_job_name = $job
    ORDER BY interruptions DESC NULLS LAST, training_job_name LIMIT 1))
ORDER BY p.started_at
