variable "name" {
  description = "What alarms' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "subscribers" {
  description = "E-mail addresses that hear of alarms and of the budget; each has to confirm once."
  type        = set(string)

  validation {
    condition     = length(var.subscribers) > 0 && alltrue([for address in var.subscribers : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "Somebody has to hear of alarms: one e-mail address at least."
  }
}

variable "monthly_budget_usd" {
  description = "What a month may cost; word comes at 80 % of it, and when the forecast is above it."
  type        = number

  validation {
    condition     = var.monthly_budget_usd > 0
    error_message = "The budget is in dollars, above 0."
  }
}

variable "postgresql_identifier" {
  description = "The server."
  type        = string
}

variable "postgresql_storage_gb" {
  description = "Its first size: word comes when a tenth of that is left."
  type        = number
}

variable "kafka_cluster_name" {
  description = "The cluster."
  type        = string
}

variable "kafka_broker_count" {
  description = "Its brokers."
  type        = number
}

variable "cache_nodes" {
  description = "The cache Redis's nodes."
  type        = list(string)
}

variable "durable_name" {
  description = "The durable Redis."
  type        = string
}

variable "metrics_workspace" {
  description = "Whether there is a workspace for the apps' Prometheus metrics."
  type        = bool
  default     = true
}
