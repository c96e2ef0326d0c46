-- title: Do jobs use up the addresses of their subnets?
-- about: Instances that started within a day, for each subnet, against its free addresses.
-- topic: capacity
-- needs: aws_ec2_subnet
-- param: days integer 1 | Jobs that started in the last so many days
-- param: now moment newest | What counts as now; newest is the last change that any job shows
-- param: top integer 20 | Show no more than so many rows
SELECT s.subnet_id AS subnet, s.available_ip_address_count AS free_addresses, sum(j.instance_count)::BIGINT AS instances_started
FROM (SELECT *, unnest(vpc_config.subnets) AS subnet FROM aws_sagemaker_trainingjob_insights) AS j
JOIN aws_ec2_subnet AS s ON s.subnet_id = j.subnet AND s.account_id = j.account_id
WHERE j.training_start_time >= $now - to_days($days) GROUP BY ALL ORDER BY instances_started DESC, subnet LIMIT $top
