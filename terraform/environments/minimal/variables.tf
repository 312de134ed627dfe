variable "region" {
  description = "Where everything is."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is named like eu-central-1."
  }
}

variable "name" {
  description = "What all resources' names begin with."
  type        = string
  default     = "payflow-minimal"
}

variable "availability_zones" {
  description = "Three of the region's zones."
  type        = list(string)

  validation {
    condition     = alltrue([for zone in var.availability_zones : startswith(zone, var.region)])
    error_message = "The zones are the region's own."
  }
}

variable "cidr" {
  description = "The network's addresses, from /16 to /19."
  type        = string
  default     = "10.40.0.0/16"
}

variable "kubernetes_version" {
  description = "As MAJOR.MINOR."
  type        = string
  default     = "1.34"
}

variable "administrators" {
  description = "Who may do everything in the cluster: a name of yours to an IAM role's or user's ARN."
  type        = map(string)
}

variable "api_access_cidrs" {
  description = "From where the Kubernetes API is reached besides the network itself; it is private with none."
  type        = set(string)
  default     = []
}

variable "alarm_subscribers" {
  description = "E-mail addresses that hear of alarms and of the budget."
  type        = set(string)
}

variable "monthly_budget_usd" {
  description = "What a month may cost before word of it comes."
  type        = number
  default     = 800
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete PostgreSQL. Set it to false and apply before you destroy."
  type        = bool
  default     = true
}

variable "namespace" {
  description = "Where the chart is installed."
  type        = string
  default     = "payflow"
}

variable "release_repository" {
  description = "The GitHub repository, as OWNER/NAME, whose environment 'release' may push images; none when null."
  type        = string
  default     = null
}

variable "create_github_provider" {
  description = "False where the account knows GitHub already."
  type        = bool
  default     = true
}
