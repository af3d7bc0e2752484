//! The published files: GET and HEAD with Range, validators, and caching for ever where the name
//! says what the content is. Any web server could do it; this one is there from the start.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Response, StatusCode, header};
use sanaga_proto::ids::Digest;
use sanaga_proto::limits;

use super::Api;
use super::range::{Part, part};
use super::reply::{self, Reply, empty, with};
use crate::repository::RepositoryError;

/// The longest name of a file, bytes: an offer between two trees has 129.
const NAME_BYTES_MAX: usize = 160;
/// Files whose content changes under their name are read whole; none is bigger, bytes.
const CHANGING_BYTES_MAX: u64 = limits::ASSIGNMENT_BYTES_MAX;
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The content never changes under this name.
    Fixed,
    /// It does.
    Changing,
}

/// GET and HEAD of `/v1/KIND/NAME`.
pub(super) async fn serve(
    State(api): State<Arc<Api>>,
    Path((folder, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Reply {
    let Some(kind) = kind(&folder, &name) else {
        return not_there();
    };
    let file = File {
        api: &api,
        path: format!("{folder}/{name}"),
        head: method == Method::HEAD,
        headers: &headers,
    };
    let reply = match kind {
        Kind::Fixed => file.fixed(&name).await,
        Kind::Changing => file.changing().await,
    };
    reply.unwrap_or_else(|error| reply::fault(&error))
}

fn kind(folder: &str, name: &str) -> Option<Kind> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let starts = name
        .bytes()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    if !starts || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return None;
    }
    match folder {
        "tuf" if name == "timestamp.json" => Some(Kind::Changing),
        "tuf" | "manifest" | "pack" => Some(Kind::Fixed),
        // An offer may give way to a better one between the same trees.
        "offer" | "assignment" | "hold" => Some(Kind::Changing),
        _ => None,
    }
}

/// A root that is not there yet will be: nobody may remember that it was not.
fn not_there() -> Reply {
    with(
        empty(StatusCode::NOT_FOUND),
        header::CACHE_CONTROL,
        "no-store",
    )
}

/// A file that is asked for.
struct File<'a> {
    api: &'a Api,
    path: String,
    head: bool,
    headers: &'a HeaderMap,
}

impl File<'_> {
    async fn fixed(&self, name: &str) -> Result<Reply, RepositoryError> {
        let repository = &self.api.context.repository;
        let Some(length) = repository.length(&self.path).await? else {
            return Ok(not_there());
        };
        let tag = format!("\"{name}\"");
        let (reply, range) = self.begin(&tag, FOR_EVER, length);
        let Some(range) = range.filter(|range| !self.head && range.start < range.end) else {
            return Ok(reply);
        };
        let Some(pieces) = repository.stream(&self.path, range).await? else {
            return Ok(not_there());
        };
        // A fault in the middle breaks the connection off, which the other side can see.
        let (head, _) = reply.into_parts();
        Ok(Response::from_parts(
            head,
            Body::from_stream(pieces.boxed()),
        ))
    }

    async fn changing(&self) -> Result<Reply, RepositoryError> {
        let repository = &self.api.context.repository;
        let Some(content) = repository.get(&self.path, CHANGING_BYTES_MAX).await? else {
            return Ok(not_there());
        };
        let tag = format!("\"{}\"", Digest::of(&content).short());
        let (reply, range) = self.begin(&tag, ASK_AGAIN, content.len() as u64);
        let Some(range) = range.filter(|_| !self.head) else {
            return Ok(reply);
        };
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
        let piece = content
            .get(at(range.start)..at(range.end))
            .unwrap_or_default();
        let (head, _) = reply.into_parts();
        Ok(Response::from_parts(
            head,
            Body::from(content.slice_ref(piece)),
        ))
    }

    /// The head of the answer, and which bytes belong to it.
    fn begin(
        &self,
        tag: &str,
        caching: &str,
        length: u64,
    ) -> (Reply, Option<std::ops::Range<u64>>) {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let (status, range) = if text(header::IF_NONE_MATCH).is_some_and(|tags| names(tags, tag)) {
            (StatusCode::NOT_MODIFIED, None)
        } else {
            // If-Range with another validator asks for the whole (RFC 9110 §13.1.5).
            let wanted = text(header::RANGE)
                .filter(|_| !self.head)
                .filter(|_| text(header::IF_RANGE).is_none_or(|known| known == tag));
            match part(wanted, length) {
                Part::Whole => (StatusCode::OK, Some(0..length)),
                Part::Some(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
                Part::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
            }
        };
        let mut reply = with(empty(status), header::ETAG, tag);
        reply = with(reply, header::CACHE_CONTROL, caching);
        if status == StatusCode::OK {
            reply = with(reply, header::ACCEPT_RANGES, "bytes");
        }
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            reply = with(reply, header::CONTENT_RANGE, &format!("bytes */{length}"));
        }
        if let Some(range) = &range {
            if status == StatusCode::PARTIAL_CONTENT {
                let last = range.end.saturating_sub(1);
                let shown = format!("bytes {}-{last}/{length}", range.start);
                reply = with(reply, header::CONTENT_RANGE, &shown);
            }
            let bytes = range.end.saturating_sub(range.start);
            reply = with(reply, header::CONTENT_LENGTH, &bytes.to_string());
        }
        (reply, range)
    }
}

/// Whether an If-None-Match header names this validator.
fn names(tags: &str, tag: &str) -> bool {
    tags.trim() == "*"
        || tags
            .split(',')
            .any(|known| known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_published_names_are_paths() {
        assert_eq!(kind("tuf", "3.root.json"), Some(Kind::Fixed));
        assert_eq!(kind("tuf", "timestamp.json"), Some(Kind::Changing));
        assert_eq!(kind("hold", "all"), Some(Kind::Changing));
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a%2fb",
            "a#1",
            "é",
            "a\0",
            long.as_str(),
        ] {
            assert_eq!(kind("pack", bad), None, "{bad}");
        }
        for bad in ["", "keys", "..", "v1", "TUF"] {
            assert_eq!(kind(bad, "name"), None, "{bad}");
        }
    }

    #[test]
    fn validators_are_compared_weakly_in_lists() {
        assert!(names("\"a\", W/\"b\"", "\"b\""));
        assert!(names("*", "\"b\""));
        assert!(!names("\"a\"", "\"b\""));
    }
}
