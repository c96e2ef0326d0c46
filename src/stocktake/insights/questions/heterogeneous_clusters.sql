-- title: What does each group of a cluster of several types cost?
-- about: One row for each instance group, priced by its own type.
-- topic: money
-- param: top integer 20 | Show no more than so many rows
SELECT j.training_job_name AS job, i.name AS instance_group, i.type AS instance_type, i.count AS instances,
    round(j.billable_time_in_seconds * i.count / 3600.0, 2) AS instance_hours, round(b.cost, 2) AS cost
FROM (SELECT *, unnest(instances) AS i FROM aws_sagemaker_trainingjob_insights WHERE len(instances) > 1) AS j
LEFT JOIN job_bills AS b ON b.id = j._id AND b.account_id = j.account_id AND b.region = j._region
    AND b.instance_type = i.type AND b.instance_group = i.name AND b.what = 'training'
ORDER BY instance_hours DESC NULLS LAST, job, instance_group LIMIT $top
