-- title: Did the newest run do worse than the ones before it?
-- about: By output path: the last value of a metric against the mean of up to twenty earlier runs.
-- topic: metrics
-- param: metric text 'validation:auc' | The metric's name
-- param: top integer 20 | Show no more than so many rows
WITH value AS (
    SELECT team, output_data_config.s3_output_path AS output, training_job_name AS job, training_end_time, m.value::DOUBLE AS value
    FROM (SELECT *, unnest(final_metric_data_list) AS m FROM aws_sagemaker_trainingjob_insights WHERE launcher <> 'tuning') WHERE m.metric_name = $metric
)
SELECT team, output, job, round(value, 4) AS value, round(mean, 4) AS earlier_mean, round(value - mean, 4) AS difference FROM (
    SELECT *, avg(value) OVER (PARTITION BY output ORDER BY training_end_time ROWS BETWEEN 20 PRECEDING AND 1 PRECEDING) AS mean,
        row_number() OVER (PARTITION BY output ORDER BY training_end_time DESC) AS age FROM value)
WHERE age = 1 AND mean IS NOT NULL ORDER BY difference, output LIMIT $top
