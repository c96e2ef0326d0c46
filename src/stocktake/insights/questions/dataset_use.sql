-- title: Which data sets feed the most training?
-- about: By S3 prefix, without the partition of a day at its end.
-- topic: data and models
-- param: top integer 20 | Show no more than so many rows
SELECT regexp_replace(regexp_replace(uri, '/+$', ''), '/[a-z_]+=[^/]+$', '') AS dataset, count(*) AS jobs,
    count(DISTINCT team) AS teams, max(creation_time) AS last_used
FROM (SELECT team, creation_time, unnest(input_uris) AS uri FROM aws_sagemaker_trainingjob_insights)
GROUP BY ALL ORDER BY jobs DESC, dataset LIMIT $top
