mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mocked" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:payflow-test-alarms" }
  }
  mock_resource "aws_prometheus_workspace" {
    defaults = { prometheus_endpoint = "https://aps.example/workspaces/ws-1/" }
  }
}

variables {
  name                  = "payflow-test"
  subscribers           = ["on-call@example.com"]
  monthly_budget_usd    = 1000
  postgresql_identifier = "payflow-test"
  postgresql_storage_gb = 100
  kafka_cluster_name    = "payflow-test"
  kafka_broker_count    = 3
  cache_nodes           = ["payflow-test-cache-001", "payflow-test-cache-002"]
  durable_name          = "payflow-test-durable"
}

run "every_store_is_watched" {
  command = apply

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 11
    error_message = "Six alarms, one for each of three brokers' disks, one for each of two nodes of the cache."
  }
  assert {
    condition     = toset([for alarm in aws_cloudwatch_metric_alarm.this : alarm.namespace]) == toset(["AWS/RDS", "AWS/Kafka", "AWS/MemoryDB", "AWS/ElastiCache"])
    error_message = "PostgreSQL, Kafka and both Redis."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == "breaching" && alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "Silence is an alarm, and somebody hears of each."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["postgresql-storage"].threshold == 10737418240
    error_message = "A tenth of 100 GB."
  }
}

run "alarms_reach_people_and_are_encrypted" {
  command = apply

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.alarms.id && aws_sns_topic_subscription.alarms["on-call@example.com"].protocol == "email"
    error_message = "The topic has a key that CloudWatch may use, and a reader."
  }
  assert {
    condition     = length(aws_budgets_budget.month.notification) == 2 && aws_budgets_budget.month.limit_amount == "1000"
    error_message = "Word of what it costs comes before the bill."
  }
  assert {
    condition     = output.remote_write_url == "https://aps.example/workspaces/ws-1/api/v1/remote_write"
    error_message = "The collector's address."
  }
}

run "without_a_workspace_nothing_is_told_of_one" {
  command = plan
  variables {
    metrics_workspace = false
  }
  assert {
    condition     = output.remote_write_url == null && length(aws_prometheus_workspace.this) == 0
    error_message = "No workspace, no address."
  }
}

run "refuses_alarms_that_nobody_hears" {
  command = plan
  variables {
    subscribers = []
  }
  expect_failures = [var.subscribers]
}

run "refuses_what_is_no_address" {
  command = plan
  variables {
    subscribers = ["on-call"]
  }
  expect_failures = [var.subscribers]
}

run "refuses_a_budget_of_nothing" {
  command = plan
  variables {
    monthly_budget_usd = 0
  }
  expect_failures = [var.monthly_budget_usd]
}
