variable "name" {
  description = "The server's name; others begin with it."
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
  description = "Where the server and its standby may be, one subnet a zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A standby needs another zone: two subnets at least."
  }
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's major version; minor ones are AWS's to choose in the maintenance window."
  type        = string
  default     = "18"

  validation {
    condition     = contains(["16", "17", "18"], var.engine_version)
    error_message = "The version is 16, 17 or 18."
  }
}

variable "instance_class" {
  description = "Such as db.m7g.large."
  type        = string

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "An instance class begins with db."
  }
}

variable "storage_gb" {
  description = "To begin with; it grows by itself up to storage_maximum_gb."
  type        = number
  default     = 100

  validation {
    condition     = var.storage_gb >= 20
    error_message = "gp3 begins at 20 GB."
  }
}

variable "storage_maximum_gb" {
  description = "Where growing ends."
  type        = number
  default     = 1000

  validation {
    condition     = var.storage_maximum_gb > var.storage_gb
    error_message = "Storage must have room to grow: a full disk stops payments."
  }
}

variable "multi_az" {
  description = "Whether a standby in another zone has every commit before it is acknowledged."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "How far back the server can be restored to any second."
  type        = number
  default     = 35

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 35
    error_message = "A ledger is restorable for 7 days at least; RDS keeps 35 at most."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the server."
  type        = bool
  default     = true
}

variable "apps" {
  description = "Each gets a database payflow_APP, a role APP_owner for its migrations and a role APP_service that owns nothing."
  type        = set(string)
  default     = ["tenant", "payment", "fraud", "ledger", "notifier", "processor"]

  validation {
    condition     = length(var.apps) > 0 && alltrue([for app in var.apps : can(regex("^[a-z]{2,30}$", app))])
    error_message = "Apps are lower-case words, since they become names of roles and databases."
  }
}

variable "log_retention_days" {
  description = "How long the server's logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 7, 14, 30, 60, 90, 180 or 365 days."
  }
}
