locals {
  postgresql = { DBInstanceIdentifier = var.postgresql_identifier }
  kafka      = { "Cluster Name" = var.kafka_cluster_name }
  gigabyte   = 1024 * 1024 * 1024

  # Each tells what is wrong and what follows from it: it is read at night.
  alarms = merge(
    {
      postgresql-storage = {
        namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.postgresql, statistic = "Minimum"
        comparison  = "LessThanThreshold", threshold = var.postgresql_storage_gb * local.gigabyte / 10, minutes = 10
        description = "PostgreSQL's disk is nearly full: when it is, payments are answered with 503."
      }
      postgresql-processor = {
        namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = local.postgresql, statistic = "Average"
        comparison  = "GreaterThanThreshold", threshold = 80, minutes = 15
        description = "PostgreSQL has little left to give: answers become slow next."
      }
      postgresql-memory = {
        namespace   = "AWS/RDS", metric = "FreeableMemory", dimensions = local.postgresql, statistic = "Minimum"
        comparison  = "LessThanThreshold", threshold = 256 * 1024 * 1024, minutes = 15
        description = "PostgreSQL is short of memory: look at the number of connections."
      }
      kafka-controllers = {
        namespace   = "AWS/Kafka", metric = "ActiveControllerCount", dimensions = local.kafka, statistic = "Maximum"
        comparison  = "LessThanThreshold", threshold = 1, minutes = 5
        description = "Kafka has no controller: topics without a leader stay so, and events wait in the outbox."
      }
      kafka-offline-partitions = {
        namespace   = "AWS/Kafka", metric = "OfflinePartitionsCount", dimensions = local.kafka, statistic = "Maximum"
        comparison  = "GreaterThanThreshold", threshold = 0, minutes = 5
        description = "Partitions have no leader: their events wait in the outbox."
      }
      durable-memory = {
        # By a query: the metric is told for each node, and nodes come and go.
        query       = "SELECT MAX(DatabaseMemoryUsagePercentage) FROM \"AWS/MemoryDB\" WHERE ClusterName = '${var.durable_name}'"
        comparison  = "GreaterThanThreshold", threshold = 45, minutes = 10
        description = "The event streams take more than they should: an exporter is behind, and ingest refuses at 60 %."
      }
    },
    {
      for broker in range(1, var.kafka_broker_count + 1) : "kafka-disk-${broker}" => {
        namespace   = "AWS/Kafka", metric = "KafkaDataLogsDiskUsed"
        dimensions  = merge(local.kafka, { "Broker ID" = tostring(broker) }), statistic = "Maximum"
        comparison  = "GreaterThanThreshold", threshold = 75, minutes = 10
        description = "Broker ${broker}'s disk fills up: when it is full, the broker stops."
      }
    },
    {
      for broker in range(1, var.kafka_broker_count + 1) : "kafka-replicas-${broker}" => {
        namespace   = "AWS/Kafka", metric = "UnderMinIsrPartitionCount"
        dimensions  = merge(local.kafka, { "Broker ID" = tostring(broker) }), statistic = "Maximum"
        comparison  = "GreaterThanThreshold", threshold = 0, minutes = 5
        description = "Partitions that broker ${broker} leads have fewer than two copies: their events wait in the outbox."
        # A broker that leads nothing says nothing.
        missing = "notBreaching"
      }
    },
    {
      for node in var.cache_nodes : "cache-memory-${node}" => {
        namespace   = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage"
        dimensions  = { CacheClusterId = node }, statistic = "Maximum"
        comparison  = "GreaterThanThreshold", threshold = 80, minutes = 15
        description = "The cache Redis will forget entries before their time: fraud rules with long windows see too little."
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = try(each.value.namespace, null)
  metric_name         = try(each.value.metric, null)
  dimensions          = try(each.value.dimensions, null)
  statistic           = try(each.value.statistic, null)
  period              = can(each.value.query) ? null : 60
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.minutes
  # A store that says nothing may be gone.
  treat_missing_data = try(each.value.missing, "breaching")
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]

  dynamic "metric_query" {
    for_each = can(each.value.query) ? [each.value.query] : []

    content {
      id          = "worst"
      expression  = metric_query.value
      period      = 60
      return_data = true
    }
  }
}

# What no metric tells: that the standby took over, or that AWS is about to restart the server.
resource "aws_db_event_subscription" "postgresql" {
  name             = "${var.name}-postgresql"
  sns_topic        = aws_sns_topic.alarms.arn
  source_type      = "db-instance"
  source_ids       = [var.postgresql_identifier]
  event_categories = ["availability", "failover", "failure", "low storage", "maintenance", "recovery"]

  depends_on = [aws_sns_topic_policy.alarms]
}
