-- title: Does a newer image give better metrics?
-- about: Mean and deviation of each final metric, by version of the image.
-- topic: metrics
-- param: least integer 100 | Only with at least so many jobs
-- param: top integer 30 | Show no more than so many rows
SELECT image_repository, coalesce(image_tag, substr(image_digest, 8, 12), '(' || image_pin || ')') AS version, m.metric_name AS metric,
    count(*) AS jobs, round(avg(m.value::DOUBLE), 4) AS mean, round(stddev_samp(m.value::DOUBLE), 4) AS deviation
FROM (SELECT *, unnest(final_metric_data_list) AS m FROM aws_sagemaker_trainingjob_insights)
GROUP BY ALL HAVING count(*) >= $least ORDER BY image_repository, metric, version LIMIT $top
