variable "name" {
  description = "What roles' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}[a-z0-9]$", var.name))
    error_message = "The name has 3 to 21 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "cluster" {
  description = "Whose pods get identities."
  type        = object({ name = string, arn = string })
}

variable "secrets_reader" {
  description = "The ServiceAccount that copies secrets into the cluster: external-secrets' own."
  type = object({
    namespace       = optional(string, "external-secrets")
    service_account = optional(string, "external-secrets")
  })
  default = {}
}

variable "secret_arns" {
  description = "What it may read, and nothing else."
  type        = list(string)

  validation {
    condition     = length(var.secret_arns) > 0 && alltrue([for arn in var.secret_arns : !strcontains(arn, "*")])
    error_message = "Secrets are named one by one, without wildcards."
  }
}

variable "secret_key_arns" {
  description = "The keys that encrypt them."
  type        = list(string)

  validation {
    condition     = length(var.secret_key_arns) > 0 && alltrue([for arn in var.secret_key_arns : !strcontains(arn, "*")])
    error_message = "Keys are named one by one, without wildcards."
  }
}

variable "metrics" {
  description = "The ServiceAccount of the collector that writes to the workspace of metrics; null where there is none."
  type = object({
    namespace       = string
    service_account = string
    workspace_arn   = string
  })
  default = null
}

variable "release" {
  description = "Which GitHub repository and environment may push images; null where releases come another way. `create_provider` is false where the account knows GitHub already."
  type = object({
    repository      = string
    environment     = optional(string, "release")
    repository_arns = list(string)
    create_provider = optional(bool, true)
  })
  default = null

  validation {
    condition     = var.release == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.release.repository))
    error_message = "The repository is OWNER/NAME, without wildcards."
  }

  validation {
    condition     = var.release == null || can(regex("^[A-Za-z0-9_-]+$", var.release.environment))
    error_message = "The environment is one name: its protection rules are what guards the role."
  }
}
