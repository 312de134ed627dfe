variable "name" {
  description = "What both stores' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Where nodes may be, one subnet a zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A replica needs another zone: two subnets at least."
  }
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "cache" {
  description = "The cache Redis: keys, limits and fraud counters. Without a replica its loss costs minutes of local limits and fail modes."
  type = object({
    node_type = string
    replicas  = number
  })

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.cache.node_type))
    error_message = "A node's type begins with cache."
  }

  validation {
    condition     = var.cache.replicas >= 0 && var.cache.replicas <= 5
    error_message = "0 to 5 replicas."
  }
}

variable "durable" {
  description = "The durable Redis of the event streams: shards, and replicas of each. What it acknowledged is in a log in several zones."
  type = object({
    node_type = string
    shards    = number
    replicas  = number
  })

  validation {
    condition     = can(regex("^db\\.(t4g|r6g|r7g|r6gd)\\.[a-z0-9]+$", var.durable.node_type))
    error_message = "A MemoryDB node's type is one of db.t4g, db.r6g, db.r6gd and db.r7g."
  }

  validation {
    condition     = var.durable.shards >= 1 && var.durable.shards <= 16
    error_message = "1 to 16 shards: the streams have 16 partitions."
  }

  validation {
    condition     = var.durable.replicas >= 1 && var.durable.replicas <= 5
    error_message = "1 to 5 replicas: without one, a node's loss stops ingest until another has read the log."
  }
}

variable "snapshot_retention_days" {
  description = "How long daily snapshots of the durable Redis are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshot_retention_days >= 1 && var.snapshot_retention_days <= 35
    error_message = "1 to 35 days."
  }
}
