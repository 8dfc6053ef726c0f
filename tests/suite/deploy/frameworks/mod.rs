//! Frameworks that npm installs, and the CloudFormation templates they make of the snippets.

mod cdk;
mod serverless;
