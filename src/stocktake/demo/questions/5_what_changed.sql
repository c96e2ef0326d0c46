-- What changed between the two syncs?
-- Every version is kept, with the sweep that saw it begin and the one that saw it end.
WITH versions AS (
    SELECT *, lag(training_job_status || ' / ' || secondary_status) OVER (PARTITION BY _id, _created ORDER BY _from) AS before
    FROM aws_sagemaker_trainingjob_history
)
SELECT 'new' AS change, NULL AS before, training_job_status || ' / ' || secondary_status AS after, count(*) AS jobs
FROM versions WHERE _sweep = (SELECT max(sweep_id) FROM sweeps) AND before IS NULL GROUP BY ALL
UNION ALL
SELECT 'changed', before, training_job_status || ' / ' || secondary_status, count(*)
FROM versions WHERE _sweep = (SELECT max(sweep_id) FROM sweeps) AND before IS NOT NULL GROUP BY ALL
UNION ALL
SELECT 'deleted', training_job_status || ' / ' || secondary_status, NULL, count(*)
FROM versions WHERE _end_sweep = (SELECT max(sweep_id) FROM sweeps) AND _gone GROUP BY ALL
ORDER BY change, jobs DESC
