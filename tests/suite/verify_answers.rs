//! `docs/verify-on-aws.sh` with whatever AWS may answer: a stand-in for its CLI says it, word by word.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clients::desk::{Desk, Said, finish};
use crate::verify::documents;

use cases::CASES;

mod cases;

const ACCOUNT: &str = "111122223333";
const STACK_ID: &str = "arn:aws:cloudformation:eu-west-1:111122223333:stack/fluoroscope-verify/0f5e7a90-c1d2-11f0-8a6b-0e5c3f1b2a4d";
const ROOT: &str = "1-6b03a429-fdb54733bfe9a9dc060566bf";
const SENT: &str = "1-6b03a42a-fdb54733bfe9a9dc060566bf";

/// Answers each operation by the file of its name, invocations one after the other, and keeps what it was asked.
const STAND_IN: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/asked"
while [ "$1" = --profile ] || [ "$1" = --region ]; do shift 2; done
if [ "$1 $2" = "lambda invoke" ]; then
  number=$(($(cat "$HOME/invoked" 2> /dev/null || echo 0) + 1))
  echo "$number" > "$HOME/invoked"
  exec cp "$HOME/answer-$number" "$7"
fi
if [ -e "$HOME/$1-$2" ]; then . "$HOME/$1-$2"; fi
"#;

/// What the functions say in a sandbox as it is assumed, in the order in which they are invoked.
const ASSUMED: [&str; 8] = [
    "address=127.0.0.1:2000",
    "address=127.0.0.1:2000;tcp=free;udp=free;sampled=0",
    "address=127.0.0.1:2000;tcp=free;udp=free;lambdas=;root=1-6b03a429-fdb54733bfe9a9dc060566bf;sampled=1;d=1122334455667788;\
     p=1122334455667788;s=1122334455667788;w=aabbccddeeff0011;available=MemAvailable: 96352 kB;rmem=212992",
    "lambdas=0;sent=1-6b03a42a-fdb54733bfe9a9dc060566bf",
    "sampled=1;d=2233445566778899;callee_p=2233445566778899;callee_s=none",
    "first=200;again=200;configured=256;total=233",
    "wall=2100;monotonic=2099",
    "address=127.0.0.1:2000",
];

/// An account that answers as it is told.
struct Account {
    desk: Desk,
    answers: Vec<String>,
}

impl Account {
    fn new(name: &str) -> Self {
        let desk = Desk::new(name, "http://127.0.0.1:1");
        desk.write("bin/aws", STAND_IN);
        let account = Self {
            desk,
            answers: ASSUMED.iter().map(|facts| (*facts).to_owned()).collect(),
        };
        account.on("sts-get-caller-identity", &format!("echo {ACCOUNT}"));
        account.on(
            "configure-list",
            "echo '    region                eu-west-1              env    AWS_REGION'",
        );
        account.refuses("cloudformation-describe-stacks", "(ValidationError) when calling the DescribeStacks operation: Stack with id fluoroscope-verify does not exist");
        account.on("cloudformation-create-stack", &format!("echo {STACK_ID}"));
        account.on("xray-batch-get-traces", "cat \"$HOME/trace$4\" 2> /dev/null || :");
        account.keeps(ROOT, &[segment("AWS::Lambda"), segment("AWS::Lambda::Function")]);
        let mut sent = segment("AWS::Lambda::Function");
        sent["annotations"] = json!({"fluoroscope_probe": true});
        let mut other = segment("AWS::Lambda");
        other["annotations"] = json!({"aws:probe": true});
        account.keeps(SENT, &[sent, other]);
        account
    }

    /// What an operation does: shell.
    fn on(&self, operation: &str, does: &str) {
        self.desk.write(operation, does);
    }

    fn refuses(&self, operation: &str, error: &str) {
        self.on(
            operation,
            &format!("echo 'An error occurred {error}' >&2; exit 254"),
        );
    }

    /// The trace X-Ray has.
    fn keeps(&self, trace: &str, documents: &[Value]) {
        let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
        self.desk.write(&format!("trace{trace}"), documents.join("\t"));
    }

    /// Another fact in an invocation's answer.
    fn says(&mut self, invocation: usize, name: &str, value: &str) {
        let facts = self.answers[invocation]
            .split(';')
            .map(|fact| match fact.split_once('=') {
                Some((known, _)) if known == name => format!("{name}={value}"),
                _ => fact.to_owned(),
            });
        let facts = facts.collect::<Vec<_>>().join(";");
        assert_ne!(facts, self.answers[invocation], "{name} is {value:?} as it is");
        self.answers[invocation] = facts;
    }

    async fn verify(&self, words: &[&str]) -> Said {
        for (index, facts) in self.answers.iter().enumerate() {
            self.desk
                .write(&format!("answer-{}", index + 1), format!("\"{facts}\""));
        }
        let mut script = self.desk.program(documents("verify-on-aws.sh"));
        script
            .args(words)
            .env("VERIFY_ATTEMPTS", "1")
            .env("VERIFY_PAUSE", "0");
        finish(&mut script).await
    }

    /// Every call so far, a line each.
    fn asked(&self) -> Vec<String> {
        self.desk.read("asked").lines().map(str::to_owned).collect()
    }

    fn was_asked(&self, words: &str) -> bool {
        self.asked().iter().any(|call| call.contains(words))
    }
}

fn segment(origin: &str) -> Value {
    json!({"trace_id": ROOT, "id": "1122334455667788", "name": "probe", "origin": origin})
}

/// Each fact's verdict.
fn verdicts(said: &Said) -> BTreeMap<String, String> {
    let mut verdicts = BTreeMap::new();
    let mut number = "";
    for line in said.output.lines() {
        if line.starts_with('V') {
            number = line.split(' ').next().unwrap();
        }
        if ["as assumed", "NOT AS ASSUMED", "not seen"].contains(&line.trim()) {
            verdicts.insert(number.to_owned(), line.trim().to_owned());
        }
    }
    verdicts
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fact_is_judged_by_what_was_seen_of_it_and_by_nothing_else() {
    for (index, (says, change, otherwise)) in CASES.iter().enumerate() {
        let mut account = Account::new(&format!("verify-case-{index}"));
        change(&mut account);
        let said = account.verify(&["--yes"]).await;
        let mut expected: BTreeMap<String, String> = verdicts(&said)
            .into_keys()
            .map(|number| (number, "as assumed".to_owned()))
            .collect();
        assert!(expected.len() >= 9, "{says}: {}\n{}", said.output, said.errors);
        for fact in *otherwise {
            let (number, verdict) = fact.split_once(' ').unwrap();
            let verdict = if verdict == "no" {
                "NOT AS ASSUMED"
            } else {
                "not seen"
            };
            expected.insert(number.to_owned(), verdict.to_owned());
        }
        assert_eq!(verdicts(&said), expected, "{says}: {}", said.output);
        assert_eq!(
            said.code,
            Some(i32::from(!otherwise.is_empty())),
            "{says}: {}",
            said.errors
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_aws_does_not_say_that_there_is_no_such_stack_none_is_made_or_deleted() {
    for error in [
        "(Throttling) when calling the DescribeStacks operation: Rate exceeded",
        "(AccessDenied) when calling the DescribeStacks operation: not authorized; the policy does not exist",
    ] {
        let account = Account::new("verify-throttled");
        account.refuses("cloudformation-describe-stacks", error);
        let said = account.verify(&["--yes"]).await;
        assert_eq!(said.code, Some(2), "{}", said.output);
        assert!(
            said.errors.contains("could not be told") && said.errors.contains(error),
            "{}",
            said.errors
        );
        assert!(
            !account.was_asked("create-stack") && !account.was_asked("delete-stack"),
            "{:?}",
            account.asked()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_somebody_else_made_in_between_is_not_deleted() {
    let account = Account::new("verify-overtaken");
    account.refuses("cloudformation-create-stack", "(AlreadyExistsException) when calling the CreateStack operation: Stack [fluoroscope-verify] already exists");
    let said = account.verify(&["--yes"]).await;
    assert_eq!(said.code, Some(2), "{}", said.output);
    assert!(said.errors.contains("is left alone"), "{}", said.errors);
    assert!(!account.was_asked("delete-stack"), "{:?}", account.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_is_deleted_by_its_id() {
    let account = Account::new("verify-by-id");
    let said = account.verify(&["--yes"]).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let deletions: Vec<String> = account
        .asked()
        .into_iter()
        .filter(|call| call.contains("delete"))
        .collect();
    assert_eq!(
        deletions,
        [
            format!("--region eu-west-1 cloudformation delete-stack --stack-name {STACK_ID}"),
            format!("--region eu-west-1 cloudformation wait stack-delete-complete --stack-name {STACK_ID}"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_interrupted_while_it_makes_the_stack_deletes_it() {
    let account = Account::new("verify-making");
    // Its parent is the subshell that waits for the answer, whose parent is the script.
    account.on(
        "cloudformation-create-stack",
        &format!("kill -TERM \"$(cut -d ' ' -f 4 \"/proc/$PPID/stat\")\"\nkill -TERM $$\necho {STACK_ID}"),
    );
    let said = account.verify(&["--yes"]).await;
    assert_eq!(said.code, Some(2), "{}\n{}", said.output, said.errors);
    assert!(
        account.was_asked(&format!("delete-stack --stack-name {STACK_ID}")),
        "{:?}",
        account.asked()
    );
    assert!(!account.was_asked("lambda invoke"), "{:?}", account.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_and_region_are_words_of_every_call_and_told_before_the_question() {
    let account = Account::new("verify-profile");
    let words = ["--profile", "work", "--region", "eu-north-1"];
    let said = account.verify(&[&words[..], &["--run"]].concat()).await;
    assert_eq!(said.code, Some(2), "{}", said.errors);
    let (told, _) = said.output.split_once("Go on?").unwrap();
    assert!(told.contains("account 111122223333, region eu-north-1"), "{told}");
    assert!(
        account
            .asked()
            .iter()
            .all(|call| call.contains("get-caller-identity")),
        "{:?}",
        account.asked()
    );
    let said = account.verify(&[&words[..], &["--yes"]].concat()).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let asked = account.asked();
    assert!(asked.len() > 10, "{asked:?}");
    assert!(
        asked
            .iter()
            .all(|call| call.starts_with("--profile work --region eu-north-1 ")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_words_the_region_of_the_cli_is_told_and_one_is_needed() {
    for (list, region) in [
        (
            "    region                eu-west-1              env    AWS_REGION",
            Some("eu-west-1"),
        ),
        (
            "region     : us-gov-west-1           : config-file     : ~/.aws/config",
            Some("us-gov-west-1"),
        ),
        (
            "    region                <not set>             None    None",
            None,
        ),
        (
            "region     : <not set>                : None           : None",
            None,
        ),
    ] {
        let account = Account::new("verify-region");
        account.on("configure-list", &format!("echo '{list}'"));
        let said = account.verify(&["--run"]).await;
        assert_eq!(said.code, Some(2), "{}", said.errors);
        match region {
            Some(region) => assert!(
                said.output
                    .contains(&format!("account {ACCOUNT}, region {region},")),
                "{}",
                said.output
            ),
            None => assert!(
                said.errors.contains("no region") && said.output.is_empty(),
                "{}",
                said.errors
            ),
        }
    }
    let account = Account::new("verify-nobody");
    account.refuses(
        "sts-get-caller-identity",
        "(ExpiredToken) when calling the GetCallerIdentity operation: expired",
    );
    let said = account.verify(&["--yes"]).await;
    assert_eq!(
        (said.code, said.output.as_str()),
        (Some(2), ""),
        "{}",
        said.errors
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_tried_if_one_is_given() {
    let layer = "arn:aws:lambda:eu-west-1:111122223333:layer:fluoroscope-x86_64:3";
    for (address, verdict, code) in [
        ("127.0.0.1:2000", "as assumed", 0),
        ("169.254.79.129:2000", "NOT AS ASSUMED", 1),
        ("", "not seen", 1),
    ] {
        let mut account = Account::new("verify-layer");
        let last = account.answers.len() - 1;
        account.answers[last] = format!("address={address}");
        let said = account.verify(&["--yes", "--layer", layer]).await;
        assert_eq!(said.code, Some(code), "{}", said.output);
        assert_eq!(verdicts(&said)["V18"], verdict, "{}", said.output);
        assert!(account.was_asked(&format!("ParameterKey=Layer,ParameterValue={layer}")));
        assert!(account.was_asked("--function-name fluoroscope-verify-wrapped"));
    }
    let account = Account::new("verify-no-layer");
    let said = account.verify(&["--yes"]).await;
    assert!(
        !account.was_asked("wrapped") && !verdicts(&said).contains_key("V18"),
        "{}",
        said.output
    );
}
