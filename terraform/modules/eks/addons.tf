locals {
  # What nodes need to become ready; pods of these run in the node's own network.
  addons_before_nodes = {
    "eks-pod-identity-agent" = null
    "kube-proxy"             = null
    # The chart's NetworkPolicies are only words where nothing enforces them.
    "vpc-cni" = jsonencode({ enableNetworkPolicy = "true" })
  }
  addons_after_nodes = toset(["coredns", "metrics-server", "aws-ebs-csi-driver"])

  addon_identities = {
    "vpc-cni"            = { role = "cni", account = "aws-node", policy = "AmazonEKS_CNI_Policy" }
    "aws-ebs-csi-driver" = { role = "ebs", account = "ebs-csi-controller-sa", policy = "service-role/AmazonEBSCSIDriverPolicy" }
  }
}

module "addon_role" {
  source   = "../pod-role"
  for_each = local.addon_identities

  name_prefix        = "${var.name}-${each.value.role}-"
  description        = "EKS's add-on ${each.key}."
  cluster            = { name = aws_eks_cluster.this.name, arn = aws_eks_cluster.this.arn }
  namespace          = "kube-system"
  service_account    = each.value.account
  managed_policy_arn = "${local.arn_prefix}:iam::aws:policy/${each.value.policy}"
  is_addon           = true
}

resource "aws_eks_addon" "before_nodes" {
  for_each = local.addons_before_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = each.value
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = contains(keys(local.addon_identities), each.key) ? [local.addon_identities[each.key]] : []

    content {
      role_arn        = module.addon_role[each.key].arn
      service_account = pod_identity_association.value.account
    }
  }
}

resource "aws_eks_addon" "after_nodes" {
  for_each = local.addons_after_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = contains(keys(local.addon_identities), each.key) ? [local.addon_identities[each.key]] : []

    content {
      role_arn        = module.addon_role[each.key].arn
      service_account = pod_identity_association.value.account
    }
  }

  depends_on = [aws_eks_node_group.this]
}
