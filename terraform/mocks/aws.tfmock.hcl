# What AWS would have answered, for the tests of all modules. What examples/values/aws.yaml shows comes from here.
mock_data "aws_region" {
  defaults = { id = "eu-central-1", name = "eu-central-1" }
}
mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_secretsmanager_random_password" {
  defaults = { random_password = "mockedPassword0123" }
}
mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/mocked", key_id = "mocked" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::111122223333:role/mocked" }
}
mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:mocked" }
}
mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:mocked-AbCdEf" }
}
mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
}
mock_resource "aws_eks_cluster" {
  defaults = {
    arn                   = "arn:aws:eks:eu-central-1:111122223333:cluster/mocked"
    certificate_authority = [{ data = "bW9ja2Vk" }]
  }
}
mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:111122223333:repository/payflow"
    repository_url = "111122223333.dkr.ecr.eu-central-1.amazonaws.example/payflow"
  }
}
mock_resource "aws_db_instance" {
  defaults = {
    address            = "payflow.mocked.eu-central-1.rds.amazonaws.example"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds" }]
  }
}
mock_resource "aws_msk_configuration" {
  defaults = { arn = "arn:aws:kafka:eu-central-1:111122223333:configuration/mocked", latest_revision = 1 }
}
mock_resource "aws_msk_cluster" {
  defaults = {
    arn                          = "arn:aws:kafka:eu-central-1:111122223333:cluster/mocked/1"
    bootstrap_brokers_sasl_scram = "b-1.payflow.kafka.eu-central-1.amazonaws.example:9096,b-2.payflow.kafka.eu-central-1.amazonaws.example:9096,b-3.payflow.kafka.eu-central-1.amazonaws.example:9096"
  }
}
mock_resource "aws_elasticache_replication_group" {
  defaults = { primary_endpoint_address = "cache.mocked.euc1.cache.amazonaws.example" }
}
mock_resource "aws_memorydb_cluster" {
  defaults = {
    cluster_endpoint = [{ address = "clustercfg.durable.memorydb.eu-central-1.amazonaws.example", port = 6379 }]
    shards = [{
      name = "0001", num_nodes = 2, slots = "0-16383"
      nodes = [
        { name = "durable-0001-001", availability_zone = "eu-central-1a", create_time = "2026-01-01T00:00:00Z", endpoint = [{ address = "durable-0001-001.durable.memorydb.eu-central-1.amazonaws.example", port = 6379 }] },
        { name = "durable-0001-002", availability_zone = "eu-central-1b", create_time = "2026-01-01T00:00:00Z", endpoint = [{ address = "durable-0001-002.durable.memorydb.eu-central-1.amazonaws.example", port = 6379 }] },
      ]
    }]
  }
}
mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:mocked" }
}
mock_resource "aws_prometheus_workspace" {
  defaults = {
    arn                 = "arn:aws:aps:eu-central-1:111122223333:workspace/ws-1"
    prometheus_endpoint = "https://aps.example/workspaces/ws-1/"
  }
}
