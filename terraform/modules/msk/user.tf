data "aws_secretsmanager_random_password" "user" {
  password_length     = 40
  exclude_punctuation = true
}

# MSK takes secrets whose names begin so, and whose key is not AWS's own.
resource "aws_secretsmanager_secret" "user" {
  name        = "AmazonMSK_${var.name}"
  description = "Kafka's user of the apps."
  kms_key_id  = module.key.arn
}

resource "aws_secretsmanager_secret_version" "user" {
  secret_id = aws_secretsmanager_secret.user.id
  secret_string = jsonencode({
    username = "payflow"
    password = data.aws_secretsmanager_random_password.user.random_password
  })

  # The generator gives another password each time that it is asked; the first is kept.
  lifecycle {
    ignore_changes = [secret_string]
  }
}

resource "aws_secretsmanager_secret_policy" "user" {
  secret_arn = aws_secretsmanager_secret.user.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Kafka"
      Effect    = "Allow"
      Principal = { Service = "kafka.amazonaws.com" }
      Action    = "secretsmanager:getSecretValue"
      Resource  = aws_secretsmanager_secret.user.arn
    }]
  })
}

resource "aws_msk_scram_secret_association" "user" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [aws_secretsmanager_secret.user.arn]

  depends_on = [aws_secretsmanager_secret_version.user, aws_secretsmanager_secret_policy.user]
}
