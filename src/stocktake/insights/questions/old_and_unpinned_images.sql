-- title: Which old or unpinned images are still in use?
-- about: Images by `latest` or without a tag, and framework containers below a version.
-- topic: images
-- param: days integer 30 | Only jobs created in the last so many days
-- param: now moment newest | What counts as now; newest is the last change that any job shows
-- param: major integer 2 | Frameworks below this major version are old
-- param: top integer 20 | Show no more than so many rows
SELECT image_kind, image_repository, coalesce(image_tag, '(' || image_pin || ')') AS tag, count(*) AS jobs,
    max(creation_time) AS last_used
FROM aws_sagemaker_trainingjob_insights
WHERE creation_time >= $now - to_days($days) AND (image_pin IN ('latest', 'none')
    OR (image_kind = 'framework container' AND TRY_CAST(regexp_extract(image_tag, '^([0-9]+)', 1) AS INTEGER) < $major))
GROUP BY ALL ORDER BY jobs DESC, image_repository, tag LIMIT $top
