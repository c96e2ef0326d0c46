-- title: Which jobs did their own limit cut off, and how tight are limits?
-- about: By team: jobs that ended by the runtime or wait limit, and the share of the runtime limit that jobs use.
-- topic: failures
SELECT coalesce(team, '(untagged)') AS team, count(*) AS jobs,
    count(*) FILTER (stop_cause = 'runtime limit') AS by_runtime_limit,
    count(*) FILTER (stop_cause = 'wait limit') AS by_wait_limit,
    round(quantile_cont(runtime_used_pct, 0.5), 1) AS p50_used_pct, round(quantile_cont(runtime_used_pct, 0.99), 1) AS p99_used_pct
FROM aws_sagemaker_trainingjob_insights WHERE is_final GROUP BY ALL ORDER BY by_runtime_limit DESC, team
