locals {
  user = "payflow"
  # Everything but what would empty a store.
  commands = "+@all -flushall -flushdb -swapdb"
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: the cache Redis, the durable Redis, and their users' passwords."
  enable_key_rotation     = true
  deletion_window_in_days = 30
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
  kms_key_id  = aws_kms_key.this.arn
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

resource "aws_secretsmanager_secret" "url" {
  for_each = toset(["cache", "durable"])

  name        = "${var.name}/redis/${each.value}-url"
  description = "What REDIS_URL and INGEST_REDIS_URL take, with the password."
  kms_key_id  = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "url" {
  for_each = {
    cache   = { user = local.user, host = aws_elasticache_replication_group.cache.primary_endpoint_address }
    durable = { user = aws_memorydb_user.apps.user_name, host = aws_memorydb_cluster.durable.cluster_endpoint[0].address }
  }

  secret_id = aws_secretsmanager_secret.url[each.key].id
  secret_string = jsonencode({
    url = "rediss://${each.value.user}:${aws_secretsmanager_secret_version.password[each.key].secret_string}@${each.value.host}:6379"
  })
}
