-- title: A data set proved bad: what was made from it?
-- about: Every job that read below a prefix, with its models and packages; without a prefix, the data behind the newest model.
-- topic: data and models
-- param: prefix text '' | What the data set's URI begins with
-- param: top integer 20 | Show no more than so many rows
WITH bad AS (SELECT CASE WHEN $prefix <> '' THEN $prefix ELSE (
    SELECT d.target_id FROM lineage AS d JOIN lineage AS m ON m.source_id = d.source_id AND m.edge = 'PRODUCED_MODEL'
    WHERE d.edge = 'READS_DATASET' ORDER BY m.target_id DESC, d.target_id LIMIT 1) END AS prefix)
SELECT regexp_extract(d.source_id, '[^/]+$') AS job, d.target_id AS dataset, o.edge AS gave,
    regexp_extract(o.target_id, '[^:]+$') AS result
FROM bad JOIN lineage AS d ON d.edge = 'READS_DATASET' AND starts_with(d.target_id, bad.prefix)
LEFT JOIN lineage AS o ON o.source_id = d.source_id AND o.edge IN ('PRODUCED_MODEL', 'REGISTERED_AS')
ORDER BY result NULLS LAST, job LIMIT $top
