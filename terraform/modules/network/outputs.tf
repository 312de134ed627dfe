output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "For nodes and pods, one a zone: they get out through NAT and are not reached from outside."
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "data_subnet_ids" {
  description = "For stores, one a zone: no route leads out of the network."
  value       = [for zone in var.availability_zones : aws_subnet.data[zone].id]
}

output "public_subnet_ids" {
  description = "For load balancers, one a zone."
  value       = [for zone in var.availability_zones : aws_subnet.public[zone].id]
}

output "nat_addresses" {
  description = "From where webhooks leave, for receivers that admit by address."
  value       = [for address in aws_eip.nat : address.public_ip]
}
