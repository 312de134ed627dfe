terraform {
  required_version = ">= 1.11, < 2"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 7"
    }
  }

  # The bucket is yours: terraform init -backend-config=bucket=NAME -backend-config=region=REGION. A lock is an object
  # beside the state, so that no table is needed. The state holds the Redis users' and roles' passwords: the bucket is
  # encrypted, versioned and closed.
  backend "s3" {
    key          = "payflow/minimal.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Application = "payflow"
      Environment = "minimal"
      ManagedBy   = "terraform"
    }
  }
}
