-- Why do jobs fail, and in which phase?
-- The class is how the reason begins; the phase is the last one before the end, by time, since the list has no order.
SELECT
    coalesce(nullif(regexp_extract(failure_reason, '^([A-Za-z]+Error)', 1), ''), '(other)') AS class,
    list_sort([{'at': t.start_time, 'phase': t.status} for t in secondary_status_transitions
               if t.status NOT IN ('Failed', 'Stopped', 'Completed')])[-1].phase AS phase,
    count(*) AS jobs,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS pct,
    round(sum(billable_time_in_seconds * coalesce(nullif(resource_config.instance_count, 0), 1)) / 3600.0, 1)
        AS instance_hours
FROM aws_sagemaker_trainingjob
WHERE training_job_status = 'Failed'
GROUP BY ALL ORDER BY jobs DESC, class LIMIT 12
