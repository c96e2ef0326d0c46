-- title: How long do jobs wait for their instances?
-- about: From creation until the instances were there, by instance type.
-- topic: time
-- param: least integer 20 | Only types with at least so many jobs
SELECT instance_type, count(*) AS jobs, round(quantile_cont(queue_seconds, 0.5)) AS p50_seconds,
    round(quantile_cont(queue_seconds, 0.9)) AS p90_seconds, round(max(queue_seconds)) AS max_seconds
FROM aws_sagemaker_trainingjob_insights WHERE queue_seconds IS NOT NULL
GROUP BY ALL HAVING count(*) >= $least ORDER BY p90_seconds DESC
