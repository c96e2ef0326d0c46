-- title: Which jobs carry something like a secret?
-- about: Names of environment variables and hyperparameters only; their values are redacted before they are stored.
-- topic: protection
-- param: top integer 20 | Show no more than so many rows
SELECT training_job_name AS job, account_id, team, names FROM (
    SELECT *, list_filter(list_concat(coalesce(map_keys(environment), []), coalesce(map_keys(hyper_parameters), [])),
        lambda n: regexp_matches(n, '(?i)(secret|passw|token|api_?key|access_key|credential)')) AS names FROM aws_sagemaker_trainingjob_insights)
WHERE len(names) > 0 ORDER BY creation_time DESC, job LIMIT $top
