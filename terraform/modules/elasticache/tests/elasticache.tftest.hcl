mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                     = "payflow-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  cache                    = { node_type = "cache.m7g.large", replicas = 1 }
  durable                  = { node_type = "db.r7g.large", shards = 2, replicas = 1 }
}

run "a_cache_and_a_durable_store_for_named_users_over_tls" {
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

  # The cache survives a node where it has a replica.
  assert {
    condition     = aws_elasticache_replication_group.cache.automatic_failover_enabled && aws_elasticache_replication_group.cache.multi_az_enabled && aws_elasticache_replication_group.cache.num_cache_clusters == 2
    error_message = "A replica in another zone takes over."
  }

  # The durable store keeps what it acknowledged.
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

  # Secrets have the URLs that apps take.
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.url["cache"].secret_string).url == "rediss://payflow:mockedPassword0123@cache.mocked.euc1.cache.amazonaws.example:6379"
    error_message = "REDIS_URL, by TLS."
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.url["durable"].secret_string).url == "rediss://payflow-test-payflow:mockedPassword0123@clustercfg.durable.memorydb.eu-central-1.amazonaws.example:6379"
    error_message = "DURABLE_REDIS_URL, by TLS."
  }
  assert {
    condition = [
      for url in split(",", jsondecode(aws_secretsmanager_secret_version.url["ingest"].secret_string).url) :
      regex("^rediss://payflow-test-payflow:mockedPassword0123@(.*):6379$", url)[0]
      ] == [
      "clustercfg.durable.memorydb.eu-central-1.amazonaws.example",
      "durable-0001-001.durable.memorydb.eu-central-1.amazonaws.example",
      "durable-0001-002.durable.memorydb.eu-central-1.amazonaws.example",
    ]
    error_message = "INGEST_REDIS_URL names several nodes, so that ingest knows that it has a cluster before it."
  }
}

run "refuses_a_durable_store_without_a_replica_nodes_of_another_service_and_one_zone" {
  command = plan
  variables {
    durable                 = { node_type = "db.r7g.large", shards = 1, replicas = 0 }
    cache                   = { node_type = "db.r7g.large", replicas = 1 }
    snapshot_retention_days = 0
    subnet_ids              = ["subnet-0a"]
    name                    = "PayFlow"
  }
  expect_failures = [var.durable, var.cache, var.snapshot_retention_days, var.subnet_ids, var.name]
}

run "refuses_more_shards_than_partitions_and_more_replicas_than_there_are" {
  command = plan
  variables {
    durable = { node_type = "db.r7g.large", shards = 32, replicas = 1 }
    cache   = { node_type = "cache.m7g.large", replicas = 6 }
  }
  expect_failures = [var.durable, var.cache]
}

run "refuses_a_cache_node_for_the_durable_store" {
  command = plan
  variables {
    durable = { node_type = "cache.r7g.large", shards = 1, replicas = 1 }
  }
  expect_failures = [var.durable]
}
