//! Whether the extension is there at all, once, and can start.

use super::super::finding::Finding;
use super::super::layer::architecture_in;
use super::subject::Subject;

/// Layers that a function may have.
const LAYERS_MAX: usize = 5;
/// Runtimes on the first Amazon Linux, whose C library (2.17) is older than the one the extension is linked with (2.26).
const TOO_OLD: &[&str] = &[
    "provided",
    "go1.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "nodejs",
    "nodejs4.3",
    "nodejs6.10",
    "nodejs8.10",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "ruby2.5",
];

pub(super) fn missing(subject: &Subject<'_>) -> Vec<Finding> {
    let function = subject.function;
    if function.is_image || function.layers.iter().any(|layer| layer.is_ours) {
        return Vec::new();
    }
    if let Some(layer) = function.layers.iter().find(|layer| layer.is_open) {
        let what = format!(
            "whether the layer {} is Fluoroscope's is known to a deployment only",
            layer.name
        );
        return vec![
            Finding::warning(&layer.node.place, what)
                .why("none of the others is: if this is not, nothing receives the function's segments")
                .mend("give its value (`--parameter NAME=ARN`), or what its name has in it (`--layer-name TEXT`)"),
        ];
    }
    let what = match function.layers.len() {
        0 => "there is no layer",
        _ => "none of the layers has \"fluoroscope\" in its name",
    };
    let why = match subject.has_our_wrapper() {
        true => {
            "the wrapper /opt/fluoroscope is in the layer: without it the runtime cannot start and every invocation fails"
        }
        false => "nothing receives the function's segments at the address that it is given",
    };
    vec![
        Finding::error(&function.layers_place, what).why(why).mend(
            "add the ARN of the layer's version to Layers (`--layer-name TEXT` if yours has another name)",
        ),
    ]
}

pub(super) fn architecture(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(wanted) = subject.function.architecture_name() else {
        return Vec::new();
    };
    let ours = subject.function.layers.iter().filter(|layer| layer.is_ours);
    let mut findings = Vec::new();
    for layer in ours {
        let of_zip = subject
            .zip
            .and_then(|zip| zip.extensions.iter().find_map(|program| program.architecture));
        let built = match of_zip {
            Some(architecture) => vec![architecture.to_owned()],
            None => layer.architectures.clone().unwrap_or_default(),
        };
        if built.is_empty() || built.iter().any(|built| built == wanted) {
            continue;
        }
        let built = built.join(" and ");
        let mend = match architecture_in(&layer.name) {
            Some(named) => format!("attach {}", layer.name.replace(named, wanted)),
            None => format!("attach the layer that is built for {wanted}"),
        };
        findings.push(
            Finding::error(
                &layer.node.place,
                format!(
                    "the layer {} is built for {built}, the function runs on {wanted}",
                    layer.name
                ),
            )
            .why("the extension cannot be started there, and with it every invocation fails")
            .mend(format!("{mend}, or run the function on {built} (Architectures)")),
        );
    }
    findings
}

pub(super) fn twice(subject: &Subject<'_>) -> Vec<Finding> {
    let ours = subject.function.layers.iter().filter(|layer| layer.is_ours);
    let further = ours.skip(1).map(|layer| {
        Finding::error(
            &layer.node.place,
            format!("a second layer of Fluoroscope: {}", layer.name),
        )
        .why("Lambda refuses two versions of one layer, and of two layers the later one's program replaces the earlier one's")
        .mend("keep the one whose architecture is the function's; in a SAM template look into Globals as well")
    });
    further.collect()
}

pub(super) fn count(subject: &Subject<'_>) -> Vec<Finding> {
    let count = subject.function.layers.len();
    if count <= LAYERS_MAX {
        return Vec::new();
    }
    vec![
        Finding::error(
            &subject.function.layers_place,
            format!("{count} layers, of at most {LAYERS_MAX}"),
        )
        .why("Lambda refuses the configuration")
        .mend("put several layers' content into one, or leave one out"),
    ]
}

pub(super) fn zip(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(zip) = subject.zip else { return Vec::new() };
    let place = &subject.function.layers_place;
    let mend = "use the zip that `cargo xtask layer` writes, as it is";
    let mut findings = Vec::new();
    if !zip
        .extensions
        .iter()
        .any(|program| program.name == "extensions/fluoroscope")
    {
        findings.push(
            Finding::error(place, format!("{} has no extensions/fluoroscope", zip.path))
                .why("Lambda starts what lies in extensions/ at the root of the zip, and nothing else")
                .mend(mend),
        );
    }
    for program in &zip.extensions {
        if !program.is_executable {
            findings.push(
                Finding::error(place, format!("{} in {} is not executable", program.name, zip.path))
                    .why("Lambda tries to start every file in extensions/, and the function fails with the one that cannot be")
                    .mend(mend),
            );
        }
    }
    if subject.has_our_wrapper() && !zip.wrapper.as_ref().is_some_and(|wrapper| wrapper.is_executable) {
        findings.push(
            Finding::error(
                place,
                format!("{} has no executable fluoroscope at its root", zip.path),
            )
            .why("AWS_LAMBDA_EXEC_WRAPPER names it: the runtime cannot start without it")
            .mend(mend),
        );
    }
    findings
}

pub(super) fn image(subject: &Subject<'_>) -> Vec<Finding> {
    let function = subject.function;
    if !function.is_image {
        return Vec::new();
    }
    if function.layers.is_empty() {
        return vec![
            Finding::note(
                &function.place,
                "a container image: what it holds is not seen here",
            )
            .why("images have no layers; the extension has to be in the image itself")
            .mend("COPY the extension to /opt/extensions/fluoroscope in the Dockerfile (docs/deploy.md)"),
        ];
    }
    vec![
        Finding::error(&function.layers_place, "layers on a container image")
            .why("Lambda refuses the configuration")
            .mend("remove Layers, and COPY the extension to /opt/extensions/fluoroscope in the Dockerfile"),
    ]
}

pub(super) fn runtime_too_old(subject: &Subject<'_>) -> Vec<Finding> {
    let runtime = subject.function.runtime.as_ref();
    let old = runtime.and_then(|node| Some((node, node.known()?)));
    let Some((node, name)) = old.filter(|(_, name)| TOO_OLD.contains(name)) else {
        return Vec::new();
    };
    vec![
        Finding::error(&node.place, format!("{name} runs on the first Amazon Linux"))
            .why("its C library is older than 2.26, which the extension needs: it cannot start, and every invocation fails")
            .mend("move the function to a runtime on Amazon Linux 2 or 2023, such as provided.al2023"),
    ]
}
