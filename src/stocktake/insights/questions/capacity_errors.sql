-- title: Where and when did capacity fail?
-- about: Jobs that ended for want of instances, by type, region and hour of the day (UTC).
-- topic: failures
-- param: top integer 20 | Show no more than so many rows
SELECT _region AS region, instance_type, hour(creation_time) AS hour_utc, count(*) AS jobs
FROM aws_sagemaker_trainingjob_insights WHERE failure_class = 'CapacityError' GROUP BY ALL ORDER BY jobs DESC, region, instance_type, hour_utc LIMIT $top
