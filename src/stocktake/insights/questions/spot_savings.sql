-- title: How much does managed spot training save?
-- about: By team, with the provider's formula over all ended spot jobs together: (1 - billable / training) * 100.
-- topic: spot
-- param: team text '' | Only this team
SELECT coalesce(team, '(untagged)') AS team, count(*) AS spot_jobs,
    round((1 - sum(billable_time_in_seconds) / sum(training_time_in_seconds)) * 100, 1) AS savings_pct,
    round(sum(spot_saved_instance_seconds) / 3600.0, 1) AS instance_hours_not_billed
FROM aws_sagemaker_trainingjob_insights
WHERE enable_managed_spot_training AND is_final AND training_time_in_seconds > 0
    AND ($team = '' OR team = $team)
GROUP BY ALL ORDER BY instance_hours_not_billed DESC
