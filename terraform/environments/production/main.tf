module "network" {
  source = "../../modules/network"

  name                    = var.name
  cidr                    = var.cidr
  availability_zones      = var.availability_zones
  nat_gateway_per_zone    = true
  interface_endpoints     = ["ecr.api", "ecr.dkr", "secretsmanager", "sts", "logs", "eks-auth", "ec2"]
  flow_log_retention_days = 90
}

module "eks" {
  source = "../../modules/eks"

  name                = var.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.private_subnet_ids
  kubernetes_version  = var.kubernetes_version
  public_access_cidrs = var.api_access_cidrs
  administrators      = var.administrators
  log_retention_days  = 365

  node_groups = {
    apps = {
      instance_types = ["m7g.large"]
      minimum        = 3
      desired        = 3
      maximum        = 12
    }
  }
}

module "rds" {
  source = "../../modules/rds"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_class           = "db.m7g.xlarge"
  storage_gb               = 200
  storage_maximum_gb       = 2000
  multi_az                 = true
  backup_retention_days    = 35
  deletion_protection      = var.deletion_protection
}

module "msk" {
  source = "../../modules/msk"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  instance_type            = "kafka.m7g.large"
  storage_gb               = 200
}

module "elasticache" {
  source = "../../modules/elasticache"

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.eks.node_security_group_id
  cache                    = { node_type = "cache.m7g.large", replicas = 1 }
  durable                  = { node_type = "db.r7g.large", shards = 2, replicas = 1 }
}

module "observability" {
  source = "../../modules/observability"

  name                  = var.name
  subscribers           = var.alarm_subscribers
  monthly_budget_usd    = var.monthly_budget_usd
  postgresql_identifier = module.rds.identifier
  postgresql_storage_gb = 200
  kafka_cluster_name    = module.msk.cluster_name
  kafka_broker_count    = 3
  cache_nodes           = module.elasticache.cache_nodes
  durable_name          = module.elasticache.durable_name
  metrics_workspace     = true
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

  metrics = {
    namespace       = "monitoring"
    service_account = "collector"
    workspace_arn   = module.observability.metrics_workspace_arn
  }

  release = var.release_repository == null ? null : {
    repository      = var.release_repository
    repository_arns = module.eks.repository_arns
    create_provider = var.create_github_provider
  }
}
