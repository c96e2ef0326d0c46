-- title: Which image versions fail most?
-- about: Images with enough ended jobs to say.
-- topic: failures
-- param: least integer 50 | Only versions with at least so many jobs
-- param: top integer 20 | Show no more than so many rows
SELECT image_repository, coalesce(image_tag, substr(image_digest, 8, 12), '(' || image_pin || ')') AS version, count(*) AS jobs,
    round(100.0 * count(*) FILTER (training_job_status = 'Failed') / count(*), 1) AS failed_pct
FROM aws_sagemaker_trainingjob_insights WHERE is_final AND image_repository IS NOT NULL
GROUP BY ALL HAVING count(*) >= $least ORDER BY failed_pct DESC, jobs DESC LIMIT $top
