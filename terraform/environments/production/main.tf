# A zone may be lost, and payments go on.
module "platform" {
  source = "../../modules/platform"

  name         = var.name
  region       = var.region
  installation = var.installation

  sizes = {
    monthly_budget_usd   = 4000
    nat_gateway_per_zone = true
    interface_endpoints  = ["ecr.api", "ecr.dkr", "secretsmanager", "sts", "logs", "eks-auth", "ec2"]
    log_retention_days   = 90
    audit_retention_days = 365
    metrics_workspace    = true

    nodes = { instance_types = ["m7g.large"], minimum = 3, desired = 3, maximum = 12 }
    postgresql = {
      instance_class        = "db.m7g.xlarge"
      storage_gb            = 200
      storage_maximum_gb    = 2000
      multi_az              = true
      backup_retention_days = 35
    }
    kafka   = { instance_type = "kafka.m7g.large", storage_gb = 200 }
    cache   = { node_type = "cache.m7g.large", replicas = 1 }
    durable = { node_type = "db.r7g.large", shards = 2, replicas = 1 }
    pods    = { replicas = 3, topology_spread = "DoNotSchedule" }
  }
}
