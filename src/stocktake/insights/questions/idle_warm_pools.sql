-- title: Which warm pools wait now, until when, and at what price an hour?
-- about: Pools that are available; they are billed until they are reused or end.
-- topic: warm pools
-- param: now moment newest | What counts as now; newest is the last change that any job shows
SELECT j.training_job_name AS job, j.team, i.type AS instance_type, i.count AS instances,
    j.training_end_time + to_seconds(j.resource_config.keep_alive_period_in_seconds) AS ends_at,
    round(i.count * p.per_hour, 2) AS cost_per_hour
FROM (SELECT *, unnest(instances) AS i FROM aws_sagemaker_trainingjob_insights WHERE warm_pool_status.status = 'Available') AS j
LEFT JOIN prices AS p ON p.instance_type = i.type AND coalesce(p.region, j._region) = j._region
    AND coalesce(p.valid_from <= $now, true) AND coalesce(p.valid_to > $now, true)
ORDER BY instances DESC, job
