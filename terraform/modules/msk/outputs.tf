output "brokers" {
  description = "For KAFKA_BROKERS: SCRAM over TLS."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}

output "cluster_name" {
  description = "The cluster, for alarms."
  value       = aws_msk_cluster.this.cluster_name
}

output "broker_count" {
  description = "Brokers in all zones together."
  value       = aws_msk_cluster.this.number_of_broker_nodes
}

output "user_secret_arn" {
  description = "username and password, as JSON."
  value       = aws_secretsmanager_secret.user.arn
}

output "user_secret_name" {
  description = "The same by name, which external-secrets asks for."
  value       = aws_secretsmanager_secret.user.name
}

output "kms_key_arn" {
  description = "Encrypts the secret: whoever reads it decrypts with it."
  value       = module.key.arn
}
