locals {
  # As the chart names the keys of its Secret.
  platform_secrets = toset(["internal-service-secret", "admin-token", "api-key-secret", "webhook-encryption-key"])
}

module "key" {
  source = "../key"

  name        = var.name
  purpose     = "platform"
  description = "the installation's own secrets."
}

data "aws_secretsmanager_random_password" "platform" {
  for_each = local.platform_secrets

  password_length     = 64
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "platform" {
  name        = "${var.name}/platform"
  description = "Between the apps, the platform owner's token, and what keys and signing secrets are kept with."
  kms_key_id  = module.key.arn
  # With these lost, no stored API key can be checked and no signing secret read.
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "platform" {
  secret_id = aws_secretsmanager_secret.platform.id
  secret_string = jsonencode({
    for name in local.platform_secrets : name => data.aws_secretsmanager_random_password.platform[name].random_password
  })

  # The generator gives others each time that it is asked; the first are kept, and yours if you change them.
  lifecycle {
    ignore_changes = [secret_string]
  }
}
