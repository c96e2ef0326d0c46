-- How much does managed spot training save, and who does not use it?
-- Savings by the provider's formula: (1 - billable / training) * 100.
SELECT
    coalesce(tag(tags, 'team'), '(untagged)') AS team,
    count(*) FILTER (enable_managed_spot_training) AS spot_jobs,
    count(*) FILTER (NOT coalesce(enable_managed_spot_training, false)) AS on_demand_jobs,
    round((1 - sum(billable_time_in_seconds) FILTER (enable_managed_spot_training)
             / sum(training_time_in_seconds) FILTER (enable_managed_spot_training)) * 100, 1) AS savings_pct,
    round(sum((training_time_in_seconds - billable_time_in_seconds)
              * coalesce(nullif(resource_config.instance_count, 0), 1)) / 3600.0, 1) AS hours_not_paid
FROM aws_sagemaker_trainingjob
WHERE training_time_in_seconds > 0 AND training_job_status IN ('Completed', 'Failed', 'Stopped')
GROUP BY team ORDER BY hours_not_paid DESC
