mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name_prefix     = "payflow-test-metrics-"
  description     = "Writes metrics."
  cluster         = { name = "payflow-test", arn = "arn:aws:eks:eu-central-1:111122223333:cluster/payflow-test" }
  namespace       = "monitoring"
  service_account = "collector"
  policy          = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
}

run "pods_of_one_service_account_of_one_cluster_get_the_role" {
  command = apply

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals == {
      "aws:RequestTag/eks-cluster-arn"            = "arn:aws:eks:eu-central-1:111122223333:cluster/payflow-test"
      "aws:RequestTag/kubernetes-namespace"       = "monitoring"
      "aws:RequestTag/kubernetes-service-account" = "collector"
    }
    error_message = "The session's tags, which EKS sets, name the cluster, the namespace and the account."
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Service == "pods.eks.amazonaws.com" && aws_eks_pod_identity_association.this[0].service_account == "collector"
    error_message = "Pod Identity gives the role out."
  }
}

run "an_addon_makes_its_association_itself" {
  command = plan
  variables {
    is_addon           = true
    policy             = null
    managed_policy_arn = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
  }
  assert {
    condition     = length(aws_eks_pod_identity_association.this) == 0 && length(aws_iam_role_policy.this) == 0 && length(aws_iam_role_policy_attachment.this) == 1
    error_message = "One association, and AWS's policy alone."
  }
}

run "refuses_all_namespaces_and_accounts_and_a_name_that_aws_would" {
  command = plan
  variables {
    namespace       = "*"
    service_account = "*"
    name_prefix     = "a-name-that-leaves-no-room-for-what-aws-adds-"
  }
  expect_failures = [var.namespace, var.service_account, var.name_prefix]
}
