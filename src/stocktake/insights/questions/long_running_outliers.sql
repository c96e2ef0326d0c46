-- title: Which jobs ran far longer than their like?
-- about: Against jobs of the same team, image and instance type, by the logarithm of the training time.
-- topic: failures
-- param: deviations integer 2 | How far from the mean
-- param: top integer 20 | Show no more than so many rows
SELECT job, team, status, round(deviations, 1) AS deviations, training_time_in_seconds AS seconds,
    round(exp(mean)) AS usual_seconds
FROM (
    SELECT training_job_name AS job, team, training_job_status AS status, training_time_in_seconds,
        avg(ln(training_time_in_seconds)) OVER alike AS mean,
        (ln(training_time_in_seconds) - avg(ln(training_time_in_seconds)) OVER alike)
            / nullif(stddev_samp(ln(training_time_in_seconds)) OVER alike, 0) AS deviations
    FROM aws_sagemaker_trainingjob_insights WHERE training_time_in_seconds > 0
    WINDOW alike AS (PARTITION BY team, image_repository, instance_type))
WHERE deviations > $deviations ORDER BY deviations DESC, job LIMIT $top
