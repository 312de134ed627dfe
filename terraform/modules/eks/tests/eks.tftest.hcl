mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name           = "payflow-test"
  vpc_id         = "vpc-0123456789abcdef0"
  subnet_ids     = ["subnet-0a", "subnet-0b", "subnet-0c"]
  administrators = { platform = "arn:aws:iam::123456789012:role/platform" }
  node_groups = {
    apps = { instance_types = ["m7g.large"], minimum = 3, desired = 3, maximum = 9 }
  }
}

run "a_private_cluster_that_is_entered_by_name_alone" {
  command = apply

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "The API has no public address unless one is asked for."
  }
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == module.key.arn && contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    error_message = "Secrets are encrypted with the cluster's own key."
  }
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit") && aws_cloudwatch_log_group.cluster.name == "/aws/eks/payflow-test/cluster"
    error_message = "The audit log is kept, in the group that EKS writes to."
  }

  # Access comes from entries alone.
  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Neither aws-auth nor having created the cluster gives rights."
  }
  assert {
    condition     = keys(aws_eks_access_entry.administrator) == ["platform"] && aws_eks_access_policy_association.administrator["platform"].access_scope[0].type == "cluster"
    error_message = "The named administrators have the cluster."
  }

  # Nodes have few rights and keep their credentials.
  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.node)) == toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"])
    error_message = "Nodes may join and pull images, nothing else."
  }
  assert {
    condition     = aws_launch_template.node["apps"].metadata_options[0].http_tokens == "required" && aws_launch_template.node["apps"].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "Pods cannot take the node's credentials."
  }
  assert {
    condition     = aws_launch_template.node["apps"].block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "Disks are encrypted."
  }

  # Pods have identities, and network policies are enforced.
  assert {
    condition     = contains(keys(aws_eks_addon.before_nodes), "eks-pod-identity-agent") && jsondecode(aws_eks_addon.before_nodes["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "Pod Identity is there, and NetworkPolicies hold."
  }
  assert {
    condition     = one(aws_eks_addon.before_nodes["vpc-cni"].pod_identity_association).service_account == "aws-node" && one(aws_eks_addon.after_nodes["aws-ebs-csi-driver"].pod_identity_association).service_account == "ebs-csi-controller-sa"
    error_message = "Add-ons that call AWS do so as themselves."
  }
  assert {
    condition     = length(aws_eks_addon.after_nodes["coredns"].pod_identity_association) == 0
    error_message = "Others have no identity."
  }

  # Images keep their tags.
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push])
    error_message = "Tags are never moved, and images are scanned."
  }
  assert {
    condition     = toset(keys(aws_ecr_repository.this)) == toset(["payflow", "charts/payflow"])
    error_message = "The image and the chart have a repository each."
  }
}

run "a_public_address_is_for_named_networks" {
  command = plan
  variables {
    public_access_cidrs = ["198.51.100.0/24"]
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["198.51.100.0/24"])
    error_message = "Only the named network is admitted."
  }
}

run "refuses_the_whole_internet_an_old_kubernetes_one_zone_and_a_cluster_that_nobody_could_enter" {
  command = plan
  variables {
    public_access_cidrs = ["0.0.0.0/0"]
    kubernetes_version  = "1.29"
    administrators      = {}
    subnet_ids          = ["subnet-0a"]
    log_retention_days  = 31
    name                = "PayFlow"
    node_groups         = {}
  }
  expect_failures = [var.public_access_cidrs, var.kubernetes_version, var.administrators, var.subnet_ids, var.log_retention_days, var.name, var.node_groups]
}

run "refuses_an_administrator_that_is_no_principal_and_sizes_that_contradict_each_other" {
  command = plan
  variables {
    administrators = { everyone = "*" }
    node_groups    = { apps = { instance_types = ["m7g.large"], minimum = 5, desired = 3, maximum = 9 } }
  }
  expect_failures = [var.administrators, var.node_groups]
}
