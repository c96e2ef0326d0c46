-- title: Which child of each tuning job was best, and what did the rest cost?
-- about: By the objective that the tuning job states.
-- topic: metrics
-- param: top integer 20 | Show no more than so many rows
WITH child AS (
    SELECT j.tuning_job_arn, j.training_job_name, j.training_job_status, j.billed_instance_seconds,
        j.hyper_parameters['_tuning_objective_metric'] AS metric, list_filter(j.final_metric_data_list,
            lambda m: m.metric_name = j.hyper_parameters['_tuning_objective_metric'])[1].value::DOUBLE AS value
    FROM aws_sagemaker_trainingjob_insights AS j WHERE j.tuning_job_arn IS NOT NULL
)
SELECT regexp_extract(tuning_job_arn, '[^/]+$') AS tuning_job, any_value(metric) AS metric, count(*) AS children,
    count(*) FILTER (training_job_status = 'Failed') AS failed, round(abs(max(points)), 4) AS best,
    arg_max(training_job_name, points) AS best_job, round(sum(billed_instance_seconds) / 3600.0, 1) AS instance_hours
FROM (SELECT *, CASE WHEN regexp_matches(metric, '(?i)loss|error|rmse|mae') THEN -value ELSE value END AS points FROM child)
GROUP BY tuning_job_arn ORDER BY instance_hours DESC, tuning_job LIMIT $top
