output "chart_values" {
  description = "What the chart has to know of this ground, as a values file."
  value = templatefile("${path.module}/chart-values.yaml.tftpl", {
    image_repository = module.eks.repository_urls["payflow"]
    kafka_brokers    = module.msk.brokers
    replicas         = var.sizes.pods.replicas
    topology_spread  = var.sizes.pods.topology_spread
    store_cidrs      = [var.installation.cidr]
  })
}

output "external_secrets" {
  description = "The Secrets that the chart names, made of AWS's by external-secrets, as manifests."
  value = templatefile("${path.module}/external-secrets.yaml.tftpl", {
    namespace          = var.installation.namespace
    region             = var.region
    platform_secret    = module.iam.platform_secret_name
    postgresql_secrets = module.rds.role_secret_names
    redis_secrets      = module.elasticache.url_secret_names
    kafka_secret       = module.msk.user_secret_name
  })
}

output "create_roles" {
  description = "A Job that makes PostgreSQL's databases and roles from within the network, as manifests."
  value = templatefile("${path.module}/create-roles.yaml.tftpl", {
    namespace = var.installation.namespace
    address   = module.rds.address
    master    = module.rds.master_username
    sql       = module.rds.create_roles_sql
  })
}

output "facts" {
  description = "What people and programs ask for by name."
  value = {
    cluster_name       = module.eks.cluster_name
    region             = var.region
    master_secret_arn  = module.rds.master_secret_arn
    role_secret_names  = module.rds.role_secret_names
    postgresql_address = module.rds.address
    # From where webhooks leave, for receivers that admit by address.
    nat_addresses = module.network.nat_addresses
    # The variable AWS_RELEASE_ROLE of the repository's environment 'release'.
    release_role_arn = module.iam.release_role_arn
    # Where a collector writes the apps' metrics.
    remote_write_url = module.observability.remote_write_url
    has_standby      = module.rds.multi_az
  }
}

output "installation_fields" {
  description = "What an installation can say of itself."
  value       = keys(var.installation)
}
