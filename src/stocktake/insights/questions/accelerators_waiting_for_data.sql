-- title: Which jobs pay for accelerators while data is copied?
-- about: More than a share of the paid time goes to downloading.
-- topic: time
-- param: share_pct integer 30 | How much of the paid time, in percent
-- param: top integer 20 | Show no more than so many rows
SELECT training_job_name AS job, team, instance_type, instance_count AS instances,
    round(downloading_seconds) AS download_seconds, round(training_seconds) AS training_seconds, input_modes
FROM aws_sagemaker_trainingjob_insights
WHERE accelerator <> 'none' AND downloading_seconds > $share_pct / 100.0 * (downloading_seconds + training_seconds)
ORDER BY downloading_seconds * instance_count DESC LIMIT $top
