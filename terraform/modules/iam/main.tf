data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # Pods of one ServiceAccount of one cluster, by EKS Pod Identity.
  pod_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role" "secrets_reader" {
  name_prefix        = "${var.name}-secrets-"
  description        = "Copies PayFlow's secrets into the cluster."
  assume_role_policy = local.pod_trust
}

resource "aws_iam_role_policy" "secrets_reader" {
  name = "read"
  role = aws_iam_role.secrets_reader.id

  policy = jsonencode({
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
        Resource = concat(var.secret_key_arns, [aws_kms_key.platform.arn])
      },
    ]
  })
}

resource "aws_eks_pod_identity_association" "secrets_reader" {
  cluster_name    = var.cluster_name
  namespace       = var.secrets_reader.namespace
  service_account = var.secrets_reader.service_account
  role_arn        = aws_iam_role.secrets_reader.arn
}

resource "aws_iam_role" "metrics" {
  count = var.metrics == null ? 0 : 1

  name_prefix        = "${var.name}-metrics-"
  description        = "Writes metrics to the workspace."
  assume_role_policy = local.pod_trust
}

resource "aws_iam_role_policy" "metrics" {
  count = var.metrics == null ? 0 : 1

  name = "write"
  role = aws_iam_role.metrics[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "aps:RemoteWrite"
      Resource = var.metrics.workspace_arn
    }]
  })
}

resource "aws_eks_pod_identity_association" "metrics" {
  count = var.metrics == null ? 0 : 1

  cluster_name    = var.cluster_name
  namespace       = var.metrics.namespace
  service_account = var.metrics.service_account
  role_arn        = aws_iam_role.metrics[0].arn
}
