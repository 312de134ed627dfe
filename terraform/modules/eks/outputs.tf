output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}

output "cluster_arn" {
  description = "For conditions of policies."
  value       = aws_eks_cluster.this.arn
}

output "node_security_group_id" {
  description = "Nodes and pods belong to it; stores admit it."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "repository_urls" {
  description = "Where images and charts are pushed, by repository."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "repository_arns" {
  description = "The repositories, for the right to push."
  value       = [for repository in aws_ecr_repository.this : repository.arn]
}
