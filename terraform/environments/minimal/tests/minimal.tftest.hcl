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

run "it_is_the_least_that_keeps_its_promises" {
  command = apply

  assert {
    condition = output.chart_values == replace(replace(
      file("${path.module}/../../../examples/values/aws.yaml"),
      "replicas: 3", "replicas: 1"),
      "topologySpread: DoNotSchedule", "topologySpread: ScheduleAnyway"
    )
    error_message = "Nothing differs from examples/values/aws.yaml but how many pods there are and where: ${output.chart_values}"
  }
  assert {
    condition     = !output.facts.has_standby && length(output.facts.nat_addresses) == 1
    error_message = "One PostgreSQL and one way out: an outage of their zone is an outage."
  }
  assert {
    condition     = yamldecode(output.chart_values).defaults.replicas == 1 && yamldecode(output.chart_values).kafka.replication == 3
    error_message = "One pod an app; events are in three places all the same."
  }
  assert {
    condition     = output.facts.remote_write_url == null && output.facts.release_role_arn == null
    error_message = "No workspace for metrics, and nobody who may push images."
  }
}

run "refuses_a_field_that_is_not_known" {
  command = plan
  variables {
    installation = merge(var.installation, { api_acess_cidrs = ["198.51.100.7/32"] })
  }
  expect_failures = [output.facts]
}
