-- title: How much work is done again because a spot job wrote no checkpoints?
-- about: Training before the last start, of interrupted or retried jobs without checkpoints.
-- topic: spot
SELECT coalesce(team, '(untagged)') AS team, count(*) AS jobs, sum(interruptions)::BIGINT AS interruptions,
    round(sum(redone_seconds) / 3600.0, 1) AS hours_redone,
    round(sum(redone_seconds * instance_count) / 3600.0, 1) AS instance_hours_redone
FROM aws_sagemaker_trainingjob_insights WHERE is_final AND redone_seconds > 0
GROUP BY ALL ORDER BY instance_hours_redone DESC
