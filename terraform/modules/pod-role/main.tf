# What pods of one ServiceAccount of one cluster may do at AWS, by EKS Pod Identity. The session carries tags that EKS
# sets, so that whoever could associate the role with other pods gains nothing by it.
resource "aws_iam_role" "this" {
  name_prefix = var.name_prefix
  description = var.description

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-arn"            = var.cluster.arn
          "aws:RequestTag/kubernetes-namespace"       = var.namespace
          "aws:RequestTag/kubernetes-service-account" = var.service_account
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  count = var.policy == null ? 0 : 1

  name   = "own"
  role   = aws_iam_role.this.id
  policy = var.policy
}

resource "aws_iam_role_policy_attachment" "this" {
  count = var.managed_policy_arn == null ? 0 : 1

  role       = aws_iam_role.this.name
  policy_arn = var.managed_policy_arn
}

# An add-on of EKS makes its association itself.
resource "aws_eks_pod_identity_association" "this" {
  count = var.is_addon ? 0 : 1

  cluster_name    = var.cluster.name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.this.arn
}
