output "arn" {
  description = "The role, with its rights."
  value       = aws_iam_role.this.arn

  # Whoever uses the role finds its rights there.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}

output "account" {
  description = "Whose pods have it, as NAMESPACE/SERVICEACCOUNT."
  value       = "${var.namespace}/${var.service_account}"
}
