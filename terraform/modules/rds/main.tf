locals {
  # RDS writes to groups of these names, and would make them itself: kept for ever, under no key of ours.
  logs       = toset(["postgresql", "upgrade"])
  log_groups = { for log in local.logs : log => "/aws/rds/instance/${var.name}/${log}" }
}

module "key" {
  source = "../key"

  name        = var.name
  purpose     = "postgresql"
  description = "PostgreSQL, its backups, its logs and its roles' passwords."
  log_groups  = values(local.log_groups)
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = module.key.arn
}

resource "aws_db_subnet_group" "this" {
  name_prefix = "${var.name}-"
  description = "Subnets without a way out of the network."
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-postgresql-"
  description = "PostgreSQL."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-postgresql" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "Nodes and pods."
  referenced_security_group_id = var.client_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  description = "TLS for everybody; nothing of what tenants sent in the log."
  family      = "postgres${var.engine_version}"

  dynamic "parameter" {
    for_each = {
      "rds.force_ssl"       = "1"
      "password_encryption" = "scram-sha-256"
      # Refused statements and rows hold what tenants sent.
      "log_error_verbosity"               = "terse"
      "log_min_error_statement"           = "panic"
      "log_parameter_max_length_on_error" = "0"
      "log_min_duration_statement"        = "-1"
    }

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "pending-reboot"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role" "monitoring" {
  name_prefix = "${var.name}-rds-"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

data "aws_partition" "current" {}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class

  storage_type          = "gp3"
  allocated_storage     = var.storage_gb
  max_allocated_storage = var.storage_maximum_gb
  storage_encrypted     = true
  kms_key_id            = module.key.arn

  # RDS makes the password, keeps it in Secrets Manager and changes it every week; it is in no state file.
  username                      = "payflow_master"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = module.key.key_id

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period   = var.backup_retention_days
  backup_window             = "01:00-02:00"
  maintenance_window        = "sun:03:00-sun:04:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  auto_minor_version_upgrade      = true
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring.arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = module.key.arn
  enabled_cloudwatch_logs_exports = local.logs

  depends_on = [aws_iam_role_policy_attachment.monitoring, aws_cloudwatch_log_group.this]
}
