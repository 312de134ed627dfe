locals {
  user = "payflow"
  # Everything but what would empty a store.
  commands = "+@all -flushall -flushdb -swapdb"
}

module "key" {
  source = "../key"

  name        = var.name
  purpose     = "redis"
  description = "the cache Redis, the durable Redis, and their users' passwords."
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-redis-"
  description = "Both Redis."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-redis" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "Nodes and pods."
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

data "aws_secretsmanager_random_password" "user" {
  for_each = toset(["cache", "durable"])

  password_length     = 40
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "user" {
  for_each = toset(["cache", "durable"])

  name        = "${var.name}/redis/${each.value}"
  description = "The user of the ${each.value} Redis."
  kms_key_id  = module.key.arn
}

# The password alone: the addresses in `url` below depend on stores that depend on it.
resource "aws_secretsmanager_secret_version" "password" {
  for_each = toset(["cache", "durable"])

  secret_id     = aws_secretsmanager_secret.user[each.value].id
  secret_string = data.aws_secretsmanager_random_password.user[each.value].random_password

  # The generator gives another password each time that it is asked; the first is kept.
  lifecycle {
    ignore_changes = [secret_string]
  }
}

locals {
  logins = {
    cache   = "${local.user}:${aws_secretsmanager_secret_version.password["cache"].secret_string}"
    durable = "${aws_memorydb_user.apps.user_name}:${aws_secretsmanager_secret_version.password["durable"].secret_string}"
  }
  # MemoryDB is a cluster, of one shard too: who asks a node for another's keys is sent on. Several addresses tell the
  # apps so, of which the first leads to all nodes, whatever becomes of those that are there today.
  durable_endpoint = aws_memorydb_cluster.durable.cluster_endpoint[0].address
  durable_nodes = sort(flatten([
    for shard in aws_memorydb_cluster.durable.shards : [for node in shard.nodes : node.endpoint[*].address]
  ]))
  urls = {
    cache   = "rediss://${local.logins.cache}@${aws_elasticache_replication_group.cache.primary_endpoint_address}:6379"
    durable = "rediss://${local.logins.durable}@${local.durable_endpoint}:6379"
    ingest  = join(",", [for address in concat([local.durable_endpoint], local.durable_nodes) : "rediss://${local.logins.durable}@${address}:6379"])
  }
}

resource "aws_secretsmanager_secret" "url" {
  for_each = toset(["cache", "durable", "ingest"])

  name        = "${var.name}/redis/${each.value}-url"
  description = "What REDIS_URL, DURABLE_REDIS_URL or INGEST_REDIS_URL takes, with the password."
  kms_key_id  = module.key.arn
}

resource "aws_secretsmanager_secret_version" "url" {
  for_each = aws_secretsmanager_secret.url

  secret_id     = each.value.id
  secret_string = jsonencode({ url = local.urls[each.key] })
}
