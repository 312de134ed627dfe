output "chart_values" {
  description = "terraform output -raw chart_values > values.yaml, then helm install with -f values.yaml."
  value = templatefile("${path.module}/../../templates/chart-values.yaml.tftpl", {
    image_repository = module.eks.repository_urls["payflow"]
    kafka_brokers    = module.msk.brokers
    replicas         = 3
    topology_spread  = "DoNotSchedule"
    store_cidrs      = [var.cidr]
  })
}

output "external_secrets" {
  description = "terraform output -raw external_secrets | kubectl apply -f -, where external-secrets runs."
  value = templatefile("${path.module}/../../templates/external-secrets.yaml.tftpl", {
    namespace          = var.namespace
    region             = var.region
    platform_secret    = module.iam.platform_secret_name
    postgresql_secrets = module.rds.role_secret_names
    redis_secrets      = module.elasticache.url_secret_names
    kafka_secret       = module.msk.user_secret_name
  })
}

output "create_roles_sql" {
  description = "Makes PostgreSQL's databases and roles."
  value       = module.rds.create_roles_sql
}

output "master_secret_arn" {
  description = "Of the user that runs create_roles_sql."
  value       = module.rds.master_secret_arn
}

output "postgresql_address" {
  description = "The server."
  value       = module.rds.address
}

output "role_secret_names" {
  description = "PostgreSQL's roles, each with the secret that has its password."
  value       = module.rds.role_secret_names
}

output "cluster_name" {
  description = "For aws eks update-kubeconfig --name."
  value       = module.eks.cluster_name
}

output "nat_addresses" {
  description = "From where webhooks leave, for receivers that admit by address."
  value       = module.network.nat_addresses
}

output "release_role_arn" {
  description = "The variable AWS_RELEASE_ROLE of the repository's environment 'release'; null where there is none."
  value       = module.iam.release_role_arn
}

output "remote_write_url" {
  description = "Where a collector writes the apps' metrics; null where there is no workspace."
  value       = module.observability.remote_write_url
}
