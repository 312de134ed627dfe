module "network" {
  source = "../network"

  name                    = var.name
  cidr                    = var.installation.cidr
  availability_zones      = var.installation.availability_zones
  nat_gateway_per_zone    = var.sizes.nat_gateway_per_zone
  interface_endpoints     = var.sizes.interface_endpoints
  flow_log_retention_days = var.sizes.log_retention_days
}

module "eks" {
  source = "../eks"

  name                = var.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  kubernetes_version  = var.installation.kubernetes_version
  public_access_cidrs = var.installation.api_access_cidrs
  administrators      = var.installation.administrators
  log_retention_days  = var.sizes.audit_retention_days
  node_groups         = { apps = var.sizes.nodes }
}

module "rds" {
  source = "../rds"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_class           = var.sizes.postgresql.instance_class
  storage_gb               = var.sizes.postgresql.storage_gb
  storage_maximum_gb       = var.sizes.postgresql.storage_maximum_gb
  multi_az                 = var.sizes.postgresql.multi_az
  backup_retention_days    = var.sizes.postgresql.backup_retention_days
  log_retention_days       = var.sizes.log_retention_days
  deletion_protection      = var.installation.deletion_protection
}

module "msk" {
  source = "../msk"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_type            = var.sizes.kafka.instance_type
  storage_gb               = var.sizes.kafka.storage_gb
  log_retention_days       = var.sizes.log_retention_days
}

module "elasticache" {
  source = "../elasticache"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  cache                    = var.sizes.cache
  durable                  = var.sizes.durable
}

module "observability" {
  source = "../observability"

  name                  = var.name
  subscribers           = var.installation.alarm_subscribers
  monthly_budget_usd    = coalesce(var.installation.monthly_budget_usd, var.sizes.monthly_budget_usd)
  postgresql_identifier = module.rds.identifier
  postgresql_storage_gb = var.sizes.postgresql.storage_gb
  kafka_cluster_name    = module.msk.cluster_name
  kafka_broker_count    = 3
  cache_nodes           = module.elasticache.cache_nodes
  durable_name          = module.elasticache.durable_name
  metrics_workspace     = var.sizes.metrics_workspace
}

module "iam" {
  source = "../iam"

  name    = var.name
  cluster = { name = module.eks.cluster_name, arn = module.eks.cluster_arn }

  secret_arns = concat(
    values(module.rds.role_secret_arns),
    values(module.elasticache.url_secret_arns),
    [module.msk.user_secret_arn],
  )
  secret_key_arns = [module.rds.kms_key_arn, module.elasticache.kms_key_arn, module.msk.kms_key_arn]

  metrics = var.sizes.metrics_workspace ? {
    namespace       = "monitoring"
    service_account = "collector"
    workspace_arn   = module.observability.metrics_workspace_arn
  } : null

  release = var.installation.release == null ? null : {
    repository      = var.installation.release.repository
    create_provider = var.installation.release.create_provider
    repository_arns = module.eks.repository_arns
  }
}
