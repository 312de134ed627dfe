variable "name" {
  description = "The cluster's name; others begin with it."
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
  description = "A subnet in each of three zones: every event has a copy in each."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) == 3 && length(var.subnet_ids) == 3
    error_message = "Replication 3 with min.insync.replicas 2 needs three zones."
  }
}

variable "client_security_group_id" {
  description = "Whose members may connect."
  type        = string
}

variable "kafka_version" {
  description = "As MSK names it; .kraft is Kafka without ZooKeeper."
  type        = string
  default     = "4.1.x.kraft"

  validation {
    condition     = can(regex("^[34]\\.[0-9]+\\.x\\.kraft$", var.kafka_version))
    error_message = "The version is one in KRaft mode, such as 4.1.x.kraft."
  }
}

variable "instance_type" {
  description = "Such as kafka.m7g.large, the smallest."
  type        = string

  validation {
    condition     = can(regex("^kafka\\.(m5|m7g)\\.([0-9]*x)?large$", var.instance_type))
    error_message = "A broker's type is of kafka.m5 or kafka.m7g: MSK refuses kafka.t3 for new clusters."
  }
}

variable "brokers_per_zone" {
  description = "One is enough for thousands of payments a second."
  type        = number
  default     = 1

  validation {
    condition     = var.brokers_per_zone >= 1 && var.brokers_per_zone <= 10 && floor(var.brokers_per_zone) == var.brokers_per_zone
    error_message = "One to ten brokers a zone."
  }
}

variable "storage_gb" {
  description = "Of each broker. It can grow and never shrink."
  type        = number
  default     = 100

  validation {
    condition     = var.storage_gb >= 10 && var.storage_gb <= 16384
    error_message = "10 to 16,384 GB a broker."
  }
}

variable "log_retention_days" {
  description = "How long the brokers' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 7, 14, 30, 60, 90, 180 or 365 days."
  }
}
