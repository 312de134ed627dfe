module "network" {
  source = "../../modules/network"

  name                    = var.name
  cidr                    = var.cidr
  availability_zones      = var.availability_zones
  nat_gateway_per_zone    = false
  interface_endpoints     = []
  flow_log_retention_days = 30
}

module "eks" {
  source = "../../modules/eks"

  name                = var.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  kubernetes_version  = var.kubernetes_version
  public_access_cidrs = var.api_access_cidrs
  administrators      = var.administrators
  log_retention_days  = 30

  node_groups = {
    apps = {
      instance_types = ["t4g.large"]
      minimum        = 3
      desired        = 3
      maximum        = 4
    }
  }
}

module "rds" {
  source = "../../modules/rds"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_class           = "db.t4g.medium"
  storage_gb               = 20
  storage_maximum_gb       = 100
  multi_az                 = false
  backup_retention_days    = 7
  deletion_protection      = var.deletion_protection
}

module "msk" {
  source = "../../modules/msk"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_type            = "kafka.t3.small"
  storage_gb               = 10
}

module "elasticache" {
  source = "../../modules/elasticache"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  cache                    = { node_type = "cache.t4g.micro", replicas = 0 }
  durable                  = { node_type = "db.t4g.small", shards = 1, replicas = 1 }
}

module "observability" {
  source = "../../modules/observability"

  name                  = var.name
  subscribers           = var.alarm_subscribers
  monthly_budget_usd    = var.monthly_budget_usd
  postgresql_identifier = module.rds.identifier
  postgresql_storage_gb = 20
  kafka_cluster_name    = module.msk.cluster_name
  kafka_broker_count    = 3
  cache_nodes           = module.elasticache.cache_nodes
  durable_name          = module.elasticache.durable_name
  metrics_workspace     = false
}

module "iam" {
  source = "../../modules/iam"

  name         = var.name
  cluster_name = module.eks.cluster_name

  secret_arns = concat(
    values(module.rds.role_secret_arns),
    values(module.elasticache.url_secret_arns),
    [module.msk.user_secret_arn],
  )
  secret_key_arns = [module.rds.kms_key_arn, module.elasticache.kms_key_arn, module.msk.kms_key_arn]

  release = var.release_repository == null ? null : {
    repository      = var.release_repository
    repository_arns = module.eks.repository_arns
    create_provider = var.create_github_provider
  }
}
