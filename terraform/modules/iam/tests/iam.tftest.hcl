mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "payflow-test"
  cluster         = { name = "payflow-test", arn = "arn:aws:eks:eu-central-1:111122223333:cluster/payflow-test" }
  secret_arns     = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:payflow-test/redis/cache-url-AbCdEf"]
  secret_key_arns = ["arn:aws:kms:eu-central-1:111122223333:key/one"]
}

run "secrets_are_read_by_one_account_and_by_name" {
  command = apply

  assert {
    condition     = jsondecode(local.secrets_policy).Statement[0].Resource[0] == var.secret_arns[0] && jsondecode(local.secrets_policy).Statement[1].Resource[0] == var.secret_key_arns[0]
    error_message = "Only the named secrets and keys."
  }
  assert {
    condition     = !strcontains(local.secrets_policy, "\"*\"") && !strcontains(local.secrets_policy, "PutSecretValue")
    error_message = "No wildcard, and no right to write."
  }
  assert {
    condition     = module.secrets_reader.account == "external-secrets/external-secrets"
    error_message = "Pod Identity gives the role to external-secrets."
  }

  # The installation has secrets of its own.
  assert {
    condition = toset(keys(jsondecode(aws_secretsmanager_secret_version.platform.secret_string))) == toset([
      "internal-service-secret", "admin-token", "api-key-secret", "webhook-encryption-key",
    ])
    error_message = "What the chart's Secret payflow-platform holds."
  }
  assert {
    condition     = aws_secretsmanager_secret.platform.kms_key_id == module.key.arn && aws_secretsmanager_secret.platform.recovery_window_in_days == 30
    error_message = "Under a key of its own, and not gone at once when it is deleted."
  }
}

run "without_being_asked_nobody_else_gets_a_role" {
  command = plan

  assert {
    condition     = length(aws_iam_role.release) == 0 && length(module.metrics) == 0 && length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Roles for releases and metrics are made on demand."
  }
}

run "images_are_pushed_from_one_environment_of_one_repository" {
  command = apply

  variables {
    release = {
      repository      = "example/payflow"
      repository_arns = ["arn:aws:ecr:eu-central-1:111122223333:repository/payflow"]
    }
  }

  assert {
    condition     = jsondecode(aws_iam_role.release[0].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example/payflow:environment:release"
    error_message = "Neither a branch nor a pull request gets the role."
  }
  assert {
    condition     = !strcontains(aws_iam_role.release[0].assume_role_policy, "StringLike")
    error_message = "Nothing matches by pattern."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.release[0].policy).Statement[1].Resource[0] == "arn:aws:ecr:eu-central-1:111122223333:repository/payflow"
    error_message = "Only the installation's own repositories."
  }
}

run "an_account_that_knows_github_already_is_left_as_it_is" {
  command = plan

  variables {
    release = {
      repository      = "example/payflow"
      repository_arns = ["arn:aws:ecr:eu-central-1:111122223333:repository/payflow"]
      create_provider = false
    }
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.release) == 1
    error_message = "The provider is an account's, not an installation's."
  }
}

run "metrics_are_written_and_not_read" {
  command = plan

  variables {
    metrics = {
      namespace       = "monitoring"
      service_account = "collector"
      workspace_arn   = "arn:aws:aps:eu-central-1:111122223333:workspace/ws-1"
    }
  }

  assert {
    condition     = jsondecode(local.metrics_policy).Statement[0] == { Effect = "Allow", Action = "aps:RemoteWrite", Resource = var.metrics.workspace_arn } && module.metrics[0].account == "monitoring/collector"
    error_message = "The collector writes, and only to its workspace."
  }
}

run "refuses_all_secrets_and_keys_at_once_and_every_repository_of_an_owner" {
  command = plan
  variables {
    secret_arns     = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:*"]
    secret_key_arns = ["*"]
    release         = { repository = "example/*", repository_arns = [] }
    name            = "PayFlow"
  }
  expect_failures = [var.secret_arns, var.secret_key_arns, var.release, var.name]
}

run "refuses_every_environment" {
  command = plan
  variables {
    release = { repository = "example/payflow", environment = "*", repository_arns = [] }
  }
  expect_failures = [var.release]
}
