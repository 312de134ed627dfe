mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "mockedPassword0123456789" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/payflow"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/payflow"
    }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { certificate_authority = [{ data = "bW9ja2Vk" }] }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "payflow.example.eu-central-1.rds.amazonaws.com"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds" }]
    }
  }
  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/mocked", latest_revision = 1 }
  }
  mock_resource "aws_msk_cluster" {
    defaults = {
      arn                          = "arn:aws:kafka:eu-central-1:123456789012:cluster/mocked/1"
      bootstrap_brokers_sasl_scram = "b-1.example:9096,b-2.example:9096,b-3.example:9096"
    }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mocked" }
  }
  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "cache.example.euc1.cache.amazonaws.com" }
  }
  mock_resource "aws_memorydb_cluster" {
    defaults = { cluster_endpoint = [{ address = "durable.example.memorydb.eu-central-1.amazonaws.com", port = 6379 }] }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:mocked" }
  }
  mock_resource "aws_prometheus_workspace" {
    defaults = {
      arn                 = "arn:aws:aps:eu-central-1:123456789012:workspace/ws-1"
      prometheus_endpoint = "https://aps.example/workspaces/ws-1/"
    }
  }
}

variables {
  region             = "eu-central-1"
  availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  administrators     = { platform = "arn:aws:iam::123456789012:role/platform" }
  alarm_subscribers  = ["on-call@example.com"]
}

run "the_whole_fits_together_and_renders_what_the_chart_takes" {
  command = apply

  variables {
    release_repository = "example/payflow"
  }

  assert {
    condition     = yamldecode(output.chart_values).kafka.brokers == "b-1.example:9096,b-2.example:9096,b-3.example:9096" && yamldecode(output.chart_values).kafka.sasl.mechanism == "scram-sha-512" && yamldecode(output.chart_values).kafka.tls.enabled
    error_message = "Kafka by SCRAM over TLS."
  }
  assert {
    condition     = yamldecode(output.chart_values).image.repository == "123456789012.dkr.ecr.eu-central-1.amazonaws.com/payflow" && yamldecode(output.chart_values).networkPolicy.storeCidrs == ["10.40.0.0/16"]
    error_message = "The image comes from the account's own registry, and pods reach stores in the network alone."
  }
  assert {
    condition     = !strcontains(output.chart_values, "mockedPassword") && !strcontains(output.external_secrets, "mockedPassword") && !strcontains(output.create_roles_sql, "mockedPassword")
    error_message = "No output has a password."
  }
  assert {
    condition     = strcontains(output.external_secrets, "secretKey: payment-url\n") && strcontains(output.external_secrets, "secretKey: processor-owner-url\n") && strcontains(output.external_secrets, "secretKey: durable-url\n")
    error_message = "The keys that the chart asks for."
  }
  assert {
    condition     = output.release_role_arn != null
    error_message = "Releases may push."
  }
}

run "a_zone_may_be_lost" {
  command = plan

  assert {
    condition     = module.rds.multi_az && length(module.network.nat_addresses) == 3
    error_message = "A standby with every commit, and a way out of each zone."
  }
  assert {
    condition     = yamldecode(output.chart_values).defaults.replicas == 3 && yamldecode(output.chart_values).defaults.topologySpread == "DoNotSchedule"
    error_message = "A pod of each app in each zone."
  }
}

run "refuses_zones_of_another_region" {
  command = plan
  variables {
    availability_zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  }
  expect_failures = [var.availability_zones]
}

run "refuses_what_is_no_region" {
  command = plan
  variables {
    region             = "Frankfurt"
    availability_zones = ["Frankfurt-a", "Frankfurt-b", "Frankfurt-c"]
  }
  expect_failures = [var.region]
}
