resource "aws_elasticache_subnet_group" "cache" {
  name        = "${var.name}-cache"
  description = "Subnets without a way out of the network."
  subnet_ids  = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "cache" {
  # Another family is another group, which is there before the old one goes.
  name        = "${var.name}-cache-redis7"
  family      = "redis7"
  description = "Entries with an end go first when memory does."

  parameter {
    name  = "maxmemory-policy"
    value = "volatile-lru"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Every user group has a user called default, whom clients without a name are: it may do nothing.
resource "aws_elasticache_user" "nobody" {
  user_id       = "${var.name}-nobody"
  user_name     = "default"
  engine        = "redis"
  access_string = "off -@all"

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user" "apps" {
  user_id       = "${var.name}-${local.user}"
  user_name     = local.user
  engine        = "redis"
  access_string = "on ~* &* ${local.commands}"

  authentication_mode {
    type      = "password"
    passwords = [aws_secretsmanager_secret_version.password["cache"].secret_string]
  }
}

resource "aws_elasticache_user_group" "cache" {
  user_group_id = "${var.name}-cache"
  engine        = "redis"
  user_ids      = [aws_elasticache_user.nobody.user_id, aws_elasticache_user.apps.user_id]
}

resource "aws_elasticache_replication_group" "cache" {
  replication_group_id = "${var.name}-cache"
  description          = "Keys, limits and fraud counters: what can be made again."
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.cache.node_type
  num_cache_clusters   = 1 + var.cache.replicas
  parameter_group_name = aws_elasticache_parameter_group.cache.name
  port                 = 6379

  subnet_group_name          = aws_elasticache_subnet_group.cache.name
  security_group_ids         = [aws_security_group.this.id]
  user_group_ids             = [aws_elasticache_user_group.cache.user_group_id]
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = module.key.arn

  automatic_failover_enabled = var.cache.replicas > 0
  multi_az_enabled           = var.cache.replicas > 0
  snapshot_retention_limit   = 0
  maintenance_window         = "sun:04:00-sun:05:00"
}
