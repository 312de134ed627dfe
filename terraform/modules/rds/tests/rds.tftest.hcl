mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  instance_class           = "db.m7g.large"
}

run "a_standby_has_every_commit_and_each_app_two_roles" {
  command = apply

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.backup_retention_period == 35
    error_message = "Multi-AZ and the longest retention are the default."
  }
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "The server cannot be deleted by accident, and leaves a snapshot when it is."
  }

  # TLS is forced, and the disk is encrypted.
  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "rds.force_ssl"]) == "1"
    error_message = "Nobody connects without TLS."
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == module.key.arn
    error_message = "The disk has a key of its own."
  }
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_vpc_security_group_ingress_rule.clients.referenced_security_group_id == var.client_security_group_id
    error_message = "Only nodes and pods connect."
  }
  assert {
    condition     = one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "log_min_error_statement"]) == "panic"
    error_message = "What tenants sent stays out of the log."
  }
  assert {
    condition     = keys(aws_cloudwatch_log_group.this) == ["postgresql", "upgrade"] && aws_cloudwatch_log_group.this["postgresql"].name == "/aws/rds/instance/payflow-test/postgresql" && aws_cloudwatch_log_group.this["postgresql"].kms_key_id == module.key.arn && aws_cloudwatch_log_group.this["postgresql"].retention_in_days == 30
    error_message = "Logs are kept for a time, and under the key."
  }

  # The master's password is nobody's to know.
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "RDS makes and rotates it."
  }

  # Each app has an owner and a service role.
  assert {
    condition     = length(aws_secretsmanager_secret.role) == 12 && output.role_secret_names["ledger_owner"] == "payflow-test/postgresql/ledger_owner"
    error_message = "Two roles for each of the six databases."
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.role["payment_service"].secret_string).url == "postgres://payment_service:mockedPassword0123@payflow.mocked.eu-central-1.rds.amazonaws.example:5432/payflow_payment?sslmode=verify-full"
    error_message = "A secret has what DATABASE_URL needs, and verifies the server."
  }
  assert {
    condition     = strcontains(output.create_roles_sql, "create database payflow_ledger owner ledger_owner") && !strcontains(output.create_roles_sql, "mockedPassword")
    error_message = "The script makes the databases, and holds no password."
  }
}

run "refuses_a_week_without_backups_an_old_postgresql_one_zone_and_names_that_would_be_sql" {
  command = plan
  variables {
    backup_retention_days = 3
    storage_gb            = 10
    engine_version        = "13"
    subnet_ids            = ["subnet-0a"]
    apps                  = ["payment; drop database"]
    instance_class        = "cache.t4g.micro"
    log_retention_days    = 31
    name                  = "PayFlow"
  }
  expect_failures = [var.backup_retention_days, var.storage_gb, var.engine_version, var.subnet_ids, var.apps, var.instance_class, var.log_retention_days, var.name]
}

run "refuses_a_disk_without_room_to_grow" {
  command = plan
  variables {
    storage_gb         = 500
    storage_maximum_gb = 500
  }
  expect_failures = [var.storage_maximum_gb]
}
