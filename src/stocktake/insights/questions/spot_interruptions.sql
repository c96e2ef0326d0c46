-- title: Which instance types are interrupted most, and how long do jobs wait then?
-- about: Spot jobs only.
-- topic: spot
-- param: top integer 20 | Show no more than so many rows
SELECT instance_type, count(*) AS spot_jobs, sum(interruptions)::BIGINT AS interruptions,
    round(avg(interruptions), 2) AS per_job, round(sum(interrupted_seconds) / 3600.0, 1) AS hours_waiting
FROM aws_sagemaker_trainingjob_insights WHERE enable_managed_spot_training
GROUP BY ALL ORDER BY interruptions DESC, spot_jobs DESC LIMIT $top
