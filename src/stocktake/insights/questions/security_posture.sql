-- title: How many jobs are isolated and encrypted?
-- about: Shares by environment: network of one's own, network isolation, own keys, encrypted traffic between instances.
-- topic: protection
SELECT coalesce(environment_name, '(untagged)') AS environment, count(*) AS jobs,
    round(100.0 * count(*) FILTER (has_vpc) / count(*), 1) AS vpc_pct,
    round(100.0 * count(*) FILTER (enable_network_isolation) / count(*), 1) AS isolated_pct,
    round(100.0 * count(*) FILTER (output_data_config.kms_key_id IS NOT NULL) / count(*), 1) AS output_key_pct,
    round(100.0 * count(*) FILTER (volume_protection <> 'none stated') / count(*), 1) AS volume_pct,
    round(100.0 * count(*) FILTER (instance_count > 1 AND enable_inter_container_traffic_encryption)
        / nullif(count(*) FILTER (instance_count > 1), 0), 1) AS traffic_pct
FROM aws_sagemaker_trainingjob_insights GROUP BY ALL ORDER BY environment
