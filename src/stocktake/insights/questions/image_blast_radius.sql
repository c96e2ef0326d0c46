-- title: An image has known vulnerabilities: which models came from it?
-- about: Images with findings of a severity in ECR's scan, the jobs that ran them, and the models made of these.
-- topic: images
-- needs: aws_ecr_image
-- param: severity text 'CRITICAL' | Findings of this severity
-- param: least integer 1 | At least so many
-- param: top integer 20 | Show no more than so many rows
SELECT regexp_extract(i.repository_name, '.*') AS repository, i.image_tags, findings, count(DISTINCT e.source_id) AS jobs,
    count(DISTINCT m.target_id) AS models
FROM (SELECT *, image_scan_findings_summary.finding_severity_counts[$severity] AS findings FROM aws_ecr_image) AS i
JOIN lineage AS e ON e.edge = 'RUNS_IMAGE_VERSION' AND e.target_id = i._id AND e.target_account_id = i.account_id
LEFT JOIN lineage AS m ON m.source_id = e.source_id AND m.edge = 'PRODUCED_MODEL'
WHERE findings >= $least GROUP BY ALL ORDER BY jobs DESC LIMIT $top
