output "arn" {
  description = "The key."
  value       = aws_kms_key.this.arn
}

output "key_id" {
  description = "The key's number, for what asks for that instead."
  value       = aws_kms_key.this.key_id
}
