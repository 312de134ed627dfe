output "url_secret_arns" {
  description = "cache, durable and ingest: url, as JSON."
  value       = { for store, secret in aws_secretsmanager_secret.url : store => secret.arn }
}

output "url_secret_names" {
  description = "The same by name, which external-secrets asks for."
  value       = { for store, secret in aws_secretsmanager_secret.url : store => secret.name }
}

output "cache_identifier" {
  description = "The cache Redis, for alarms."
  value       = aws_elasticache_replication_group.cache.replication_group_id
}

output "cache_nodes" {
  description = "Its nodes, as CloudWatch names them."
  value       = [for index in range(1 + var.cache.replicas) : format("%s-cache-%03d", var.name, index + 1)]
}

output "durable_name" {
  description = "The durable Redis, for alarms."
  value       = aws_memorydb_cluster.durable.name
}

output "kms_key_arn" {
  description = "Encrypts the secrets: whoever reads them decrypts with it."
  value       = module.key.arn
}
