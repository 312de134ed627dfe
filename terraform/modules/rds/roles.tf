locals {
  roles = merge([
    for app in var.apps : {
      for kind in ["owner", "service"] : "${app}_${kind}" => { app = app, database = "payflow_${app}" }
    }
  ]...)
}

data "aws_secretsmanager_random_password" "role" {
  for_each = local.roles

  password_length     = 40
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "role" {
  for_each = local.roles

  name        = "${var.name}/postgresql/${each.key}"
  description = "PostgreSQL's role ${each.key}."
  kms_key_id  = module.key.arn
}

resource "aws_secretsmanager_secret_version" "role" {
  for_each = local.roles

  secret_id = aws_secretsmanager_secret.role[each.key].id
  secret_string = jsonencode({
    host     = aws_db_instance.this.address
    port     = 5432
    database = each.value.database
    username = each.key
    password = data.aws_secretsmanager_random_password.role[each.key].random_password
    url = format(
      "postgres://%s:%s@%s:5432/%s?sslmode=verify-full",
      each.key,
      data.aws_secretsmanager_random_password.role[each.key].random_password,
      aws_db_instance.this.address,
      each.value.database,
    )
  })

  # The generator gives another password each time that it is asked; the first is kept.
  lifecycle {
    ignore_changes = [secret_string]
  }
}
