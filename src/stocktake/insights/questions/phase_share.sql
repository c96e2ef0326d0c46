-- title: Where does the time go?
-- about: Share of the time from creation to the end, by phase: waiting, download, training, interruptions, upload.
-- topic: time
SELECT coalesce(team, '(untagged)') AS team, count(*) AS jobs,
    round(100 * sum(pending_seconds + starting_seconds) / sum(total_seconds), 1) AS waiting_pct,
    round(100 * sum(downloading_seconds) / sum(total_seconds), 1) AS download_pct,
    round(100 * sum(training_seconds) / sum(total_seconds), 1) AS training_pct,
    round(100 * sum(interrupted_seconds) / sum(total_seconds), 1) AS interrupted_pct,
    round(100 * sum(uploading_seconds + stopping_seconds) / sum(total_seconds), 1) AS end_pct
FROM aws_sagemaker_trainingjob_insights WHERE is_final AND len(phases) > 0 GROUP BY ALL ORDER BY team
