-- title: How many instances ran at once?
-- about: The peak by account, region and type, to hold against the service quota; heterogeneous clusters by group.
-- topic: live
-- param: top integer 20 | Show no more than so many rows
WITH change AS (
    SELECT account_id, _region, i.type AS instance_type, training_start_time AS at_time, i.count AS more
    FROM (SELECT *, unnest(instances) AS i FROM aws_sagemaker_trainingjob_insights) WHERE training_start_time IS NOT NULL
    UNION ALL
    SELECT account_id, _region, i.type, training_end_time, -i.count
    FROM (SELECT *, unnest(instances) AS i FROM aws_sagemaker_trainingjob_insights) WHERE training_start_time IS NOT NULL AND training_end_time IS NOT NULL
)
SELECT account_id, _region AS region, instance_type, max(running)::BIGINT AS peak, arg_max(at_time, running) AS peak_at FROM (
    SELECT *, sum(more) OVER (PARTITION BY account_id, _region, instance_type ORDER BY at_time, more) AS running FROM change)
GROUP BY ALL ORDER BY peak DESC, account_id, region, instance_type LIMIT $top
