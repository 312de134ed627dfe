mock_provider "aws" {
  source = "../../mocks"
}

variables {
  region = "eu-central-1"
  installation = {
    availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    administrators     = { platform = "arn:aws:iam::111122223333:role/platform" }
    alarm_subscribers  = ["on-call@example.com"]
  }
}

run "a_zone_may_be_lost" {
  command = apply

  assert {
    condition     = output.chart_values == file("${path.module}/../../../examples/values/aws.yaml")
    error_message = "examples/values/aws.yaml is no longer what this renders: ${output.chart_values}"
  }
  assert {
    condition     = output.facts.has_standby && length(output.facts.nat_addresses) == 3
    error_message = "A standby with every commit, and a way out of each zone."
  }
  assert {
    condition     = yamldecode(output.chart_values).defaults.replicas == 3 && yamldecode(output.chart_values).defaults.topologySpread == "DoNotSchedule"
    error_message = "A pod of each app in each zone."
  }
  assert {
    condition     = output.facts.remote_write_url == "https://aps.example/workspaces/ws-1/api/v1/remote_write"
    error_message = "A place for the apps' metrics."
  }
}

run "refuses_a_field_that_is_not_known" {
  command = plan
  variables {
    installation = merge(var.installation, { api_acess_cidrs = ["198.51.100.7/32"] })
  }
  expect_failures = [output.facts]
}
