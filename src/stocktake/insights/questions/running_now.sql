-- title: What runs now, for how long, and when must it end?
-- about: Live jobs, with the moment at which their limits end them.
-- topic: live
-- param: now moment newest | What counts as now; newest is the last change that any job shows
-- param: top integer 20 | Show no more than so many rows
SELECT training_job_name AS job, team, current_phase AS phase, instance_type, instance_count AS instances,
    round(date_diff('second', creation_time, $now) / 3600.0, 1) AS hours, ends_by
FROM aws_sagemaker_trainingjob_insights WHERE NOT is_final ORDER BY hours DESC, job LIMIT $top
