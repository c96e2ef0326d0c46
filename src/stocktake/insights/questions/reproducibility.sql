-- title: Could these models be trained again?
-- about: Points of four by team: an image by digest, at least a fixed tag, a manifest or a dated prefix for data, a seed.
-- topic: owners
SELECT coalesce(team, '(untagged)') AS team, count(*) AS jobs, round(avg(
    (image_pin = 'digest')::INTEGER + (image_pin IN ('digest', 'tag'))::INTEGER
    + coalesce(len(list_filter(channels, lambda c: contains(c.content, 'Manifest') OR regexp_matches(c.location, '[0-9]{4}-[0-9]{2}-[0-9]{2}'))) > 0, false)::INTEGER
    + (len(list_filter(map_keys(hyper_parameters), lambda n: regexp_matches(n, '(?i)seed'))) > 0)::INTEGER), 2) AS points_of_4
FROM aws_sagemaker_trainingjob_insights WHERE training_job_status = 'Completed' AND image_pin IS NOT NULL GROUP BY ALL ORDER BY points_of_4 DESC, team
