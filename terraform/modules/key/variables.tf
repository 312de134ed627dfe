variable "name" {
  description = "The installation's."
  type        = string
}

variable "purpose" {
  description = "What the key is called beside the installation's name, in its alias."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z-]{1,30}$", var.purpose))
    error_message = "The purpose is lower-case words with hyphens."
  }
}

variable "description" {
  description = "What it encrypts, as a sentence."
  type        = string
}

variable "log_groups" {
  description = "CloudWatch's groups of logs that are encrypted with it, by name."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for group in var.log_groups : can(regex("^[A-Za-z0-9_/.#-]+$", group))])
    error_message = "Groups of logs are named one by one, without wildcards."
  }
}

variable "publishers" {
  description = "AWS's services that write to a topic under it."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.publishers : can(regex("^[a-z.-]+\\.amazonaws\\.com$", service))])
    error_message = "Publishers are services of AWS, such as cloudwatch.amazonaws.com."
  }
}
