-- title: Which artifacts does no model or package use?
-- about: Completed jobs whose model is stored for nothing, as far as the catalog knows.
-- topic: data and models
-- needs: aws_sagemaker_model
SELECT coalesce(j.team, '(untagged)') AS team, count(*) AS artifacts, min(j.training_end_time) AS oldest
FROM aws_sagemaker_trainingjob_insights AS j
ANTI JOIN (SELECT source_id FROM lineage WHERE edge IN ('PRODUCED_MODEL', 'REGISTERED_AS')) AS used ON used.source_id = j._id
WHERE j.training_job_status = 'Completed' GROUP BY ALL ORDER BY artifacts DESC, team
