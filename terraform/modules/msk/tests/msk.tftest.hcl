mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  instance_type            = "kafka.m7g.large"
}

run "an_acknowledged_event_is_in_two_zones_and_only_scram_gets_in" {
  command = apply

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
  assert {
    condition     = aws_msk_configuration.this.name == "payflow-test-4-1-x-kraft"
    error_message = "A configuration of another version has another name, since both are there for a while."
  }

  # Only SCRAM over TLS gets in.
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
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == module.key.arn
    error_message = "Disks are encrypted with a key of ours."
  }

  # The user is one that MSK accepts.
  assert {
    condition     = aws_secretsmanager_secret.user.name == "AmazonMSK_payflow-test" && aws_secretsmanager_secret.user.kms_key_id == module.key.arn
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

run "refuses_two_zones_zookeeper_half_a_broker_and_what_msk_does_not_sell" {
  command = plan
  variables {
    subnet_ids         = ["subnet-0a", "subnet-0b"]
    kafka_version      = "3.9.x"
    brokers_per_zone   = 1.5
    instance_type      = "kafka.t3.small"
    storage_gb         = 1
    log_retention_days = 31
    name               = "PayFlow"
  }
  expect_failures = [var.subnet_ids, var.kafka_version, var.brokers_per_zone, var.instance_type, var.storage_gb, var.log_retention_days, var.name]
}
