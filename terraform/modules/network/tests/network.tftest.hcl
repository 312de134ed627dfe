mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "payflow-test"
  availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

run "three_zones_of_three_kinds_of_subnets_of_which_stores_are_closed" {
  command = apply

  assert {
    condition     = length(aws_subnet.public) == 3 && length(aws_subnet.private) == 3 && length(aws_subnet.data) == 3
    error_message = "Each zone has a public, a private and a data subnet."
  }
  assert {
    condition = length(distinct(concat(
      values(local.public_blocks), values(local.private_blocks), values(local.data_blocks)
    ))) == 9
    error_message = "Each subnet has addresses of its own."
  }
  assert {
    condition     = aws_subnet.private["eu-central-1a"].cidr_block == "10.40.0.0/19" && aws_subnet.public["eu-central-1c"].cidr_block == "10.40.104.0/22" && aws_subnet.data["eu-central-1a"].cidr_block == "10.40.128.0/22"
    error_message = "The blocks are cut as the README says."
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch == false])
    error_message = "No subnet gives out public addresses by itself."
  }

  # Each zone has its own way out.
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_route.out) == 3
    error_message = "A zone's outage must not cut the others off."
  }

  # Stores have no way out, and strangers no way in.
  assert {
    condition     = alltrue([for route in aws_route.out : route.route_table_id != aws_route_table.data.id]) && aws_route.to_internet.route_table_id != aws_route_table.data.id
    error_message = "The stores' table has no route out."
  }
  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "The default security group admits nothing."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoints : rule.from_port == 443 && rule.cidr_ipv4 != "0.0.0.0/0"])
    error_message = "Endpoints are reached by TLS from within alone."
  }

  # Traffic is recorded.
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow_log.kms_key_id == module.key.arn
    error_message = "All traffic is recorded, under a key of its own."
  }
}

run "one_way_out_for_all_where_that_is_wanted" {
  command = plan

  variables {
    nat_gateway_per_zone = false
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.out) == 3
    error_message = "All private subnets leave through the one gateway."
  }
}

run "refuses_public_addresses_two_zones_and_what_aws_does_not_have" {
  command = plan
  variables {
    cidr                    = "8.8.0.0/16"
    availability_zones      = ["eu-central-1a", "eu-central-1b"]
    name                    = "PayFlow_Production"
    flow_log_retention_days = 31
  }
  expect_failures = [var.cidr, var.availability_zones, var.name, var.flow_log_retention_days]
}

run "refuses_a_block_that_is_too_small_and_one_zone_three_times" {
  command = plan
  variables {
    cidr               = "10.0.0.0/24"
    availability_zones = ["eu-central-1a", "eu-central-1a", "eu-central-1a"]
  }
  expect_failures = [var.cidr, var.availability_zones]
}
