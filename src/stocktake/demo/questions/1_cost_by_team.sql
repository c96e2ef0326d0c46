-- What did each team's training cost in the last 30 days, and how much of it gave nothing?
-- Billed seconds times instances, as the provider's page says; prices are invented.
WITH job AS (
    SELECT
        coalesce(tag(tags, 'team'), '(untagged)') AS team,
        training_job_status IN ('Failed', 'Stopped') AS gave_nothing,
        billable_time_in_seconds / 3600.0 AS hours,
        unnest(CASE WHEN len(resource_config.instance_groups) > 0
                    THEN [{'kind': g.instance_type, 'n': g.instance_count} for g in resource_config.instance_groups]
                    ELSE [{'kind': resource_config.instance_type, 'n': resource_config.instance_count}] END) AS part
    FROM aws_sagemaker_trainingjob
    WHERE creation_time >= (SELECT max(creation_time) FROM aws_sagemaker_trainingjob) - INTERVAL 30 DAY
)
SELECT
    team,
    round(sum(hours * part.n), 1) AS instance_hours,
    round(sum(hours * part.n * usd_per_hour), 0) AS usd,
    round(sum(hours * part.n * usd_per_hour) FILTER (gave_nothing), 0) AS usd_for_nothing
FROM job LEFT JOIN price ON price.instance_type = job.part.kind
GROUP BY team ORDER BY usd DESC NULLS LAST
