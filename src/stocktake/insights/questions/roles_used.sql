-- title: Which roles train, on what data, and which are not used?
-- about: Roles that SageMaker may assume, with the jobs that ran as each.
-- topic: protection
-- needs: aws_iam_role
SELECT r.role_name AS role, r.account_id, count(j._id) AS jobs, max(j.creation_time) AS last_used,
    list_sort(list_distinct(flatten(list(coalesce(j.input_buckets, []))))) AS buckets
FROM aws_iam_role AS r LEFT JOIN aws_sagemaker_trainingjob_insights AS j ON j.role_arn = r.arn
WHERE contains(r.assume_role_policy_document, 'sagemaker') GROUP BY ALL ORDER BY jobs, role, account_id
