-- title: Does a hyperparameter matter?
-- about: Correlation of its logarithm with the objective, inside each tuning job.
-- topic: metrics
-- param: parameter text 'eta' | The hyperparameter's name
-- param: least integer 8 | Only tuning jobs with at least so many
-- param: top integer 20 | Show no more than so many rows
SELECT regexp_extract(tuning_job_arn, '[^/]+$') AS tuning_job, count(*) AS jobs, round(corr(ln(x), value), 2) AS correlation FROM (
    SELECT tuning_job_arn, TRY_CAST(hyper_parameters[$parameter] AS DOUBLE) AS x, list_filter(final_metric_data_list,
        lambda m: m.metric_name = hyper_parameters['_tuning_objective_metric'])[1].value::DOUBLE AS value
    FROM aws_sagemaker_trainingjob_insights WHERE tuning_job_arn IS NOT NULL AND training_job_status = 'Completed')
WHERE x > 0 AND value IS NOT NULL GROUP BY ALL HAVING count(*) >= $least AND correlation IS NOT NULL
ORDER BY abs(correlation) DESC, tuning_job LIMIT $top
