-- title: Do warm pools pay?
-- about: Pools that were reused and pools that were kept for nothing, by team; how much sooner reusing jobs start.
-- topic: warm pools
WITH reused AS (SELECT DISTINCT target_id AS id FROM lineage WHERE edge = 'WARM_POOL_PASSED_TO')
SELECT coalesce(j.team, '(untagged)') AS team,
    count(*) FILTER (j.warm_pool_status.status = 'Reused') AS reused,
    count(*) FILTER (j.warm_pool_status.status = 'Terminated') AS kept_for_nothing,
    round(sum(j.warm_pool_instance_seconds) / 3600.0, 1) AS hours_kept,
    round(sum(j.warm_pool_instance_seconds) FILTER (j.warm_pool_status.status = 'Terminated') / 3600.0, 1) AS hours_wasted,
    round(avg(j.queue_seconds) FILTER (r.id IS NULL)) AS cold_start_seconds,
    round(avg(j.queue_seconds) FILTER (r.id IS NOT NULL)) AS warm_start_seconds
FROM aws_sagemaker_trainingjob_insights AS j LEFT JOIN reused AS r ON r.id = j._id
WHERE j.warm_pool_status IS NOT NULL GROUP BY ALL ORDER BY hours_kept DESC
