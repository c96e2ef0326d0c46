-- title: What is spent without an owner, and whom could one ask?
-- about: Jobs without the tag `team`, by account and role.
-- topic: money
-- param: top integer 20 | Show no more than so many rows
SELECT j.account_id, regexp_extract(j.role_arn, '[^/]+$') AS role, count(*) AS jobs,
    round(sum(j.total_instance_seconds) / 3600.0, 1) AS instance_hours, round(sum(c.cost), 2) AS cost
FROM aws_sagemaker_trainingjob_insights AS j
LEFT JOIN job_costs AS c ON c.id = j._id AND c.account_id = j.account_id AND c.region = j._region
WHERE j.team IS NULL GROUP BY ALL ORDER BY instance_hours DESC LIMIT $top
