variable "name" {
  description = "What all resources' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "cidr" {
  description = "The network's addresses. Nodes and pods share them, so that a /16 leaves room for 8,000 pods a zone."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && try(tonumber(split("/", var.cidr)[1]), 0) >= 16 && try(tonumber(split("/", var.cidr)[1]), 0) <= 19
    error_message = "The addresses are an IPv4 block from /16 to /19."
  }

  validation {
    condition     = can(regex("^(10\\.|192\\.168\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.)", var.cidr))
    error_message = "The addresses are private ones (RFC 1918)."
  }
}

variable "availability_zones" {
  description = "Three zones: Kafka keeps a copy of each event in each of them."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3 && length(var.availability_zones) == 3
    error_message = "Three different zones are needed."
  }
}

variable "nat_gateway_per_zone" {
  description = "Whether each zone has a way out of its own. With one for all, its zone's outage cuts the others off from webhooks' receivers."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services that are reached without leaving the network, each for an hourly price in every zone."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "secretsmanager", "sts", "logs", "eks-auth", "ec2"]
}

variable "flow_log_retention_days" {
  description = "How long the record of who spoke to whom is kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([30, 60, 90, 120, 180, 365, 400, 731], var.flow_log_retention_days)
    error_message = "CloudWatch keeps logs for 30, 60, 90, 120, 180, 365, 400 or 731 days."
  }
}
