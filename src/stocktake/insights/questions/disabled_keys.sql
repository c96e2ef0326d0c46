-- title: Whose models can no longer be read, since their key is disabled?
-- about: Keys that jobs encrypt their output with, by themselves or through an alias, and that are disabled or about to be deleted.
-- topic: protection
-- needs: aws_kms_key, aws_kms_alias
SELECT k.arn AS key, k.key_state, count(DISTINCT e.source_id) AS jobs, count(DISTINCT m.target_id) AS models_at_risk
FROM lineage AS e
LEFT JOIN aws_kms_alias AS a ON a.alias_arn = e.target_id
JOIN aws_kms_key AS k ON k.arn = e.target_id OR (k.key_id = a.target_key_id AND k.account_id = a.account_id AND k._region = a._region)
LEFT JOIN lineage AS m ON m.source_id = e.source_id AND m.edge = 'PRODUCED_MODEL'
WHERE e.edge = 'ENCRYPTS_OUTPUT_WITH' AND k.key_state <> 'Enabled' GROUP BY ALL ORDER BY jobs DESC
