output "address" {
  description = "The server's name, which a failover moves."
  value       = aws_db_instance.this.address
}

output "identifier" {
  description = "The server, for alarms."
  value       = aws_db_instance.this.identifier
}

output "master_secret_arn" {
  description = "The master user's secret, which RDS rotates. Needed to make the roles, and by no app."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "master_username" {
  description = "Who makes the roles."
  value       = aws_db_instance.this.username
}

output "role_secret_arns" {
  description = "Each role's secret: host, port, database, username, password and url, as JSON."
  value       = { for role, secret in aws_secretsmanager_secret.role : role => secret.arn }
}

output "role_secret_names" {
  description = "The same by name, which external-secrets asks for."
  value       = { for role, secret in aws_secretsmanager_secret.role : role => secret.name }
}

output "create_roles_sql" {
  description = "Makes databases and roles; passwords come from the environment, such as PAYMENT_OWNER_PASSWORD."
  value       = templatefile("${path.module}/create-roles.sql.tftpl", { apps = sort(tolist(var.apps)) })
}

output "kms_key_arn" {
  description = "Encrypts the secrets: whoever reads them decrypts with it."
  value       = module.key.arn
}

output "security_group_id" {
  description = "The server's."
  value       = aws_security_group.this.id
}

output "multi_az" {
  description = "Whether a standby in another zone has every commit."
  value       = aws_db_instance.this.multi_az
}
