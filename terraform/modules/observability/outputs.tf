output "topic_arn" {
  description = "Where alarms go; more may listen."
  value       = aws_sns_topic.alarms.arn
}

output "metrics_workspace_arn" {
  description = "The workspace; null where there is none."
  value       = one(aws_prometheus_workspace.this[*].arn)
}

output "remote_write_url" {
  description = "Where a collector in the cluster writes the apps' metrics; null where there is no workspace."
  value       = one([for workspace in aws_prometheus_workspace.this : "${workspace.prometheus_endpoint}api/v1/remote_write"])
}
