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
  description = "Where nodes and the control plane's interfaces are, one subnet a zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "The control plane needs subnets in two zones at least."
  }
}

variable "kubernetes_version" {
  description = "As MAJOR.MINOR."
  type        = string
  default     = "1.36"

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version)) && try(tonumber(split(".", var.kubernetes_version)[1]), 0) >= 30
    error_message = "PayFlow runs on Kubernetes 1.30 or later."
  }
}

variable "public_access_cidrs" {
  description = "From where the API is reached besides the network itself. With none it has no public address."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.public_access_cidrs : can(cidrhost(block, 0)) && try(tonumber(split("/", block)[1]), 0) >= 16])
    error_message = "Each is an IPv4 block of /16 or smaller: the whole internet is not admitted."
  }
}

variable "administrators" {
  description = "Who may do everything in the cluster: a name of yours to an IAM role's or user's ARN."
  type        = map(string)

  validation {
    condition     = length(var.administrators) > 0
    error_message = "Whoever creates the cluster gets no rights by that: name one administrator at least."
  }

  validation {
    condition     = alltrue([for arn in values(var.administrators) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "Administrators are IAM roles or users, by their ARNs."
  }
}

variable "node_groups" {
  description = "Kinds of nodes by name. Sizes are counts of nodes over all zones."
  type = map(object({
    instance_types = list(string)
    ami_type       = optional(string, "AL2023_ARM_64_STANDARD")
    capacity_type  = optional(string, "ON_DEMAND")
    minimum        = number
    desired        = number
    maximum        = number
    disk_gb        = optional(number, 40)
    labels         = optional(map(string), {})
  }))

  validation {
    condition     = length(var.node_groups) > 0
    error_message = "At least one kind of node is needed."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.minimum >= 1 && group.minimum <= group.desired && group.desired <= group.maximum])
    error_message = "Each kind has minimum <= desired <= maximum, and one node at least."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : contains(["ON_DEMAND", "SPOT"], group.capacity_type)])
    error_message = "The capacity is ON_DEMAND or SPOT."
  }
}

variable "log_retention_days" {
  description = "How long the control plane's logs, audit among them, are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([30, 60, 90, 120, 180, 365, 400, 731], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 30, 60, 90, 120, 180, 365, 400 or 731 days."
  }
}

variable "repositories" {
  description = "What is kept in the registry: the image, and the chart under the name that Helm gives it."
  type        = set(string)
  default     = ["payflow", "charts/payflow"]
}
