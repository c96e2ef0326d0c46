-- title: What is behind a model in service?
-- about: From endpoints through their models to the job, its data, its image and what started it.
-- topic: data and models
-- needs: aws_sagemaker_model, aws_sagemaker_endpoint, aws_sagemaker_endpointconfig
-- param: top integer 20 | Show no more than so many rows
WITH serving AS (
    SELECT DISTINCT v.model_name, e.account_id, e._region, e.endpoint_name
    FROM aws_sagemaker_endpoint AS e JOIN (
        SELECT endpoint_config_name, account_id, _region, unnest(production_variants, recursive := true)
        FROM aws_sagemaker_endpointconfig) AS v
    ON v.endpoint_config_name = e.endpoint_config_name AND v.account_id = e.account_id AND v._region = e._region
)
SELECT s.endpoint_name AS endpoint, s.model_name AS model, j.training_job_name AS job, j.launcher,
    j.algorithm_specification.training_image AS image, j.input_uris AS data, regexp_extract(j.role_arn, '[^/]+$') AS role
FROM serving AS s
JOIN aws_sagemaker_model AS m ON m.model_name = s.model_name AND m.account_id = s.account_id AND m._region = s._region
JOIN lineage AS e ON e.edge = 'PRODUCED_MODEL' AND e.target_id = m._id
JOIN aws_sagemaker_trainingjob_insights AS j ON j._id = e.source_id
ORDER BY endpoint, model LIMIT $top
