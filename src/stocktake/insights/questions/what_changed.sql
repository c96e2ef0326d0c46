-- title: What changed between the two last syncs?
-- about: Every version is kept, with the sweep that saw it begin and the one that saw it end: jobs by what became of them.
-- topic: history
WITH version AS (
    SELECT *, training_job_status || ' / ' || secondary_status AS status,
        lag(training_job_status || ' / ' || secondary_status) OVER (PARTITION BY _id, account_id, _region, _created ORDER BY _from) AS status_before
    FROM aws_sagemaker_trainingjob_history
), last AS (SELECT max(_sweep) AS sweep FROM aws_sagemaker_trainingjob_history)
SELECT CASE WHEN status_before IS NULL THEN 'new' ELSE 'changed' END AS change, status_before, status, count(*) AS jobs
FROM version, last WHERE _sweep = sweep GROUP BY ALL
UNION ALL
SELECT 'deleted', status, NULL, count(*) FROM version, last WHERE _gone AND _end_sweep = sweep GROUP BY ALL
ORDER BY change, jobs DESC, status_before, status
