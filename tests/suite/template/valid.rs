//! The template is valid, what it becomes is right, and the judge tells where it is not.

use super::artifacts::{project, template};
use super::faults::faults;
use super::translated::{translate, translate_all};
use crate::clients::desk::{Desk, finish};
use crate::clients::tools;

/// Nothing in here asks AWS.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn sam_finds_nothing_to_say_against_the_template() {
    let desk = Desk::new("lint", NOBODY);
    let mut sam = desk.program(tools::sam_environment("python"));
    sam.args(["-m", "samcli", "validate", "--lint", "--template-file"]);
    sam.arg(project().join("template.yaml"))
        .env("SAM_CLI_TELEMETRY", "0");
    let said = finish(&mut sam).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);
}

#[tokio::test]
async fn what_the_template_becomes_is_traced_with_no_more_rights_than_that_takes() {
    let desk = Desk::new("translated", NOBODY);
    for architecture in ["x86_64", "arm64"] {
        let parameter = format!("Architecture={architecture}");
        let translated = translate(&desk, &project().join("template.yaml"), &[&parameter]).await;
        assert_eq!(faults(&translated), [""; 0], "{architecture}");
    }
}

#[tokio::test]
async fn a_wrong_template_is_told_by_what_is_wrong_with_it() {
    let desk = Desk::new("doctored", NOBODY);
    let right = template();
    let mut wrong = Vec::new();
    for (index, (from, to, _)) in DOCTORED.iter().enumerate() {
        let (name, text) = (format!("{index}.yaml"), right.replace(from, to));
        assert_ne!(text, right, "{from:?} is not in the template");
        desk.write(&name, text);
        wrong.push(desk.path(&name));
    }
    let translated = translate_all(&desk, &wrong, &[]).await;
    assert_eq!(translated.len(), DOCTORED.len());
    for (template, (from, to, told)) in translated.iter().zip(DOCTORED) {
        let faults = faults(template);
        assert!(
            faults.iter().any(|fault| fault.contains(told)),
            "{from:?} for {to:?}: {faults:?}"
        );
    }
}

/// A text of the template, what takes its place, and what the judge then has to say.
const DOCTORED: &[(&str, &str, &str)] = &[
    (
        "CompatibleArchitectures: [!Ref Architecture]",
        "CompatibleArchitectures: [x86_64]",
        "the layer is for [\"x86_64\"]",
    ),
    ("    Tracing: Active\n", "", "PythonFunction: tracing: null"),
    (
        "    Tracing: Active\n",
        "    Tracing: PassThrough\n",
        "NodeFunction: tracing: {\"Mode\":\"PassThrough\"}",
    ),
    (
        "    Layers: [!Ref FluoroscopeLayer]\n",
        "",
        "RustFunction: layers: null",
    ),
    (
        "          AWS_LAMBDA_EXEC_WRAPPER: /opt/fluoroscope\n",
        "",
        "NodeFunction: exec wrapper: null",
    ),
    (
        "/opt/fluoroscope\n",
        "/opt/extensions/fluoroscope\n",
        "PythonFunction: exec wrapper",
    ),
    (
        "          AWS_XRAY_DAEMON_ADDRESS: 127.0.0.1:2000\n",
        "          X: x\n",
        "RustFunction: daemon's address: null",
    ),
    (
        "AWS_XRAY_DAEMON_ADDRESS: 127.0.0.1:2000",
        "AWS_LAMBDA_EXEC_WRAPPER: /opt/fluoroscope",
        "RustFunction: exec wrapper",
    ),
    (
        "    Architectures: [!Ref Architecture]\n",
        "",
        "PythonFunction: architecture: null",
    ),
    (
        "        FLUOROSCOPE_FLUSH: !Ref FlushPolicy\n",
        "",
        "RustFunction: flush policy: null",
    ),
    (
        "!If [HasXRayEndpoint, !Ref XRayEndpoint, !Ref AWS::NoValue]",
        "!Ref AWS::NoValue",
        "NodeFunction: where segments go",
    ),
    (
        "        FLUOROSCOPE_OUTBOUND: !Ref Outbound\n",
        "",
        "NodeFunction: outbound: null",
    ),
    (
        "!If [HasOtlpEndpoint, !Ref OtlpEndpoint, !Ref AWS::NoValue]",
        "!Ref AWS::NoValue",
        "NodeFunction: where spans go",
    ),
    (
        "!If [HasOtlpHeaders, !Ref OtlpHeaders, !Ref AWS::NoValue]",
        "!Ref AWS::NoValue",
        "NodeFunction: headers of spans",
    ),
    (
        "      RetentionInDays: !Ref LogRetentionDays\n",
        "",
        "NodeFunction: days its logs are kept: null",
    ),
    (
        "      Role: !GetAtt PythonRole.Arn\n",
        "",
        "PythonFunction: policies that others write",
    ),
    (
        "Action: dynamodb:PutItem",
        "Action: dynamodb:*",
        "PythonFunction: may do dynamodb:*",
    ),
    (
        "Action: dynamodb:PutItem",
        "NotAction: dynamodb:PutItem",
        "PythonFunction: a statement with NotAction",
    ),
    (
        "Resource: !GetAtt SelfiesTable.Arn",
        "Resource: \"*\"",
        "NodeFunction: may do [\"dynamodb:UpdateItem\"] to \"*\"",
    ),
    (
        "Action: [xray:PutTraceSegments, xray:PutTelemetryRecords, xray:PutSpans, xray:PutSpansForIndexing]",
        "Action: xray:PutTraceSegments",
        "RustFunction: may do [\"xray:PutTraceSegments\"] in X-Ray",
    ),
    (
        "xray:PutSpansForIndexing]",
        "xray:PutSpansForIndexing, xray:GetSamplingRules]",
        "in X-Ray, not",
    ),
    (
        "Service: lambda.amazonaws.com",
        "AWS: \"*\"",
        "others than Lambda may take its role",
    ),
    (
        "Runtime: nodejs22.x",
        "Runtime: python3.13",
        "not one function, but another number, in nodejs",
    ),
];
