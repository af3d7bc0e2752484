//! Adds up one connection's plain bytes, request by request.

use std::collections::{BTreeMap, VecDeque};

use super::parse::{Event, Frame, Http1, Http2};
use super::{Exchange, Shared, State, lock};
use crate::http::{Framing, Head};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// The counter of one connection.
pub(super) struct Meter {
    shared: Shared,
    protocol: Protocol,
}

enum Protocol {
    One {
        up: Http1,
        down: Http1,
        /// The exchange whose request is being sent.
        sending: Option<usize>,
        /// Exchanges that wait for their answer, oldest first.
        waiting: VecDeque<usize>,
    },
    Two {
        up: Http2,
        down: Http2,
        /// Which exchange a stream is.
        streams: BTreeMap<u32, usize>,
    },
}

impl Meter {
    pub(super) fn new(is_h2: bool, shared: Shared) -> Self {
        let protocol = if is_h2 {
            Protocol::Two {
                up: Http2::new(true),
                down: Http2::new(false),
                streams: BTreeMap::new(),
            }
        } else {
            Protocol::One {
                up: Http1::new(),
                down: Http1::new(),
                sending: None,
                waiting: VecDeque::new(),
            }
        };
        Self { shared, protocol }
    }

    /// Counts bytes from the client.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        let mut guard = lock(&self.shared);
        let state = &mut *guard;
        state.tally.sent += bytes.len() as u64;
        let mut bytes: VecDeque<u8> = bytes.iter().copied().collect();
        match &mut self.protocol {
            Protocol::One {
                up,
                sending,
                waiting,
                ..
            } => {
                while let Some(event) = up.next(&mut bytes) {
                    request(state, up, event, sending, waiting);
                }
            }
            Protocol::Two { up, streams, .. } => {
                while let Some(frame) = up.next(&mut bytes) {
                    request_frame(state, frame, streams);
                }
            }
        }
    }

    /// Counts bytes to the client.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        let mut guard = lock(&self.shared);
        let state = &mut *guard;
        state.tally.received += bytes.len() as u64;
        let mut bytes: VecDeque<u8> = bytes.iter().copied().collect();
        match &mut self.protocol {
            Protocol::One { down, waiting, .. } => {
                while let Some(event) = down.next(&mut bytes) {
                    answer(state, down, event, waiting);
                }
            }
            Protocol::Two { down, streams, .. } => {
                while let Some(frame) = down.next(&mut bytes) {
                    answer_frame(state, frame, streams);
                }
            }
        }
    }
}

fn open(state: &mut State, exchange: Exchange) -> usize {
    state.tally.requests += 1;
    state.exchanges.push(exchange);
    state.exchanges.len() - 1
}

fn request(
    state: &mut State,
    parser: &mut Http1,
    event: Event,
    sending: &mut Option<usize>,
    waiting: &mut VecDeque<usize>,
) {
    match event {
        Event::Head {
            start,
            headers,
            bytes,
        } => {
            let head = Head { start, headers };
            parser.body(Framing::of_request(&head));
            let exchange = Exchange {
                method: head.word(0).to_owned(),
                path: head.word(1).to_owned(),
                request_head: bytes,
                ..Exchange::default()
            };
            let number = open(state, exchange);
            *sending = Some(number);
            waiting.push_back(number);
        }
        Event::Body(bytes) => {
            if let Some(exchange) = sending.and_then(|number| state.exchanges.get_mut(number)) {
                exchange.request_body += bytes;
            }
        }
    }
}

fn answer(state: &mut State, parser: &mut Http1, event: Event, waiting: &mut VecDeque<usize>) {
    match event {
        Event::Head {
            start,
            headers,
            bytes,
        } => {
            let head = Head { start, headers };
            let status = head.word(1).parse().unwrap_or(0);
            // An answer after an earlier final one belongs to the next request.
            let is_done = |number: &usize| {
                state
                    .exchanges
                    .get(*number)
                    .is_none_or(|exchange| exchange.status >= 200)
            };
            while waiting.front().is_some_and(is_done) {
                waiting.pop_front();
            }
            let exchange = waiting
                .front()
                .and_then(|number| state.exchanges.get_mut(*number));
            let method = exchange
                .as_ref()
                .map_or("", |exchange| exchange.method.as_str())
                .to_owned();
            parser.body(Framing::of_response(&head, &method));
            if let Some(exchange) = exchange {
                exchange.status = status;
                exchange.response_head += bytes;
            }
        }
        Event::Body(bytes) => {
            let exchange = waiting
                .front()
                .and_then(|number| state.exchanges.get_mut(*number));
            if let Some(exchange) = exchange {
                exchange.response_body += bytes;
            }
        }
    }
}

fn request_frame(state: &mut State, frame: Frame, streams: &mut BTreeMap<u32, usize>) {
    if frame.kind == HEADERS && frame.head > 0 && !streams.contains_key(&frame.stream) {
        let number = open(state, Exchange::default());
        streams.insert(frame.stream, number);
    }
    let exchange = streams
        .get(&frame.stream)
        .and_then(|number| state.exchanges.get_mut(*number));
    match (frame.kind, exchange) {
        (DATA, Some(exchange)) => {
            exchange.request_head += frame.head;
            exchange.request_body += frame.payload;
        }
        (HEADERS | CONTINUATION, Some(exchange)) => {
            exchange.request_head += frame.head + frame.payload
        }
        _ => state.tally.overhead += frame.head + frame.payload,
    }
}

fn answer_frame(state: &mut State, frame: Frame, streams: &BTreeMap<u32, usize>) {
    let exchange = streams
        .get(&frame.stream)
        .and_then(|number| state.exchanges.get_mut(*number));
    match (frame.kind, exchange) {
        (DATA, Some(exchange)) => {
            exchange.response_head += frame.head;
            exchange.response_body += frame.payload;
        }
        (HEADERS | CONTINUATION, Some(exchange)) => {
            exchange.response_head += frame.head + frame.payload
        }
        _ => state.tally.overhead += frame.head + frame.payload,
    }
}
