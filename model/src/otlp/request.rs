//! An export request taken apart, and put together again.
//!
//! Spans travel on their own, each beside the resource and the scope it came with: bytes in, bytes out.

use super::protobuf::{Content, Damaged, Fields, Open, close, open, put_bytes, put_bytes_always};

/// Spans of one resource and one scope, as they stand in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Group<'a> {
    /// The resource's bytes; empty if there is none.
    pub resource: &'a [u8],
    /// The schema of the resource's attributes.
    pub resource_schema: &'a [u8],
    /// The scope's bytes; empty if there is none.
    pub scope: &'a [u8],
    /// The schema of the scope's and the spans' attributes.
    pub scope_schema: &'a [u8],
    spans: &'a [u8],
}

impl<'a> Group<'a> {
    /// A group of no spans yet: a resource and a scope, each with the schema of its attributes.
    pub fn around([resource, resource_schema]: [&'a [u8]; 2], [scope, scope_schema]: [&'a [u8]; 2]) -> Self {
        Self {
            resource,
            resource_schema,
            scope,
            scope_schema,
            spans: &[],
        }
    }

    /// Each span's bytes.
    pub fn spans(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        contents(self.spans, 2)
    }
}

/// The groups of a request. Nothing is copied and nothing kept, however many there are.
///
/// Empty groups are left out. Behind damage there are none.
pub fn groups(request: &[u8]) -> impl Iterator<Item = Group<'_>> {
    contents(request, 1).flat_map(|resource_spans| {
        let about = Group {
            resource: last(resource_spans, 1),
            resource_schema: last(resource_spans, 3),
            ..Group::default()
        };
        contents(resource_spans, 2).map(move |scope_spans| Group {
            scope: last(scope_spans, 1),
            scope_schema: last(scope_spans, 3),
            spans: scope_spans,
            ..about
        })
    })
}

/// Whether a request is whole, down to where its spans begin: what a caller is told who sent something else.
///
/// # Errors
/// [`Damaged`] if it is cut short or is something else.
pub fn check(request: &[u8]) -> Result<(), Damaged> {
    whole(request, &[1, 2])
}

/// Whether a message's fields are read to its end, and those on the path down to spans hold messages that are.
fn whole(message: &[u8], path: &[u32]) -> Result<(), Damaged> {
    for field in Fields::of(message) {
        let (number, content) = field?;
        if let [next, rest @ ..] = path
            && *next == number
        {
            let Content::Bytes(bytes) = content else {
                return Err(Damaged);
            };
            whole(bytes, rest)?;
        }
    }
    Ok(())
}

/// The contents of a message's fields of this number.
fn contents(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    Fields::of(message).filter_map(move |field| match field {
        Ok((found, Content::Bytes(bytes))) if found == number => Some(bytes),
        _ => None,
    })
}

/// The last one: what protobuf makes of a field that comes twice.
fn last(message: &[u8], number: u32) -> &[u8] {
    contents(message, number).last().unwrap_or_default()
}

/// A request that is being put together.
#[derive(Default)]
pub struct Writer {
    out: Vec<u8>,
    group: Option<(Open, Open)>,
}

impl Writer {
    /// Begins a group: what follows is of this resource and scope.
    pub fn begin(&mut self, group: &Group<'_>) {
        self.end();
        let resource = open(&mut self.out, 1);
        put_bytes(&mut self.out, 1, group.resource);
        put_bytes(&mut self.out, 3, group.resource_schema);
        let scope = open(&mut self.out, 2);
        put_bytes(&mut self.out, 1, group.scope);
        put_bytes(&mut self.out, 3, group.scope_schema);
        self.group = Some((resource, scope));
    }

    /// Writes a span into the group. Without a group it has neither resource nor scope.
    pub fn span(&mut self, span: &[u8]) {
        if self.group.is_none() {
            self.begin(&Group::default());
        }
        put_bytes_always(&mut self.out, 2, span);
    }

    /// The request.
    pub fn finish(mut self) -> Vec<u8> {
        self.end();
        self.out
    }

    fn end(&mut self) {
        if let Some((resource, scope)) = self.group.take() {
            close(&mut self.out, scope);
            close(&mut self.out, resource);
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a request of {} bytes", self.out.len())
    }
}
