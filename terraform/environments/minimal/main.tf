# The least that keeps its promises: an outage of one zone may be an outage, and loses nothing.
module "platform" {
  source = "../../modules/platform"

  name         = var.name
  region       = var.region
  installation = var.installation

  sizes = {
    monthly_budget_usd   = 1300
    nat_gateway_per_zone = false
    interface_endpoints  = []
    log_retention_days   = 30
    audit_retention_days = 30
    metrics_workspace    = false

    nodes = { instance_types = ["t4g.large"], minimum = 3, desired = 3, maximum = 4 }
    postgresql = {
      instance_class        = "db.t4g.medium"
      storage_gb            = 20
      storage_maximum_gb    = 100
      multi_az              = false
      backup_retention_days = 7
    }
    # The smallest that MSK sells.
    kafka   = { instance_type = "kafka.m7g.large", storage_gb = 10 }
    cache   = { node_type = "cache.t4g.micro", replicas = 0 }
    durable = { node_type = "db.t4g.small", shards = 1, replicas = 1 }
    pods    = { replicas = 1, topology_spread = "ScheduleAnyway" }
  }
}
