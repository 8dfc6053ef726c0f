//! Reads traces through the X-Ray API, unsigned.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Ids in one BatchGetTraces call.
const IDS_PER_CALL: usize = 5;
/// Pages followed before a list is taken as it is: an endpoint may never say that it is done.
const PAGES_MAX: usize = 1000;
/// How far back the last traces are looked for: the widest window that X-Ray answers for.
const WINDOW: Duration = Duration::from_secs(6 * 3600);
/// Clocks differ, and a trace may end while it is asked for.
const WINDOW_AHEAD: Duration = Duration::from_secs(60);
/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// One trace as the endpoint has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) documents: Vec<Value>,
}

/// Why there is nothing to draw.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("no endpoint to read from: name one with --endpoint URL or AWS_ENDPOINT_URL_XRAY")]
    NoEndpoint,
    #[error("the endpoint has no trace of the past {} hours", WINDOW.as_secs() / 3600)]
    NoTraces,
    #[error("could not ask {url}: {source}")]
    Unanswered { url: String, source: Box<ureq::Error> },
    #[error("{url} answered {status}: {said}")]
    Refused { url: String, status: u16, said: String },
    #[error("{url} answered with something that is not X-Ray's {member}")]
    Garbled { url: String, member: &'static str },
}

/// An X-Ray-compatible endpoint.
pub(super) struct Client {
    endpoint: String,
    agent: ureq::Agent,
}

impl Client {
    pub(super) fn new(endpoint: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_WAIT))
            .proxy(None)
            .build();
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }

    /// Ids of the last traces, the newest first.
    pub(super) fn last(&self, count: usize) -> Result<Vec<String>, ReadError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let end = now + WINDOW_AHEAD;
        let mut request = json!({
            "StartTime": end.saturating_sub(WINDOW).as_secs(),
            "EndTime": end.as_secs(),
            "TimeRangeType": "Event",
        });
        let mut ids = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.post("/TraceSummaries", &request)?;
            let summaries = self.list(&answer, "TraceSummaries")?;
            ids.extend(
                summaries
                    .iter()
                    .filter_map(|summary| summary.get("Id")?.as_str().map(str::to_owned)),
            );
            if ids.len() >= count || !follow(&mut request, &answer) {
                break;
            }
        }
        ids.truncate(count);
        Ok(ids)
    }

    /// The traces with these ids, in their order, and the ids that are not there.
    pub(super) fn traces(&self, ids: &[String]) -> Result<(Vec<Trace>, Vec<String>), ReadError> {
        let mut found: Vec<Trace> = Vec::new();
        for chunk in ids.chunks(IDS_PER_CALL) {
            let mut request = json!({"TraceIds": chunk});
            for _ in 0..PAGES_MAX {
                let answer = self.post("/Traces", &request)?;
                found.extend(self.list(&answer, "Traces")?.iter().filter_map(trace));
                if !follow(&mut request, &answer) {
                    break;
                }
            }
        }
        let (mut traces, mut missing) = (Vec::new(), Vec::new());
        for id in ids {
            match found.iter().position(|trace| same_id(&trace.id, id)) {
                Some(index) => traces.push(found.remove(index)),
                None => missing.push(id.clone()),
            }
        }
        Ok((traces, missing))
    }

    fn post(&self, path: &str, request: &Value) -> Result<Value, ReadError> {
        let url = format!("{}{path}", self.endpoint);
        let unanswered = |source: ureq::Error| ReadError::Unanswered {
            url: url.clone(),
            source: Box::new(source),
        };
        let mut response = self.agent.post(&url).send_json(request).map_err(unanswered)?;
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string().map_err(unanswered)?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if status == 200 {
            return Ok(answer);
        }
        let said = ["Message", "message"]
            .iter()
            .find_map(|member| answer.get(member)?.as_str());
        let said = said.unwrap_or("no reason").to_owned();
        Err(ReadError::Refused {
            url: self.endpoint.clone(),
            status,
            said,
        })
    }

    fn list<'a>(&self, answer: &'a Value, member: &'static str) -> Result<&'a Vec<Value>, ReadError> {
        let list = answer.get(member).and_then(Value::as_array);
        list.ok_or_else(|| ReadError::Garbled {
            url: self.endpoint.clone(),
            member,
        })
    }
}

/// Asks for the next page, if there is another one.
fn follow(request: &mut Value, answer: &Value) -> bool {
    let next = answer
        .get("NextToken")
        .filter(|next| next.as_str().is_some_and(|text| !text.is_empty()));
    let Some((next, request)) = next.zip(request.as_object_mut()) else {
        return false;
    };
    request.insert("NextToken".to_owned(), next.clone()).as_ref() != Some(next)
}

fn trace(trace: &Value) -> Option<Trace> {
    let id = trace.get("Id")?.as_str()?.to_owned();
    let segments = trace
        .get("Segments")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let document = |segment: &Value| {
        let text = segment.get("Document")?.as_str()?;
        // A document that cannot be read is drawn as one of which nothing is known.
        Some(serde_json::from_str(text).unwrap_or_default())
    };
    Some(Trace {
        id,
        documents: segments.filter_map(document).collect(),
    })
}

/// Ids may be asked for in W3C's form, and in either case.
fn same_id(held: &str, asked: &str) -> bool {
    let bare = |id: &str| {
        let id = id.to_ascii_lowercase();
        id.strip_prefix("1-").unwrap_or(&id).replace('-', "")
    };
    bare(held) == bare(asked)
}

#[cfg(test)]
mod tests {
    use backend::{Limits, Running, serve};

    use super::*;

    async fn with_traces(count: u32, limits: Limits) -> Running {
        let backend = serve("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let documents: Vec<String> = (1..=count)
            .map(|number| document(number, now).to_string())
            .collect();
        let url = backend.url();
        ask(move || Client::new(&url).post("/TraceSegments", &json!({"TraceSegmentDocuments": documents})))
            .await
            .unwrap();
        backend
    }

    fn id(number: u32) -> String {
        format!("1-67881233-{number:024x}")
    }

    fn document(number: u32, now: u64) -> Value {
        let start = now - 100 + u64::from(number);
        json!({"name": format!("n{number}"), "id": "000000000000000a", "trace_id": id(number),
               "start_time": start, "end_time": start + 1})
    }

    async fn ask<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(question).await.unwrap()
    }

    #[tokio::test]
    async fn traces_are_read_in_the_order_in_which_they_were_asked_for() {
        let backend = with_traces(7, Limits::default()).await;
        let url = backend.url();
        let w3c = id(2).split_off(2).replace('-', "").to_uppercase();
        let asked: Vec<String> = [6, 5, 4, 3, 99, 1].map(id).into_iter().chain([w3c]).collect();
        let (traces, missing) = ask(move || Client::new(&url).traces(&asked)).await.unwrap();
        let ids: Vec<String> = traces.iter().map(|trace| trace.id.clone()).collect();
        assert_eq!(ids, [6, 5, 4, 3, 1, 2].map(id));
        assert_eq!(missing, [id(99)]);
        assert_eq!(traces[0].documents[0]["name"], "n6");
    }

    #[tokio::test]
    async fn the_last_traces_are_found_over_several_pages() {
        let backend = with_traces(
            7,
            Limits {
                summaries_per_page: 2,
                ..Limits::default()
            },
        )
        .await;
        let url = backend.url();
        let last = ask(move || Client::new(&url).last(5)).await.unwrap();
        assert_eq!(last, [7, 6, 5, 4, 3].map(id));
        let url = backend.url();
        assert_eq!(ask(move || Client::new(&url).last(50)).await.unwrap().len(), 7);
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_reason() {
        let backend = with_traces(
            1,
            Limits {
                trace_ids_per_call_max: 0,
                ..Limits::default()
            },
        )
        .await;
        let url = backend.url();
        let refused = ask(move || Client::new(&url).traces(&[id(1)]))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("answered 400: TraceIds has 1 ids; at most 0 are allowed"),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_is_named() {
        let backend = with_traces(0, Limits::default()).await;
        let url = backend.url();
        backend.stop().await;
        let asked = url.clone();
        let error = ask(move || Client::new(&asked).last(1))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("could not ask {url}/TraceSummaries")),
            "{error}"
        );
    }

    #[test]
    fn a_token_that_repeats_ends_the_paging() {
        let mut request = json!({});
        assert!(follow(&mut request, &json!({"NextToken": "a"})));
        assert!(!follow(&mut request, &json!({"NextToken": "a"})));
        for last in [json!({}), json!({"NextToken": null}), json!({"NextToken": ""})] {
            assert!(!follow(&mut request, &last));
        }
    }
}
