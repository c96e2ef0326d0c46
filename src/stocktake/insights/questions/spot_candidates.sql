-- title: Which on-demand jobs could have run on spot capacity?
-- about: Completed jobs that write checkpoints or take less than an hour, without a warm pool or reserved capacity.
-- topic: spot
-- param: saving_pct integer 60 | What spot capacity would save, in percent
SELECT coalesce(j.team, '(untagged)') AS team, count(*) AS jobs,
    round(sum(j.billed_instance_seconds) / 3600.0, 1) AS instance_hours,
    round(sum(j.billed_instance_seconds) / 3600.0 * $saving_pct / 100.0, 1) AS hours_saved,
    round(sum(c.cost) * $saving_pct / 100.0, 2) AS cost_saved
FROM aws_sagemaker_trainingjob_insights AS j
LEFT JOIN job_costs AS c ON c.id = j._id AND c.account_id = j.account_id AND c.region = j._region
WHERE NOT coalesce(j.enable_managed_spot_training, false) AND j.training_job_status = 'Completed'
    AND (j.checkpoint_config IS NOT NULL OR j.training_time_in_seconds < 3600)
    AND j.resource_config.training_plan_arn IS NULL AND coalesce(j.resource_config.keep_alive_period_in_seconds, 0) = 0
GROUP BY ALL ORDER BY hours_saved DESC
