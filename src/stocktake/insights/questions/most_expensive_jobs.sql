-- title: Which jobs were the most expensive?
-- about: By cost where prices are given, else by instance-hours.
-- topic: money
-- param: top integer 20 | Show no more than so many rows
SELECT j.training_job_name AS job, j.team, j.instance_types, j.instance_count AS instances,
    j.training_job_status AS status, j.instance_hours, round(c.cost, 2) AS cost
FROM aws_sagemaker_trainingjob_insights AS j
LEFT JOIN job_costs AS c ON c.id = j._id AND c.account_id = j.account_id AND c.region = j._region
ORDER BY c.cost DESC NULLS LAST, j.instance_hours DESC, job LIMIT $top
