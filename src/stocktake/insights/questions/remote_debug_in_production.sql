-- title: Which production jobs allow a shell into their containers?
-- about: Remote debugging is on, and the environment is production by its tag.
-- topic: protection
-- param: top integer 20 | Show no more than so many rows
SELECT training_job_name AS job, team, environment_name AS environment, regexp_extract(role_arn, '[^/]+$') AS role, creation_time
FROM aws_sagemaker_trainingjob_insights WHERE remote_debug_config.enable_remote_debug AND environment_name IN ('prod', 'production')
ORDER BY creation_time DESC, job LIMIT $top
