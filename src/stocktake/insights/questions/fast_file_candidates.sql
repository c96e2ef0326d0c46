-- title: Which File-mode jobs would start sooner in FastFile mode?
-- about: Jobs that copy data from S3 for a while before they train; the time is paid for.
-- topic: time
-- param: seconds integer 300 | Downloads longer than this
SELECT coalesce(team, '(untagged)') AS team, count(*) AS jobs, round(avg(downloading_seconds)) AS mean_download_seconds,
    round(sum(downloading_seconds * instance_count) / 3600.0, 1) AS instance_hours_copying
FROM aws_sagemaker_trainingjob_insights
WHERE downloading_seconds > $seconds AND len(list_filter(channels, lambda c: c.mode = 'File' AND c.source = 's3')) > 0
GROUP BY ALL ORDER BY instance_hours_copying DESC
