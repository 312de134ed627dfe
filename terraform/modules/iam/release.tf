data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  github     = "token.actions.githubusercontent.com"
  github_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:oidc-provider/${local.github}"
}

# An account knows GitHub once, however many installations it has.
resource "aws_iam_openid_connect_provider" "github" {
  count = try(var.release.create_provider, false) ? 1 : 0

  url            = "https://${local.github}"
  client_id_list = ["sts.amazonaws.com"]
  # AWS verifies GitHub by its own list of authorities and passes over this; the provider demanded one until 5.81.
  thumbprint_list = ["ffffffffffffffffffffffffffffffffffffffff"]
}

resource "aws_iam_role" "release" {
  count = var.release == null ? 0 : 1

  name                 = "${var.name}-release"
  description          = "Pushes images and charts, from one environment of one repository."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.github_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.github}:aud" = "sts.amazonaws.com"
          "${local.github}:sub" = "repo:${var.release.repository}:environment:${var.release.environment}"
        }
      }
    }]
  })

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "release" {
  count = var.release == null ? 0 : 1

  name = "push"
  role = aws_iam_role.release[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = var.release.repository_arns
      },
    ]
  })
}
