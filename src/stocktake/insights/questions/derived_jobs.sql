-- title: Which jobs build on the model or the checkpoints of another?
-- about: Pairs of jobs where one reads what the other wrote.
-- topic: data and models
-- param: top integer 20 | Show no more than so many rows
SELECT regexp_extract(source_id, '[^/]+$') AS job, regexp_extract(target_id, '[^/]+$') AS derived_from, detail AS through
FROM lineage WHERE edge = 'DERIVED_FROM' ORDER BY job, derived_from LIMIT $top
