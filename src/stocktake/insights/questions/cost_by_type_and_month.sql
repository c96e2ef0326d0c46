-- title: Which instance types take the budget, month by month?
-- about: Each group of a heterogeneous cluster counts to its own type.
-- topic: money
-- param: top integer 20 | Show no more than so many rows
SELECT strftime(date_trunc('month', b.billed_at), '%Y-%m') AS month, b.instance_type, count(DISTINCT b.id) AS jobs,
    round(sum(b.instance_seconds) / 3600.0, 1) AS instance_hours, round(sum(b.cost), 2) AS cost
FROM job_bills AS b GROUP BY ALL ORDER BY month DESC, instance_hours DESC LIMIT $top
