//! Intrinsic functions of a template, as far as they can be known without a deployment: parameters by their defaults,
//! conditions and mappings. What cannot be known stays the function it is.

use std::collections::BTreeMap;

use super::node::{Node, Value};

/// Conditions within conditions; CloudFormation refuses a cycle.
const CONDITION_DEPTH_MAX: usize = 16;

/// What a template's functions refer to.
pub(super) struct Resolver<'template> {
    parameters: BTreeMap<String, Value>,
    mappings: Option<&'template Node>,
    conditions: Option<&'template Node>,
}

impl<'template> Resolver<'template> {
    /// For a template whose parameters have these values, or else their defaults.
    pub(super) fn new(template: &'template Node, given: &[(String, String)]) -> Self {
        let declared = template.member("Parameters").map_or(&[][..], Node::members);
        let defaults = declared.iter().filter_map(|(name, parameter)| {
            let default = parameter.member("Default")?;
            // The default of an SSM parameter is a name, not a value.
            let is_plain = !parameter.member("Type")?.known()?.starts_with("AWS::SSM::");
            let is_list = parameter.member("Type")?.known()?.contains("List");
            is_plain.then(|| (name.clone(), split_if(is_list, default)))
        });
        let mut parameters: BTreeMap<String, Value> = defaults.collect();
        for (name, value) in given {
            let declaration = declared.iter().find(|(declared, _)| declared == name);
            let declared_type = declaration.and_then(|(_, parameter)| parameter.member("Type")?.known());
            let is_list = declared_type.is_some_and(|kind| kind.contains("List"));
            let place = declaration
                .map(|(_, parameter)| parameter.place.clone())
                .unwrap_or_default();
            parameters.insert(
                name.clone(),
                split_if(is_list, &Node::text(place, value.as_str())),
            );
        }
        Self {
            parameters,
            mappings: template.member("Mappings"),
            conditions: template.member("Conditions"),
        }
    }

    /// `node` with everything known put in its place. Members that are `AWS::NoValue` are null.
    pub(super) fn resolve(&self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Null | Value::Text(_) => node.value.clone(),
            Value::List(elements) => {
                let elements = elements.iter().map(|element| self.resolve(element));
                Value::List(elements.filter(|element| element.value != Value::Null).collect())
            }
            Value::Map(members) => match self.function(node) {
                Some(value) => value,
                None => Value::Map(
                    members
                        .iter()
                        .map(|(key, member)| (key.clone(), self.resolve(member)))
                        .collect(),
                ),
            },
        };
        Node {
            place: node.place.clone(),
            value,
        }
    }

    /// The value of an intrinsic function, if it can be known.
    fn function(&self, node: &Node) -> Option<Value> {
        let [(function, argument)] = node.members() else {
            return None;
        };
        match function.as_str() {
            "Ref" => self.reference(argument.known()?),
            "Fn::If" => {
                let [condition, yes, no] = argument.elements() else {
                    return None;
                };
                let branch = match self.condition(condition.known()?, 0)? {
                    true => yes,
                    false => no,
                };
                Some(self.resolve(branch).value)
            }
            "Fn::Sub" => self.substituted(argument),
            "Fn::Join" => {
                let [by, list] = argument.elements() else {
                    return None;
                };
                let list = self.resolve(list);
                let parts: Option<Vec<&str>> = list.elements().iter().map(Node::known).collect();
                Some(Value::Text(parts?.join(by.known()?)))
            }
            "Fn::FindInMap" => {
                let keys: Vec<Node> = argument.elements().iter().map(|key| self.resolve(key)).collect();
                let keys: Option<Vec<&str>> = keys.iter().map(Node::known).collect();
                Some(self.mappings?.at(&keys?)?.value.clone())
            }
            _ => None,
        }
    }

    fn reference(&self, name: &str) -> Option<Value> {
        match name {
            "AWS::NoValue" => Some(Value::Null),
            "AWS::Partition" => Some(Value::Text("aws".to_owned())),
            name => self.parameters.get(name).cloned(),
        }
    }

    /// `${Name}` of parameters put in; with any other left the text is not known.
    fn substituted(&self, argument: &Node) -> Option<Value> {
        let (text, own) = match argument.elements() {
            [text] => (text.known()?, None),
            [text, own] => (text.known()?, Some(self.resolve(own))),
            _ => return None,
        };
        let mut pieces = text.split("${");
        let mut whole = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}')?;
            if let Some(literal) = name.strip_prefix('!') {
                whole.push_str(&format!("${{{literal}}}"));
            } else {
                let own = own
                    .as_ref()
                    .and_then(|own| own.member(name))
                    .map(|node| &node.value);
                match own.cloned().or_else(|| self.reference(name)) {
                    Some(Value::Text(value)) => whole.push_str(&value),
                    _ => return None,
                }
            }
            whole.push_str(rest);
        }
        Some(Value::Text(whole))
    }

    /// Whether the condition `name` holds, if that can be known.
    fn condition(&self, name: &str, depth: usize) -> Option<bool> {
        self.holds(self.conditions?.member(name)?, depth)
    }

    fn holds(&self, condition: &Node, depth: usize) -> Option<bool> {
        if depth > CONDITION_DEPTH_MAX {
            return None;
        }
        let [(function, argument)] = condition.members() else {
            return None;
        };
        let parts = || argument.elements().iter().map(|part| self.holds(part, depth + 1));
        match function.as_str() {
            "Condition" => self.condition(argument.known()?, depth + 1),
            "Fn::Not" => parts().next()?.map(|holds| !holds),
            "Fn::And" => parts().try_fold(true, |all, part| Some(all & part?)),
            "Fn::Or" => parts().try_fold(false, |any, part| Some(any | part?)),
            "Fn::Equals" => {
                let [left, right] = argument.elements() else {
                    return None;
                };
                let (left, right) = (self.resolve(left), self.resolve(right));
                Some(left.known()? == right.known()?)
            }
            _ => None,
        }
    }
}

/// The elements of a list parameter, which is written with commas.
fn split_if(is_list: bool, node: &Node) -> Value {
    match (is_list, node.known()) {
        (true, Some(text)) => {
            let elements = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::List(
                elements
                    .map(|part| Node::text(node.place.clone(), part))
                    .collect(),
            )
        }
        _ => node.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    const TEMPLATE: &str = "\
Parameters:
  Architecture: {Type: String, Default: arm64}
  Subnets: {Type: 'List<AWS::EC2::Subnet::Id>', Default: 'a, b'}
  Secret: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /name}
  Stage: {Type: String}
Mappings:
  Layer: {arm64: {Name: fluoroscope-arm64}}
Conditions:
  IsArm: !Equals [!Ref Architecture, arm64]
  IsNot: !Not [!Condition IsArm]
  IsProd: !Equals [!Ref Stage, prod]
  Both: !And [!Condition IsArm, !Not [!Condition IsNot]]
";

    #[track_caller]
    fn check(given: &[(&str, &str)], expression: &str, expected: &str) {
        let template = yaml::read(TEMPLATE).unwrap();
        let given: Vec<(String, String)> = given.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let node = yaml::read(&format!("x: {expression}")).unwrap();
        let resolved = Resolver::new(&template, &given).resolve(node.member("x").unwrap());
        let told = match &resolved.value {
            Value::Null => "null".to_owned(),
            Value::Map(_) => format!("unknown {}", resolved.hint()),
            _ => resolved.hint(),
        };
        assert_eq!(told, expected, "{expression}");
    }

    #[test]
    fn what_defaults_and_given_values_say_is_known() {
        check(&[], "!Ref Architecture", "arm64");
        check(&[("Architecture", "x86_64")], "!Ref Architecture", "x86_64");
        check(&[], "!Sub 'l-${Architecture}-${!Literal}'", "l-arm64-${Literal}");
        check(&[], "!Sub ['l-${A}', {A: !Ref Architecture}]", "l-arm64");
        check(&[], "!Join ['-', [l, !Ref Architecture]]", "l-arm64");
        check(
            &[],
            "!FindInMap [Layer, !Ref Architecture, Name]",
            "fluoroscope-arm64",
        );
        check(&[], "!If [IsArm, yes, no]", "yes");
        check(&[], "!If [IsNot, yes, no]", "no");
        check(&[], "!If [Both, yes, no]", "yes");
        check(&[("Stage", "prod")], "!If [IsProd, yes, no]", "yes");
        check(&[], "!Ref Subnets", "a b");
        check(&[], "!Ref 'AWS::NoValue'", "null");
        check(&[], "[a, !Ref 'AWS::NoValue']", "a");
    }

    #[test]
    fn what_only_a_deployment_knows_stays_what_it_is() {
        check(&[], "!Ref Table", "unknown Table");
        check(&[], "!Ref Stage", "unknown Stage");
        check(&[], "!Ref Secret", "unknown Secret");
        check(&[], "!If [IsProd, yes, no]", "unknown IsProd yes no");
        check(&[], "!Sub '${Table}-x'", "unknown ${Table}-x");
        check(&[], "!GetAtt Role.Arn", "unknown Role Arn");
    }

    #[test]
    fn conditions_that_go_in_circles_are_not_known() {
        let template = yaml::read("Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}").unwrap();
        let resolver = Resolver::new(&template, &[]);
        assert_eq!(resolver.condition("A", 0), None);
    }
}
