//! A layer of a function, and what its name or declaration tells of it.

use super::node::Node;

/// A layer as a function lists it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// The element of the list.
    pub(super) node: Node,
    /// Name out of the ARN, the template's `LayerName`, or what can be read of either.
    pub(super) name: String,
    /// Architectures it is for; none if that is not known.
    pub(super) architectures: Option<Vec<String>>,
    /// Whether it is this extension's.
    pub(super) is_ours: bool,
    /// Whether only a deployment knows which one it is.
    pub(super) is_open: bool,
}

/// What is known of a layer that is declared somewhere else: in the template, or in an answer of the API.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// Logical id, or ARN of the version.
    pub(super) key: String,
    /// Its name.
    pub(super) name: String,
    /// Architectures it is for; none if that is not known.
    pub(super) architectures: Option<Vec<String>>,
}

/// What is known of layers beside a function's list of them.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownLayers {
    /// Layers declared somewhere else.
    pub(super) declared: Vec<Declared>,
    /// What names this extension's, in lower case.
    pub(super) mark: String,
}

impl Layer {
    /// From an element of a function's list: an ARN, `{Arn: …}`, or a reference to a resource of the template.
    pub(super) fn new(node: &Node, known: &KnownLayers) -> Self {
        let hint = node.member("Arn").unwrap_or(node).hint();
        let reference = ["Ref", "Fn::GetAtt"].iter().find_map(|key| node.member(key));
        let resource = reference.map(|node| node.elements().first().map_or_else(String::new, Node::hint));
        let declaration = known.declared.iter().find(|layer| {
            resource.as_ref() == Some(&layer.key) || layer.key == hint || is_version_of(layer, &hint)
        });
        let name = declaration
            .map(|layer| layer.name.clone())
            .or_else(|| name_in_arn(&hint).map(str::to_owned))
            .unwrap_or(hint);
        let architectures = declaration
            .and_then(|layer| layer.architectures.clone())
            .or_else(|| architecture_in(&name).map(|found| vec![found.to_owned()]));
        let is_ours = name.to_ascii_lowercase().contains(&known.mark)
            || resource.is_some_and(|id| id.to_ascii_lowercase().contains(&known.mark));
        Self {
            is_open: node.is_intrinsic() && declaration.is_none(),
            node: node.clone(),
            name,
            architectures,
            is_ours,
        }
    }
}

/// Whether `arn` is this layer's, whatever its version.
fn is_version_of(known: &Declared, arn: &str) -> bool {
    let whole = |arn: &str| arn.rsplit_once(':').map(|(layer, _)| layer.to_owned());
    known.key.starts_with("arn:") && whole(&known.key).is_some_and(|layer| whole(arn) == Some(layer))
}

/// The name in `arn:aws:lambda:eu-west-1:111122223333:layer:name:7`.
fn name_in_arn(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once(":layer:")?;
    Some(rest.split(':').next().unwrap_or(rest))
}

/// The architecture that a name ends with or holds, as is the custom.
pub(super) fn architecture_in(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match (
        has(&["arm64", "aarch64"]),
        has(&["x86_64", "x86-64", "x86", "amd64", "x64"]),
    ) {
        (true, false) => Some("arm64"),
        (false, true) => Some("x86_64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layer(json: &serde_json::Value, declared: &[Declared]) -> Layer {
        let known = KnownLayers {
            declared: declared.to_vec(),
            mark: "fluoroscope".to_owned(),
        };
        Layer::new(&Node::from_json(String::new(), json), &known)
    }

    #[test]
    fn a_layer_is_known_by_its_arn_its_name_or_its_declaration() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:layer:fluoroscope-arm64:7";
        for json in [json!(arn), json!({"Arn": arn, "CodeSize": 1})] {
            let layer = layer(&json, &[]);
            assert_eq!(layer.name, "fluoroscope-arm64");
            assert_eq!(layer.architectures, Some(vec!["arm64".to_owned()]));
            assert!(layer.is_ours);
        }
        let declared = [
            Declared {
                key: "Tracing".to_owned(),
                name: "fluoroscope".to_owned(),
                architectures: Some(vec!["x86_64".to_owned()]),
            },
            Declared {
                key: "arn:aws:lambda:eu-west-1:111122223333:layer:other:1".to_owned(),
                name: "other".to_owned(),
                architectures: None,
            },
        ];
        let tracing = layer(&json!({"Ref": "Tracing"}), &declared);
        assert!(tracing.is_ours);
        assert_eq!(tracing.architectures, Some(vec!["x86_64".to_owned()]));
        let other = layer(
            &json!("arn:aws:lambda:eu-west-1:111122223333:layer:other:2"),
            &declared,
        );
        assert_eq!((other.name.as_str(), other.is_ours), ("other", false));
        let unknown = layer(
            &json!({"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:1:layer:fluoroscope:3"}),
            &[],
        );
        assert!(unknown.is_ours && unknown.architectures.is_none());
        assert!(layer(&json!({"Ref": "FluoroscopeLayer"}), &[]).is_ours);
    }
}
