//! Whether the platform's segments are there for every sampled invocation that ended and whose records came.

use std::collections::BTreeSet;

use emulator::What;

use crate::chaos::evidence::{Evidence, delivered};
use crate::chaos::plan::Plan;

/// Segments that each invocation has.
const ORIGINS: [&str; 2] = ["AWS::Lambda", "AWS::Lambda::Function"];

/// Segments that are missing, if there are more of them than documents that were given up.
pub(super) fn missing(plan: &Plan, evidence: &Evidence, lost: u64) -> Vec<String> {
    let present = present(evidence);
    let told = told(evidence);
    let requests = evidence.answers.iter().map(|answer| answer.request_id.as_str());
    let missing: Vec<(&str, &str)> = requests
        .filter(|request| told.contains(*request))
        .flat_map(|request| ORIGINS.map(|origin| (request, origin)))
        .filter(|(request, origin)| !present.contains(&((*request).to_owned(), (*origin).to_owned())))
        .collect();
    if u64::try_from(missing.len()).unwrap_or(u64::MAX) <= lost {
        return Vec::new();
    }
    vec![format!(
        "{} segments of the platform are missing with {lost} documents lost, in the style {:?}: {:?}",
        missing.len(),
        plan.id_style,
        missing.iter().take(8).collect::<Vec<_>>()
    )]
}

/// Requests with their segments, as the destination has them.
fn present(evidence: &Evidence) -> BTreeSet<(String, String)> {
    let mut present = BTreeSet::new();
    let documents = evidence.received.calls.iter().flat_map(|call| &call.documents);
    for document in documents.filter(|document| document.is_taken && document.text.contains("AWS::Lambda")) {
        let document: serde_json::Value = serde_json::from_str(&document.text).unwrap_or_default();
        let request = document["aws"]["request_id"].as_str();
        let origin = document["origin"].as_str();
        if let (Some(request), Some(origin)) = (request, origin) {
            present.insert((request.to_owned(), origin.to_owned()));
        }
    }
    present
}

/// Requests whose start and end were told to the extension before it was told to stop.
fn told(evidence: &Evidence) -> BTreeSet<String> {
    let (mut started, mut done, mut told) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut is_ending = false;
    for entry in &evidence.journal {
        match &entry.what {
            What::Delivered {
                body, status: 200, ..
            } if !is_ending => {
                started.extend(delivered(body, &["platform.start"]));
                done.extend(delivered(body, &["platform.runtimeDone", "platform.report"]));
                told.extend(started.intersection(&done).cloned());
            }
            What::ShutdownSent { .. } => is_ending = true,
            // Processes that come later know nothing of what these were told.
            What::Reset { .. } => {
                is_ending = false;
                started.clear();
                done.clear();
            }
            _ => {}
        }
    }
    told
}
