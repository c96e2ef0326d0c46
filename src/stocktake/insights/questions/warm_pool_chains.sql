-- title: Which jobs passed one set of instances on?
-- about: Chains of reuse, the longest first.
-- topic: warm pools
-- param: top integer 20 | Show no more than so many rows
WITH RECURSIVE hop AS MATERIALIZED (
    SELECT source_id, target_id FROM lineage WHERE edge = 'WARM_POOL_PASSED_TO'
), chain AS (
    SELECT source_id AS first_id, target_id AS last_id, 2 AS jobs FROM hop
    WHERE source_id NOT IN (SELECT target_id FROM hop)
    UNION ALL
    SELECT c.first_id, h.target_id, c.jobs + 1 FROM chain AS c JOIN hop AS h ON h.source_id = c.last_id
)
SELECT regexp_extract(first_id, '[^/]+$') AS first_job, regexp_extract(arg_max(last_id, jobs), '[^/]+$') AS last_job,
    max(jobs) AS jobs_in_chain
FROM chain GROUP BY first_id ORDER BY jobs_in_chain DESC, first_job LIMIT $top
