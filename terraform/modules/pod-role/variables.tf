variable "name_prefix" {
  description = "What the role's name begins with."
  type        = string

  validation {
    condition     = length(var.name_prefix) <= 38
    error_message = "AWS takes 38 characters, and adds its own."
  }
}

variable "description" {
  description = "What the role is for."
  type        = string
}

variable "cluster" {
  description = "Whose pods."
  type        = object({ name = string, arn = string })
}

variable "namespace" {
  description = "Of the ServiceAccount."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.namespace))
    error_message = "A namespace is named, without wildcards."
  }
}

variable "service_account" {
  description = "Whose pods get the role."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+$", var.service_account))
    error_message = "A ServiceAccount is named, without wildcards."
  }
}

variable "policy" {
  description = "What the pods may do, as JSON; null where a policy of AWS's says it."
  type        = string
  default     = null
}

variable "managed_policy_arn" {
  description = "A policy of AWS's; null where there is none."
  type        = string
  default     = null
}

variable "is_addon" {
  description = "Whether the pods are an add-on of EKS."
  type        = bool
  default     = false
}
