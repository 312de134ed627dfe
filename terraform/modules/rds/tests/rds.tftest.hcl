mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "mockedPassword" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mocked" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "payflow.example.eu-central-1.rds.amazonaws.com"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds" }]
    }
  }
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  instance_class           = "db.m7g.large"
}

run "a_standby_has_every_commit_and_backups_go_back_35_days" {
  command = plan

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.backup_retention_period == 35
    error_message = "Multi-AZ and the longest retention are the default."
  }
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "The server cannot be deleted by accident, and leaves a snapshot when it is."
  }
}

run "tls_is_forced_and_the_disk_is_encrypted" {
  command = apply

  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "Nobody connects without TLS."
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == aws_kms_key.this.arn && aws_kms_key.this.enable_key_rotation
    error_message = "The disk has a key of its own, which is rotated."
  }
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_vpc_security_group_ingress_rule.clients.referenced_security_group_id == var.client_security_group_id
    error_message = "Only nodes and pods connect."
  }
  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "log_min_error_statement"]) == "panic"
    error_message = "What tenants sent stays out of the log."
  }
}

run "the_master_password_is_nobodys_to_know" {
  command = plan

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "RDS makes and rotates it."
  }
}

run "each_app_has_an_owner_and_a_service_role" {
  command = apply

  assert {
    condition     = length(aws_secretsmanager_secret.role) == 12 && output.role_secret_names["ledger_owner"] == "payflow-test/postgresql/ledger_owner"
    error_message = "Two roles for each of the six databases."
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.role["payment_service"].secret_string).url == "postgres://payment_service:mockedPassword@payflow.example.eu-central-1.rds.amazonaws.com:5432/payflow_payment?sslmode=verify-full"
    error_message = "A secret has what DATABASE_URL needs, and verifies the server."
  }
  assert {
    condition     = strcontains(output.create_roles_sql, "create database payflow_ledger owner ledger_owner") && !strcontains(output.create_roles_sql, "mockedPassword")
    error_message = "The script makes the databases, and holds no password."
  }
}

run "refuses_a_week_without_backups" {
  command = plan
  variables {
    backup_retention_days = 3
  }
  expect_failures = [var.backup_retention_days]
}

run "refuses_a_disk_without_room_to_grow" {
  command = plan
  variables {
    storage_gb         = 500
    storage_maximum_gb = 500
  }
  expect_failures = [var.storage_maximum_gb]
}

run "refuses_a_disk_that_is_too_small" {
  command = plan
  variables {
    storage_gb = 10
  }
  expect_failures = [var.storage_gb]
}

run "refuses_an_old_postgresql" {
  command = plan
  variables {
    engine_version = "13"
  }
  expect_failures = [var.engine_version]
}

run "refuses_one_zone" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.subnet_ids]
}

run "refuses_names_that_would_be_sql" {
  command = plan
  variables {
    apps = ["payment; drop database"]
  }
  expect_failures = [var.apps]
}

run "refuses_another_services_instances" {
  command = plan
  variables {
    instance_class = "cache.t4g.micro"
  }
  expect_failures = [var.instance_class]
}
