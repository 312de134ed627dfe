locals {
  secrets_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = concat(var.secret_arns, [aws_secretsmanager_secret.platform.arn])
      },
      {
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = concat(var.secret_key_arns, [module.key.arn])
      },
    ]
  })
  metrics_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "aps:RemoteWrite"
      Resource = try(var.metrics.workspace_arn, null)
    }]
  })
}

module "secrets_reader" {
  source = "../pod-role"

  name_prefix     = "${var.name}-secrets-"
  description     = "Copies PayFlow's secrets into the cluster."
  cluster         = var.cluster
  namespace       = var.secrets_reader.namespace
  service_account = var.secrets_reader.service_account

  policy = local.secrets_policy
}

module "metrics" {
  source = "../pod-role"
  count  = var.metrics == null ? 0 : 1

  name_prefix     = "${var.name}-metrics-"
  description     = "Writes metrics to the workspace."
  cluster         = var.cluster
  namespace       = var.metrics.namespace
  service_account = var.metrics.service_account

  policy = local.metrics_policy
}
