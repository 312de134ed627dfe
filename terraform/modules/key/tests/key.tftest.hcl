mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "payflow-test"
  purpose     = "kafka"
  description = "Events."
}

run "a_key_is_rotated_has_a_name_and_serves_its_account_alone" {
  command = apply

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "Keys are rotated, and not gone at once when they are deleted."
  }
  assert {
    condition     = aws_kms_alias.this.name == "alias/payflow-test-kafka"
    error_message = "People find the key by its alias."
  }
  assert {
    condition     = [for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Sid] == ["Account"] && jsondecode(aws_kms_key.this.policy).Statement[0].Principal.AWS == "arn:aws:iam::111122223333:root"
    error_message = "Only the account, by its own policies."
  }
}

run "services_use_it_for_what_is_named_alone" {
  command = plan

  variables {
    log_groups = ["/payflow/payflow-test/kafka"]
    publishers = ["cloudwatch.amazonaws.com"]
  }

  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[1].Condition.ArnEquals["kms:EncryptionContext:aws:logs:arn"] == ["arn:aws:logs:eu-central-1:111122223333:log-group:/payflow/payflow-test/kafka"]
    error_message = "CloudWatch uses the key for this group of logs."
  }
  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[2].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    error_message = "Alarms of other accounts do not."
  }
}

run "refuses_every_group_of_logs_services_of_others_and_a_purpose_that_is_no_name" {
  command = plan
  variables {
    log_groups = ["*"]
    publishers = ["events.example.com"]
    purpose    = "For Kafka"
  }
  expect_failures = [var.log_groups, var.publishers, var.purpose]
}
