variable "region" {
  description = "Where everything is."
  type        = string
}

variable "name" {
  description = "What all resources' names begin with."
  type        = string
  default     = "payflow-minimal"
}

# Its fields and what they are when they are left out stand in modules/platform/variables.tf, which refuses others.
variable "installation" {
  description = "What is yours: zones, administrators, who hears of alarms."
  type        = any
}
