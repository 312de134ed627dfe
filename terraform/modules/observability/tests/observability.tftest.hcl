mock_provider "aws" {
  source = "../../mocks"
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

run "every_store_is_watched_and_people_hear_of_it" {
  command = apply

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 14
    error_message = "Six alarms, two for each of three brokers, one for each of two nodes of the cache."
  }
  assert {
    condition     = toset([for alarm in local.alarms : try(alarm.namespace, "by a query")]) == toset(["AWS/RDS", "AWS/Kafka", "by a query", "AWS/ElastiCache"])
    error_message = "PostgreSQL, Kafka and the cache Redis."
  }
  assert {
    condition     = strcontains(one(aws_cloudwatch_metric_alarm.this["durable-memory"].metric_query).expression, "FROM \"AWS/MemoryDB\" WHERE ClusterName = 'payflow-test-durable'")
    error_message = "The durable Redis, by all its nodes."
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : (alarm.treat_missing_data == "breaching" || startswith(name, "kafka-replicas")) && alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "Silence is an alarm, and somebody hears of each."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["postgresql-storage"].threshold == 10737418240
    error_message = "A tenth of 100 GB."
  }

  # Alarms reach people and are encrypted.
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == module.key.key_id && aws_sns_topic_subscription.alarms["on-call@example.com"].protocol == "email"
    error_message = "The topic has a key that CloudWatch may use, and a reader."
  }
  assert {
    condition     = contains(aws_db_event_subscription.postgresql.event_categories, "failover") && aws_db_event_subscription.postgresql.sns_topic == aws_sns_topic.alarms.arn && contains(jsondecode(aws_sns_topic_policy.alarms.policy).Statement[0].Principal.Service, "events.rds.amazonaws.com")
    error_message = "A failover of PostgreSQL is told."
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

run "refuses_alarms_that_nobody_hears_and_a_budget_of_nothing" {
  command = plan
  variables {
    subscribers        = []
    monthly_budget_usd = 0
    name               = "PayFlow"
  }
  expect_failures = [var.subscribers, var.monthly_budget_usd, var.name]
}

run "refuses_what_is_no_address" {
  command = plan
  variables {
    subscribers = ["on-call"]
  }
  expect_failures = [var.subscribers]
}
