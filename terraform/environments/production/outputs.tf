output "chart_values" {
  description = "terraform output -raw chart_values > values.yaml, then helm install with -f values.yaml."
  value       = module.platform.chart_values
}

output "external_secrets" {
  description = "terraform output -raw external_secrets | kubectl apply -f -, where external-secrets runs."
  value       = module.platform.external_secrets
}

output "create_roles" {
  description = "terraform output -raw create_roles | kubectl apply -f -, once the Secret with its passwords is there."
  value       = module.platform.create_roles
}

output "facts" {
  description = "terraform output -json facts | jq: the cluster's name, secrets' names, the addresses that webhooks come from."
  value       = module.platform.facts

  # A field that is not known would be passed over, and what it was meant to change would stay as it is.
  precondition {
    condition     = length(setsubtract(keys(var.installation), module.platform.installation_fields)) == 0
    error_message = "The installation has no field ${join(", ", setsubtract(keys(var.installation), module.platform.installation_fields))}."
  }
}
