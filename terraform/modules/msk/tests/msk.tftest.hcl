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
    defaults = { random_password = "mockedPassword" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mocked" }
  }
  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/mocked", latest_revision = 1 }
  }
  mock_resource "aws_msk_cluster" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/mocked/1" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_mocked" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mocked" }
  }
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  instance_type            = "kafka.m7g.large"
}

run "an_acknowledged_event_is_in_two_zones" {
  command = plan

  assert {
    condition = alltrue([for line in [
      "default.replication.factor=3", "min.insync.replicas=2", "unclean.leader.election.enable=false",
      "offsets.topic.replication.factor=3",
    ] : contains(split("\n", aws_msk_configuration.this.server_properties), line)])
    error_message = "Three copies, two of which have what was acknowledged."
  }
  assert {
    condition     = aws_msk_cluster.this.number_of_broker_nodes == 3 && endswith(aws_msk_cluster.this.kafka_version, ".kraft")
    error_message = "A broker a zone, without ZooKeeper."
  }
}

run "only_scram_over_tls_gets_in" {
  command = apply

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster
    error_message = "TLS everywhere."
  }
  assert {
    condition     = aws_msk_cluster.this.client_authentication[0].sasl[0].scram && !aws_msk_cluster.this.client_authentication[0].unauthenticated
    error_message = "Nobody connects without a password."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.clients.from_port == 9096 && aws_vpc_security_group_ingress_rule.clients.to_port == 9096
    error_message = "No port but SCRAM's is open."
  }
  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == aws_kms_key.this.arn
    error_message = "Disks are encrypted with a key of ours."
  }
}

run "the_user_is_one_that_msk_accepts" {
  command = apply

  assert {
    condition     = aws_secretsmanager_secret.user.name == "AmazonMSK_payflow-test" && aws_secretsmanager_secret.user.kms_key_id == aws_kms_key.this.arn
    error_message = "MSK demands this beginning, and a key that is not AWS's own."
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.user.secret_string).username == "payflow"
    error_message = "The secret names the user."
  }
  assert {
    condition     = aws_msk_scram_secret_association.user.secret_arn_list == toset([aws_secretsmanager_secret.user.arn])
    error_message = "The cluster knows the user."
  }
}

run "more_brokers_are_spread_evenly" {
  command = plan
  variables {
    brokers_per_zone = 2
  }
  assert {
    condition     = aws_msk_cluster.this.number_of_broker_nodes == 6
    error_message = "As many in each zone."
  }
}

run "refuses_two_zones" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a", "subnet-0b"]
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_zookeeper" {
  command = plan
  variables {
    kafka_version = "3.9.x"
  }
  expect_failures = [var.kafka_version]
}

run "refuses_half_a_broker" {
  command = plan
  variables {
    brokers_per_zone = 1.5
  }
  expect_failures = [var.brokers_per_zone]
}

run "refuses_another_services_instances" {
  command = plan
  variables {
    instance_type = "m7g.large"
  }
  expect_failures = [var.instance_type]
}

run "refuses_a_disk_that_is_too_small" {
  command = plan
  variables {
    storage_gb = 1
  }
  expect_failures = [var.storage_gb]
}

run "refuses_a_retention_that_cloudwatch_does_not_have" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}
