mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name   = "payflow-test"
  region = "eu-central-1"
  installation = {
    availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    administrators     = { platform = "arn:aws:iam::111122223333:role/platform" }
    alarm_subscribers  = ["on-call@example.com"]
  }
  sizes = {
    monthly_budget_usd   = 1000
    nat_gateway_per_zone = true
    interface_endpoints  = ["sts"]
    log_retention_days   = 30
    audit_retention_days = 90
    metrics_workspace    = false

    nodes = { instance_types = ["m7g.large"], minimum = 3, desired = 3, maximum = 6 }
    postgresql = {
      instance_class        = "db.m7g.large"
      storage_gb            = 50
      storage_maximum_gb    = 500
      multi_az              = true
      backup_retention_days = 14
    }
    kafka   = { instance_type = "kafka.m7g.large", storage_gb = 50 }
    cache   = { node_type = "cache.m7g.large", replicas = 1 }
    durable = { node_type = "db.r7g.large", shards = 1, replicas = 1 }
    pods    = { replicas = 2, topology_spread = "DoNotSchedule" }
  }
}

run "the_whole_fits_together_and_renders_what_the_chart_takes" {
  command = apply

  variables {
    installation = merge(var.installation, { cidr = "10.64.0.0/16", release = { repository = "example/payflow" } })
  }

  assert {
    condition     = yamldecode(output.chart_values).kafka.brokers == module.msk.brokers && yamldecode(output.chart_values).kafka.sasl.mechanism == "scram-sha-512" && yamldecode(output.chart_values).kafka.tls.enabled
    error_message = "Kafka by SCRAM over TLS."
  }
  assert {
    condition     = yamldecode(output.chart_values).image.repository == module.eks.repository_urls["payflow"] && yamldecode(output.chart_values).networkPolicy.storeCidrs == ["10.64.0.0/16"]
    error_message = "The image comes from the account's own registry, and pods reach stores in the network alone."
  }
  assert {
    condition     = yamldecode(output.chart_values).defaults == { replicas = 2, topologySpread = "DoNotSchedule" }
    error_message = "As many pods as the sizes say."
  }
  assert {
    condition     = !strcontains(join("", [output.chart_values, output.external_secrets, output.create_roles, jsonencode(output.facts)]), "mockedPassword")
    error_message = "No output has a password."
  }
  assert {
    condition     = alltrue([for key in ["payment-url", "processor-owner-url", "durable-url", "ingest-url"] : strcontains(output.external_secrets, "secretKey: ${key}\n")])
    error_message = "The keys that the chart asks for."
  }
  assert {
    condition     = yamldecode(split("\n---\n", output.create_roles)[0]).data["roles.sql"] == module.rds.create_roles_sql && strcontains(output.create_roles, module.rds.address)
    error_message = "The Job runs the script against the server."
  }
  assert {
    condition     = output.facts.release_role_arn != null && output.facts.remote_write_url == null && output.facts.cluster_name == "payflow-test"
    error_message = "Releases may push; there is no workspace for metrics."
  }
}

run "refuses_zones_of_another_region_and_pods_in_zones_without_nodes" {
  command = plan
  variables {
    region = "us-east-1"
    sizes  = merge(var.sizes, { nodes = merge(var.sizes.nodes, { minimum = 2 }) })
  }
  expect_failures = [var.installation, var.sizes]
}

run "refuses_what_is_no_region_no_name_and_half_a_pod" {
  command = plan
  variables {
    region = "Frankfurt"
    name   = "PayFlow_Production"
    sizes  = merge(var.sizes, { pods = { replicas = 1.5, topology_spread = "DoNotSchedule" } })
  }
  expect_failures = [var.region, var.name, var.sizes]
}

run "refuses_pods_that_are_spread_by_nothing_and_a_namespace_that_is_none" {
  command = plan
  variables {
    installation = merge(var.installation, { namespace = "Pay Flow" })
    sizes        = merge(var.sizes, { pods = { replicas = 2, topology_spread = "Maybe" } })
  }
  expect_failures = [var.installation, var.sizes]
}
