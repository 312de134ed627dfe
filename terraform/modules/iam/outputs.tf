output "secrets_reader_role_arn" {
  description = "Reads the secrets."
  value       = module.secrets_reader.arn
}

output "release_role_arn" {
  description = "For the release workflow's variable AWS_RELEASE_ROLE; null where there is none."
  value       = one(aws_iam_role.release[*].arn)
}

output "platform_secret_name" {
  description = "The installation's own secrets, as JSON with the keys that the chart asks for."
  value       = aws_secretsmanager_secret.platform.name
}
