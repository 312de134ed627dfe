resource "aws_memorydb_subnet_group" "durable" {
  name        = "${var.name}-durable"
  description = "Subnets without a way out of the network."
  subnet_ids  = var.subnet_ids
}

resource "aws_memorydb_parameter_group" "durable" {
  name        = "${var.name}-durable-redis7"
  family      = "memorydb_redis7"
  description = "Nothing is ever evicted: a full store refuses instead."

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_memorydb_user" "apps" {
  user_name     = "${var.name}-${local.user}"
  access_string = "on ~* &* ${local.commands}"

  authentication_mode {
    type      = "password"
    passwords = [aws_secretsmanager_secret_version.password["durable"].secret_string]
  }
}

resource "aws_memorydb_acl" "durable" {
  name       = "${var.name}-durable"
  user_names = [aws_memorydb_user.apps.user_name]
}

resource "aws_memorydb_cluster" "durable" {
  name                   = "${var.name}-durable"
  description            = "The event streams: a write is in a log in several zones before it is acknowledged."
  engine                 = "redis"
  engine_version         = "7.1"
  node_type              = var.durable.node_type
  num_shards             = var.durable.shards
  num_replicas_per_shard = var.durable.replicas
  parameter_group_name   = aws_memorydb_parameter_group.durable.name
  port                   = 6379

  subnet_group_name  = aws_memorydb_subnet_group.durable.name
  security_group_ids = [aws_security_group.this.id]
  acl_name           = aws_memorydb_acl.durable.name
  tls_enabled        = true
  kms_key_arn        = module.key.arn

  snapshot_retention_limit   = var.snapshot_retention_days
  snapshot_window            = "02:00-03:00"
  final_snapshot_name        = "${var.name}-durable-final"
  maintenance_window         = "sun:05:00-sun:06:00"
  auto_minor_version_upgrade = true
}
