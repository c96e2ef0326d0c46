-- title: Which jobs read buckets of another region?
-- about: The page says that an input bucket must be in the job's region.
-- topic: protection
-- needs: aws_s3_bucket
-- param: top integer 20 | Show no more than so many rows
SELECT j._region AS job_region, b.name AS bucket, b.bucket_region, count(*) AS jobs
FROM (SELECT _region, unnest(input_buckets) AS bucket FROM aws_sagemaker_trainingjob_insights) AS j
JOIN aws_s3_bucket AS b ON b.name = j.bucket WHERE b.bucket_region <> j._region
GROUP BY ALL ORDER BY jobs DESC, bucket LIMIT $top
