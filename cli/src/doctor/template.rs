//! Every function of a SAM or CloudFormation template.

use super::function::Function;
use super::layer::{Declared, KnownLayers, Layer};
use super::node::{Node, Place, Value};
use super::permissions::Permissions;
use super::resolve::Resolver;

const SAM_FUNCTION: &str = "AWS::Serverless::Function";
const PLAIN_FUNCTION: &str = "AWS::Lambda::Function";
const LAYERS: [&str; 2] = ["AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion"];
/// Lists of a function that the template's `Globals` add to; other members of theirs are defaults.
const ADDED: &[&str] = &["Layers"];

/// The functions in their order.
pub(super) fn functions(
    template: &Node,
    parameters: &[(String, String)],
    known: &KnownLayers,
) -> Vec<Function> {
    let resolver = Resolver::new(template, parameters);
    let mut resources = Resources {
        known: known.clone(),
        all: template
            .member("Resources")
            .map(|resources| resolver.resolve(resources))
            .map(|resources| resources.members().to_vec())
            .unwrap_or_default(),
        globals: template
            .at(&["Globals", "Function"])
            .map(|globals| resolver.resolve(globals)),
    };
    let declared = resources.layers();
    resources.known.declared.extend(declared);
    let functions = resources.all.iter().filter_map(|(id, resource)| {
        let kind = resource.member("Type")?.known()?;
        match kind {
            SAM_FUNCTION => Some(resources.sam_function(id, resource)),
            PLAIN_FUNCTION => Some(resources.plain_function(id, resource)),
            _ => None,
        }
    });
    functions.collect()
}

struct Resources {
    known: KnownLayers,
    all: Vec<(String, Node)>,
    globals: Option<Node>,
}

impl Resources {
    fn of_kind<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = &'a (String, Node)> {
        self.all.iter().filter(|(_, resource)| {
            let kind = resource.member("Type").and_then(Node::known);
            kind.is_some_and(|kind| kinds.contains(&kind))
        })
    }

    fn layers(&self) -> Vec<Declared> {
        let declared = self.of_kind(&LAYERS).map(|(id, resource)| {
            let name = resource.at(&["Properties", "LayerName"]).map(Node::hint);
            let built = resource
                .at(&["Metadata", "BuildArchitecture"])
                .or_else(|| resource.at(&["Properties", "CompatibleArchitectures"]));
            let known: Vec<String> = built
                .map(|list| list.elements().iter().filter_map(Node::known))
                .map(|names| names.map(str::to_owned).collect())
                .unwrap_or_default();
            Declared {
                key: id.clone(),
                name: name.unwrap_or_else(|| id.clone()),
                architectures: Some(known).filter(|known| !known.is_empty()),
            }
        });
        declared.collect()
    }

    fn plain_function(&self, id: &str, resource: &Node) -> Function {
        let properties = properties_of(resource);
        let mut function = self.function(id, &properties);
        function.permissions = match &function.role {
            Some(role) => self.role_permissions(role),
            None => Permissions::default(),
        };
        function
    }

    fn sam_function(&self, id: &str, resource: &Node) -> Function {
        let properties = match &self.globals {
            Some(globals) => merged(globals, &properties_of(resource)),
            None => properties_of(resource),
        };
        let mut function = self.function(id, &properties);
        function.tracing = properties.member("Tracing").cloned();
        function.permissions = match &function.role {
            Some(role) => self.role_permissions(role),
            None => {
                let place = properties
                    .member("Policies")
                    .map_or_else(|| properties.place.clone(), |policies| policies.place.clone());
                let mut permissions = Permissions::told_at(&place);
                if let Some(policies) = properties.member("Policies") {
                    permissions.add(policies);
                }
                if function.is_active() == Some(true) {
                    // SAM adds it to the role that it makes.
                    permissions.add(&Node::text(place, "AWSXrayWriteOnlyAccess"));
                }
                permissions
            }
        };
        function
    }

    fn function(&self, id: &str, properties: &Node) -> Function {
        let mut function = Function::new(id.to_owned(), properties);
        function.is_written = true;
        let layers = properties.member("Layers");
        function.layers = layers
            .map(|layers| {
                let elements = layers.elements().iter();
                elements.map(|node| Layer::new(node, &self.known)).collect()
            })
            .unwrap_or_default();
        function.has_egress = self.has_egress();
        function
    }

    /// A NAT gateway, or an endpoint for X-Ray.
    fn has_egress(&self) -> bool {
        let mut endpoints = self.of_kind(&["AWS::EC2::VPCEndpoint"]);
        let is_for_xray = |(_, endpoint): &(String, Node)| {
            let name = endpoint.at(&["Properties", "ServiceName"]).map(Node::hint);
            name.is_some_and(|name| name.contains("xray"))
        };
        endpoints.any(is_for_xray) || self.of_kind(&["AWS::EC2::NatGateway"]).next().is_some()
    }

    /// The policies of a role of the template, attached in it or to it.
    fn role_permissions(&self, role: &Node) -> Permissions {
        let referred = ["Fn::GetAtt", "Ref"].iter().find_map(|key| role.member(key));
        let id = referred.map(|node| node.elements().first().map_or_else(String::new, Node::hint));
        let found = self
            .of_kind(&["AWS::IAM::Role"])
            .find(|(known, _)| Some(known) == id.as_ref());
        let Some((id, resource)) = found else {
            return Permissions::default();
        };
        let mut permissions = Permissions::told_at(&resource.place);
        for key in ["ManagedPolicyArns", "Policies"] {
            if let Some(policies) = resource.at(&["Properties", key]) {
                permissions.add(policies);
            }
        }
        let attached = [
            "AWS::IAM::Policy",
            "AWS::IAM::ManagedPolicy",
            "AWS::IAM::RolePolicy",
        ];
        for (_, policy) in self.of_kind(&attached) {
            let roles = ["Roles", "RoleName"].map(|key| policy.at(&["Properties", key]));
            let is_of_role = roles
                .iter()
                .flatten()
                .flat_map(|roles| roles.elements())
                .any(|role| role.member("Ref").and_then(Node::known) == Some(id));
            if let Some(document) = policy
                .at(&["Properties", "PolicyDocument"])
                .filter(|_| is_of_role)
            {
                permissions.add(document);
            }
        }
        permissions
    }
}

fn properties_of(resource: &Node) -> Node {
    resource.member("Properties").cloned().unwrap_or_else(|| Node {
        place: Place {
            path: resource.place.member("Properties"),
            line: resource.place.line,
        },
        value: Value::Map(Vec::new()),
    })
}

/// A function's own properties over those of `Globals`, as SAM puts them together.
fn merged(globals: &Node, own: &Node) -> Node {
    let mut members = own.members().to_vec();
    for (key, global) in globals.members() {
        match members.iter_mut().find(|(known, _)| known == key) {
            None => members.push((key.clone(), global.clone())),
            Some((_, own)) if own.is_intrinsic() || global.is_intrinsic() => {}
            Some((_, own)) => match (&mut own.value, &global.value) {
                (Value::List(own), Value::List(more)) if ADDED.contains(&key.as_str()) => {
                    own.splice(0..0, more.iter().cloned());
                }
                (Value::Map(_), Value::Map(_)) => *own = merged(global, own),
                _ => {}
            },
        }
    }
    Node {
        place: own.place.clone(),
        value: Value::Map(members),
    }
}
