data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  # The provider's two major versions have other names for the region, and both have this one.
  region = data.aws_region.current.id

  # Whoever the account's policies let use it. Without this statement nobody could change the key again.
  account_statement = {
    Sid       = "Account"
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }
  logs_statement = {
    Sid       = "Logs"
    Effect    = "Allow"
    Principal = { Service = "logs.${local.region}.amazonaws.com" }
    Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    Resource  = "*"
    Condition = {
      ArnEquals = {
        "kms:EncryptionContext:aws:logs:arn" = [
          for group in sort(tolist(var.log_groups)) : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${group}"
        ]
      }
    }
  }
  publishers_statement = {
    Sid       = "Publishers"
    Effect    = "Allow"
    Principal = { Service = sort(tolist(var.publishers)) }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
  }
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: ${var.description}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  # Statements differ in their parts, so that they are written out before they are joined.
  policy = "{\"Version\":\"2012-10-17\",\"Statement\":[${join(",", concat(
    [jsonencode(local.account_statement)],
    length(var.log_groups) > 0 ? [jsonencode(local.logs_statement)] : [],
    length(var.publishers) > 0 ? [jsonencode(local.publishers_statement)] : [],
  ))}]}"
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-${var.purpose}"
  target_key_id = aws_kms_key.this.key_id
}
