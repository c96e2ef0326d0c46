-- title: On which days did a team's failures leave their usual band?
-- about: The day's rate against the mean of the days before it, in standard deviations.
-- topic: failures
-- param: least integer 8 | Only days with at least so many jobs
-- param: deviations integer 3 | How far from the mean
SELECT team, day, jobs, round(100 * rate, 1) AS failed_pct, round(100 * mean, 1) AS usual_pct,
    round((rate - mean) / deviation, 1) AS deviations
FROM (
    SELECT *, avg(rate) OVER before AS mean, stddev_samp(rate) OVER before AS deviation FROM (
        SELECT team, creation_time::DATE AS day, count(*) AS jobs,
            count(*) FILTER (training_job_status = 'Failed') / count(*) AS rate
        FROM aws_sagemaker_trainingjob_insights WHERE is_final AND team IS NOT NULL GROUP BY ALL)
    WINDOW before AS (PARTITION BY team ORDER BY day ROWS BETWEEN 28 PRECEDING AND 1 PRECEDING))
WHERE jobs >= $least AND deviation > 0 AND rate > mean + $deviations * deviation ORDER BY deviations DESC, team, day
