variable "name" {
  description = "What all resources' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "region" {
  description = "Where everything is."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is named like eu-central-1."
  }
}

variable "installation" {
  description = "What is yours, whatever the size: README.md has the table."
  type = object({
    availability_zones  = list(string)
    administrators      = map(string)
    alarm_subscribers   = set(string)
    api_access_cidrs    = optional(set(string), [])
    cidr                = optional(string, "10.40.0.0/16")
    kubernetes_version  = optional(string, "1.36")
    namespace           = optional(string, "payflow")
    monthly_budget_usd  = optional(number)
    deletion_protection = optional(bool, true)
    release = optional(object({
      repository      = string
      create_provider = optional(bool, true)
    }))
  })

  validation {
    condition     = alltrue([for zone in var.installation.availability_zones : startswith(zone, var.region)])
    error_message = "The zones are the region's own."
  }

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.installation.namespace))
    error_message = "The namespace is one that Kubernetes takes."
  }
}

variable "sizes" {
  description = "How large, and what may fail: an environment's choice. The modules say what each means."
  type = object({
    monthly_budget_usd   = number
    nat_gateway_per_zone = bool
    interface_endpoints  = set(string)
    log_retention_days   = number
    audit_retention_days = number
    metrics_workspace    = bool
    nodes                = object({ instance_types = list(string), minimum = number, desired = number, maximum = number })
    postgresql = object({
      instance_class        = string
      storage_gb            = number
      storage_maximum_gb    = number
      multi_az              = bool
      backup_retention_days = number
    })
    kafka   = object({ instance_type = string, storage_gb = number })
    cache   = object({ node_type = string, replicas = number })
    durable = object({ node_type = string, shards = number, replicas = number })
    pods    = object({ replicas = number, topology_spread = string })
  })

  validation {
    condition     = contains(["DoNotSchedule", "ScheduleAnyway"], var.sizes.pods.topology_spread)
    error_message = "Pods are spread over zones by DoNotSchedule or ScheduleAnyway."
  }

  validation {
    condition     = var.sizes.pods.topology_spread == "ScheduleAnyway" || var.sizes.nodes.minimum >= 3
    error_message = "Pods that must be in three zones need a node in each."
  }

  validation {
    condition     = var.sizes.pods.replicas >= 1 && floor(var.sizes.pods.replicas) == var.sizes.pods.replicas
    error_message = "Each app has a pod at least."
  }
}
