-- How long do jobs wait for their instances?
-- From creation until the first phase that has instances.
WITH job AS (
    SELECT
        coalesce(resource_config.instance_type, resource_config.instance_groups[1].instance_type) AS instance_type,
        date_diff('second', creation_time,
                  list_min([t.start_time for t in secondary_status_transitions
                            if t.status IN ('Downloading', 'DownloadingTrainingImage', 'Training')])) AS seconds
    FROM aws_sagemaker_trainingjob
)
SELECT
    instance_type,
    count(*) AS jobs,
    round(quantile_cont(seconds, 0.5))::INTEGER AS p50_seconds,
    round(quantile_cont(seconds, 0.9))::INTEGER AS p90_seconds,
    max(seconds) AS max_seconds
FROM job WHERE seconds IS NOT NULL
GROUP BY instance_type HAVING count(*) >= 20 ORDER BY p90_seconds DESC LIMIT 10
