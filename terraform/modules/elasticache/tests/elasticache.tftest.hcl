mock_provider "aws" {
  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "mockedPassword0123" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mocked" }
  }
  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "cache.example.euc1.cache.amazonaws.com" }
  }
  mock_resource "aws_memorydb_cluster" {
    defaults = { cluster_endpoint = [{ address = "durable.example.memorydb.eu-central-1.amazonaws.com", port = 6379 }] }
  }
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  cache                    = { node_type = "cache.m7g.large", replicas = 1 }
  durable                  = { node_type = "db.r7g.large", shards = 2, replicas = 1 }
}

run "the_cache_takes_named_users_over_tls_alone" {
  command = apply

  assert {
    condition     = aws_elasticache_replication_group.cache.transit_encryption_enabled && aws_elasticache_replication_group.cache.transit_encryption_mode == "required"
    error_message = "Nobody connects without TLS."
  }
  assert {
    condition     = aws_elasticache_user.nobody.access_string == "off -@all" && aws_elasticache_user.nobody.user_name == "default"
    error_message = "Clients without a name may do nothing."
  }
  assert {
    condition     = aws_elasticache_replication_group.cache.user_group_ids == toset([aws_elasticache_user_group.cache.user_group_id])
    error_message = "The list of users is in force."
  }
  assert {
    condition     = aws_elasticache_replication_group.cache.at_rest_encryption_enabled == "true" || aws_elasticache_replication_group.cache.at_rest_encryption_enabled == true
    error_message = "The disk is encrypted."
  }
}

run "the_cache_survives_a_node_where_it_has_a_replica" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.cache.automatic_failover_enabled && aws_elasticache_replication_group.cache.multi_az_enabled && aws_elasticache_replication_group.cache.num_cache_clusters == 2
    error_message = "A replica in another zone takes over."
  }
}

run "the_durable_store_keeps_what_it_acknowledged" {
  command = apply

  assert {
    condition     = one([for parameter in aws_memorydb_parameter_group.durable.parameter : parameter.value if parameter.name == "maxmemory-policy"]) == "noeviction"
    error_message = "Nothing is evicted."
  }
  assert {
    condition     = aws_memorydb_cluster.durable.tls_enabled && aws_memorydb_cluster.durable.acl_name == aws_memorydb_acl.durable.name && aws_memorydb_cluster.durable.acl_name != "open-access"
    error_message = "TLS, and a list of users of its own."
  }
  assert {
    condition     = aws_memorydb_cluster.durable.num_shards == 2 && aws_memorydb_cluster.durable.num_replicas_per_shard == 1 && aws_memorydb_cluster.durable.final_snapshot_name == "payflow-test-durable-final"
    error_message = "Shards with a replica each, and a snapshot at the end."
  }
  assert {
    condition     = alltrue([for string in [aws_memorydb_user.apps.access_string, aws_elasticache_user.apps.access_string] : strcontains(string, "-flushall") && strcontains(string, "-flushdb")])
    error_message = "The apps' user cannot empty a store."
  }
}

run "secrets_have_the_urls_that_apps_take" {
  command = apply

  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.url["cache"].secret_string).url == "rediss://payflow:mockedPassword0123@cache.example.euc1.cache.amazonaws.com:6379"
    error_message = "REDIS_URL, by TLS."
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.url["durable"].secret_string).url == "rediss://payflow-test-payflow:mockedPassword0123@durable.example.memorydb.eu-central-1.amazonaws.com:6379"
    error_message = "INGEST_REDIS_URL, by TLS."
  }
}

run "refuses_a_durable_store_without_a_replica" {
  command = plan
  variables {
    durable = { node_type = "db.r7g.large", shards = 1, replicas = 0 }
  }
  expect_failures = [var.durable]
}

run "refuses_more_shards_than_partitions" {
  command = plan
  variables {
    durable = { node_type = "db.r7g.large", shards = 32, replicas = 1 }
  }
  expect_failures = [var.durable]
}

run "refuses_a_cache_node_for_the_durable_store" {
  command = plan
  variables {
    durable = { node_type = "cache.r7g.large", shards = 1, replicas = 1 }
  }
  expect_failures = [var.durable]
}

run "refuses_another_services_nodes_for_the_cache" {
  command = plan
  variables {
    cache = { node_type = "db.r7g.large", replicas = 1 }
  }
  expect_failures = [var.cache]
}

run "refuses_to_keep_no_snapshots" {
  command = plan
  variables {
    snapshot_retention_days = 0
  }
  expect_failures = [var.snapshot_retention_days]
}

run "refuses_one_zone" {
  command = plan
  variables {
    subnet_ids = ["subnet-0a"]
  }
  expect_failures = [var.subnet_ids]
}
