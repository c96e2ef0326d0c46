-- title: Which volumes are asked for in vain?
-- about: Volumes on instance types that bring their own disks, where VolumeSizeInGB has no effect, and on the others.
-- topic: capacity
SELECT has_local_storage, count(*) AS jobs, count(resource_config.volume_size_in_gb) AS with_a_volume,
    sum(resource_config.volume_size_in_gb * instance_count)::BIGINT AS gigabytes_asked
FROM aws_sagemaker_trainingjob_insights WHERE instance_type IS NOT NULL GROUP BY ALL ORDER BY has_local_storage
