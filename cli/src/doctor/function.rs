//! A function's configuration, whatever form it came in: the API's answer, SAM or CloudFormation.

use super::layer::Layer;
use super::node::{Node, Place, Value};
use super::permissions::Permissions;

/// A function as the rules see it. What is not set is none, as Lambda's own default.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// Its name, or logical id in a template.
    pub(super) name: String,
    /// Where it begins.
    pub(super) place: Place,
    /// Whether it is written by hand: what is there is meant, what is missing is missing.
    pub(super) is_written: bool,
    /// A container image instead of a zip.
    pub(super) is_image: bool,
    pub(super) runtime: Option<Node>,
    pub(super) architecture: Option<Node>,
    pub(super) memory: Option<Node>,
    pub(super) timeout: Option<Node>,
    pub(super) storage: Option<Node>,
    pub(super) tracing: Option<Node>,
    pub(super) snap_start: Option<Node>,
    pub(super) capacity_provider: Option<Node>,
    pub(super) subnets: Option<Node>,
    pub(super) role: Option<Node>,
    /// Its region, if its ARN tells it.
    pub(super) region: Option<String>,
    /// Where layers are, or would be.
    pub(super) layers_place: Place,
    pub(super) layers: Vec<Layer>,
    /// Where variables are, or would be.
    pub(super) variables_place: Place,
    pub(super) variables: Vec<(String, Node)>,
    /// Why Lambda does not tell them: it could not decrypt them for whoever asked. There are none then.
    pub(super) variables_error: Option<Node>,
    pub(super) permissions: Permissions,
    /// A way out of the VPC is declared beside it: a NAT gateway, or an endpoint for X-Ray.
    pub(super) has_egress: bool,
}

/// Memory where nothing says otherwise, in MB.
pub(super) const MEMORY_DEFAULT: u64 = 128;
/// Timeout where nothing says otherwise, in seconds.
pub(super) const TIMEOUT_DEFAULT: u64 = 3;
/// Size of /tmp where nothing says otherwise, in MB.
pub(super) const STORAGE_DEFAULT: u64 = 512;
/// The architecture where nothing says otherwise.
pub(super) const ARCHITECTURE_DEFAULT: &str = "x86_64";

impl Function {
    /// From the members that the API, `AWS::Lambda::Function` and `AWS::Serverless::Function` have in common.
    pub(super) fn new(name: String, properties: &Node) -> Self {
        let at = |path: &[&str]| properties.at(path).cloned();
        let place = &properties.place;
        let below = |key: &str| Place {
            path: place.member(key),
            line: place.line,
        };
        let place_of = |key: &str| {
            properties
                .member(key)
                .map_or_else(|| below(key), |node| node.place.clone())
        };
        let is_image = at(&["PackageType"]).is_some_and(|kind| kind.known() == Some("Image"));
        let architectures = properties.member("Architectures");
        Self {
            name,
            place: place.clone(),
            is_written: false,
            is_image,
            runtime: at(&["Runtime"]),
            architecture: architectures.and_then(|list| list.elements().first().cloned()),
            memory: at(&["MemorySize"]),
            timeout: at(&["Timeout"]),
            storage: at(&["EphemeralStorage", "Size"]),
            tracing: at(&["TracingConfig", "Mode"]),
            snap_start: at(&["SnapStart", "ApplyOn"]).filter(|on| on.known() != Some("None")),
            capacity_provider: at(&["CapacityProviderConfig"]),
            subnets: at(&["VpcConfig", "SubnetIds"]).filter(|subnets| !subnets.elements().is_empty()),
            role: at(&["Role"]),
            region: at(&["FunctionArn"]).and_then(|arn| arn.known()?.split(':').nth(3).map(str::to_owned)),
            layers_place: place_of("Layers"),
            layers: Vec::new(),
            variables_place: place_of("Environment"),
            variables: at(&["Environment", "Variables"])
                .map(|variables| match variables.value {
                    Value::Map(members) => members,
                    _ => Vec::new(),
                })
                .unwrap_or_default(),
            variables_error: at(&["Environment", "Error"]),
            permissions: Permissions::default(),
            has_egress: false,
        }
    }

    /// A variable, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&Node> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found
            .map(|(_, node)| node)
            .filter(|node| node.known().is_none_or(|text| !text.trim().is_empty()))
    }

    /// The runtime's name, if it is known.
    pub(super) fn runtime_name(&self) -> Option<&str> {
        self.runtime.as_ref()?.known()
    }

    /// Whether Lambda ignores exec wrappers here: the runtime is the customer's own.
    pub(super) fn is_os_only(&self) -> bool {
        self.is_image
            || self
                .runtime_name()
                .is_some_and(|name| name.starts_with("provided"))
    }

    /// The architecture it runs on, if it is known.
    pub(super) fn architecture_name(&self) -> Option<&str> {
        self.architecture
            .as_ref()
            .map_or(Some(ARCHITECTURE_DEFAULT), Node::known)
    }

    /// Its memory in MB, if it is known.
    pub(super) fn memory_mb(&self) -> Option<u64> {
        self.memory.as_ref().map_or(Some(MEMORY_DEFAULT), Node::number)
    }

    /// Whether invocations that nobody decided about are traced; none if that is not known.
    pub(super) fn is_active(&self) -> Option<bool> {
        self.tracing
            .as_ref()
            .map_or(Some(false), |mode| mode.known().map(|mode| mode == "Active"))
    }

    /// Whether anything says that it is to be traced by this extension.
    pub(super) fn is_meant(&self) -> bool {
        let names_it = |node: &Node| node.hint().to_ascii_lowercase().contains("fluoroscope");
        self.layers.iter().any(|layer| layer.is_ours)
            || self.variables.iter().any(|(name, node)| {
                name.starts_with("FLUOROSCOPE_")
                    || name == "AWS_LAMBDA_EXEC_WRAPPER" && names_it(node)
                    || name == "AWS_XRAY_DAEMON_ADDRESS" && node.hint().contains("127.0.0.")
            })
    }
}
