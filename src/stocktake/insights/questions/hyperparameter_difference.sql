-- title: What differs between two jobs' hyperparameters?
-- about: Two jobs by name; without names, the first two children of a tuning job.
-- topic: metrics
-- param: left text '' | One job's name
-- param: right text '' | The other's
WITH pair AS (
    SELECT training_job_name AS job, hyper_parameters AS parameters,
        row_number() OVER (ORDER BY training_job_name <> $left, training_job_name) AS number
    FROM aws_sagemaker_trainingjob_insights WHERE CASE WHEN $left <> '' THEN training_job_name IN ($left, $right) ELSE launcher = 'tuning' END
    ORDER BY number LIMIT 2
)
SELECT k AS parameter, a.parameters[k] AS left_value, b.parameters[k] AS right_value, a.job AS left_job, b.job AS right_job
FROM (SELECT * FROM pair WHERE number = 1) AS a, (SELECT * FROM pair WHERE number = 2) AS b,
    unnest(list_distinct(list_concat(map_keys(a.parameters), map_keys(b.parameters)))) AS u(k)
WHERE a.parameters[k] IS DISTINCT FROM b.parameters[k] ORDER BY parameter
