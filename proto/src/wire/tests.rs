//! Wire documents and tokens: round trips, other versions, foreign keys, chains of receipts.

use super::assignment::{AssignedApp, Assignment, SettingValue};
use super::document::{Bytes, decode, encode};
use super::enrol::Token;
use super::envelope::{self, Algorithm, EnvelopeSigner, EnvelopeVerifier};
use super::hold::Hold;
use super::poll::{Answer, Poll, short_digest};
use super::receipt::{Delivery, Event, EventKind, chain_start};
use super::{Document, WireError};
use crate::ids::Digest;
use ciborium::Value;

/// A stand-in for a key: the signature is a hash, so that only the envelope is tested here.
struct Toy(u8);

impl EnvelopeSigner for Toy {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDsa
    }
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(Digest::of(&[&[self.0], bytes].concat()).0.to_vec())
    }
}

impl EnvelopeVerifier for Toy {
    fn verify(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        algorithm == Algorithm::EdDsa && self.sign(bytes).as_deref() == Ok(signature)
    }
}

fn assignment() -> Assignment {
    Assignment {
        repository: Digest::of(b"repository"),
        environment: "dev".parse().unwrap(),
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        node_key: Digest::of(b"node"),
        generation: 7,
        issued_at_s: 1_795_000_000,
        poll_interval_s: 60,
        content_urls: vec!["http://127.0.0.1:8080".to_owned()],
        apps: vec![AssignedApp {
            app: "shop".parse().unwrap(),
            version: "1.4.2".parse().unwrap(),
            manifest: Digest::of(b"manifest"),
            counter: 3,
            settings: vec![
                (
                    "greeting".parse().unwrap(),
                    SettingValue::Text("Bonjour".to_owned()),
                ),
                ("open".parse().unwrap(), SettingValue::Flag(true)),
                ("port".parse().unwrap(), SettingValue::Integer(-1)),
            ],
            download_bytes_max: None,
            asked: None,
        }],
    }
}

fn hold() -> Hold {
    Hold {
        repository: Digest::of(b"r"),
        node_key: Some(Digest::of(b"n")),
        number: 4_000_000_000,
        on: true,
    }
}

#[test]
fn documents_survive_the_wire() {
    let there = assignment();
    assert_eq!(Assignment::from_bytes(&there.to_bytes()), Ok(there));
    let poll = Poll {
        node_key: Digest::of(b"node"),
        root_version: 1,
        held: vec![("assignment".to_owned(), short_digest(b"x"))],
        apps: vec![],
        delivery: Some(Bytes(vec![1, 2, 3])),
        agent: "0.1.0".to_owned(),
        full: vec!["shop".parse().unwrap()],
    };
    assert_eq!(Poll::from_bytes(&poll.to_bytes()), Ok(poll));
    let answer = Answer {
        documents: vec![("root/2".to_owned(), Bytes(vec![7]))],
        absent: vec!["root/3".to_owned()],
        acknowledged: Some((1, 9)),
        packs: vec![(Digest::of(b"p"), Bytes(vec![]))],
    };
    assert_eq!(Answer::from_bytes(&answer.to_bytes()), Ok(answer));
}

#[test]
fn the_encoding_is_deterministic_and_ordered() {
    let bytes = assignment().to_bytes();
    let value = decode("assignment", &bytes, 1_000_000).unwrap();
    assert_eq!(encode(&value), bytes);
    let Value::Map(mut entries) = value else {
        panic!("not a map")
    };
    entries.swap(3, 4);
    let swapped = encode(&Value::Map(entries));
    assert!(matches!(
        Assignment::from_bytes(&swapped),
        Err(WireError::Malformed { .. })
    ));
}

#[test]
fn unknown_keys_below_100_are_too_new_and_others_are_ignored() {
    let with = |key: u64| {
        let Value::Map(mut entries) = decode("hold", &hold().to_bytes(), 1_000).unwrap() else {
            panic!("no map")
        };
        entries.push((Value::from(key), Value::from(1)));
        Hold::from_bytes(&encode(&Value::Map(entries)))
    };
    assert!(matches!(with(7), Err(WireError::TooNew { .. })));
    assert!(matches!(with(99), Err(WireError::TooNew { .. })));
    assert_eq!(with(100), Ok(hold()));
}

#[test]
fn another_type_or_version_is_refused() {
    assert!(matches!(
        Assignment::from_bytes(&hold().to_bytes()),
        Err(WireError::Malformed { .. })
    ));
    let Value::Map(mut entries) = decode("hold", &hold().to_bytes(), 1_000).unwrap() else {
        panic!("no map")
    };
    entries[1].1 = Value::from(2);
    assert!(matches!(
        Hold::from_bytes(&encode(&Value::Map(entries))),
        Err(WireError::TooNew { .. })
    ));
}

#[test]
fn envelopes_need_an_authorised_key_and_the_right_type() {
    let (ours, other) = (Toy(1), Toy(2));
    let sealed = envelope::seal(&hold(), &ours).unwrap();
    assert!(sealed.len() <= 200, "{} bytes", sealed.len());
    assert_eq!(
        envelope::open::<Hold>(&sealed, &[&other, &ours]),
        Ok(hold())
    );
    assert_eq!(envelope::peek::<Hold>(&sealed), Ok(hold()));
    assert_eq!(
        envelope::open::<Hold>(&sealed, &[&other]),
        Err(WireError::BadSignature { what: "hold" })
    );
    assert_eq!(
        envelope::open::<Hold>(&sealed, &[]),
        Err(WireError::BadSignature { what: "hold" })
    );
    assert!(envelope::open::<Assignment>(&sealed, &[&ours]).is_err());
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        // A flipped bit may turn one harmless spelling into another; it never changes the content.
        if let Ok(read) = envelope::open::<Hold>(&bad, &[&ours]) {
            assert_eq!(read, hold(), "byte {at}");
        }
    }
    for cut in 0..sealed.len() {
        assert!(envelope::open::<Hold>(&sealed[..cut], &[&ours]).is_err());
    }
}

#[test]
fn tokens_are_one_string() {
    let token = Token {
        url: "https://deploy.example.cm:8443".to_owned(),
        repository: Digest::of(b"root"),
        ca_key: Digest::of(b"ca"),
        environment: "dev".parse().unwrap(),
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        secret: [9; 16],
        expires_at_s: 1_795_000_000,
    };
    let text = token.to_text();
    assert_eq!(Token::from_text(&format!(" {text}\n")), Ok(token));
    assert!(Token::from_text(&text[..text.len() - 3]).is_err());
    assert!(Token::from_text("sanaga1:").is_err());
    assert!(Token::from_text("other1:AAAA").is_err());
}

#[test]
fn receipts_chain() {
    let event = |version: &str| Event {
        kind: EventKind::Committed,
        at_s: 5,
        clock_sure: false,
        app: Some("shop".parse().unwrap()),
        version: Some(version.parse().unwrap()),
        root: None,
        generation: Some(1),
        code: None,
        count: None,
        claimed: None,
        received_bytes: Some(1 << 40),
        detail: None,
    };
    let start = chain_start(&Digest::of(b"node"), 1);
    let events = vec![event("1"), event("2")];
    let head = events.iter().fold(start, |hash, event| event.chain(&hash));
    let mut delivery = Delivery {
        repository: Digest::of(b"r"),
        node_key: Digest::of(b"node"),
        epoch: 1,
        first: 1,
        events,
        head,
    };
    assert!(delivery.follows(&start));
    assert_eq!(delivery.last(), 2);
    assert_eq!(
        Delivery::from_bytes(&delivery.to_bytes()),
        Ok(delivery.clone())
    );
    delivery.events.swap(0, 1);
    assert!(!delivery.follows(&start));
    assert_ne!(chain_start(&Digest::of(b"node"), 2), start);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = Assignment::from_bytes(&bytes);
        let _ = Answer::from_bytes(&bytes);
        let _ = envelope::peek::<Delivery>(&bytes);
        let _ = super::bundle::index_bytes(&bytes);
        let _ = Token::from_text(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_is_carried_on_says_when_it_was_asked_for() {
    let first = assignment();
    assert_eq!(first.asked_in(&first.apps[0]), 7);
    let mut stock = first.apps[0].clone();
    stock.app = "stock".parse().unwrap();
    let mut next = Assignment {
        generation: 8,
        apps: first.carried(),
        ..first
    };
    next.apps.push(stock);
    let asked: Vec<_> = next.apps.iter().map(|app| next.asked_in(app)).collect();
    assert_eq!(asked, [7, 8]);
    let next = Assignment::from_bytes(&next.to_bytes()).unwrap();
    let third = Assignment {
        generation: 9,
        apps: next.carried(),
        ..next
    };
    let asked: Vec<_> = third.apps.iter().map(|app| third.asked_in(app)).collect();
    assert_eq!(asked, [7, 8]);
    // A director that promises the future gets no more than now.
    let mut liar = third.clone();
    liar.apps[0].asked = Some(u64::MAX);
    assert_eq!(liar.asked_in(&liar.apps[0]), 9);
}

#[test]
fn a_bomb_of_values_is_refused_before_any_is_made() {
    use super::document::decode;
    let bomb = |count: u32, value: u8| {
        let head = [[0x9a].as_slice(), &count.to_be_bytes()].concat();
        [head, vec![value; count as usize]].concat()
    };
    let limit = crate::limits::DOCUMENT_VALUES_MAX as u32;
    for value in [0xf6, 0x00, 0x80, 0x40, 0x60] {
        let refused = decode("bomb", &bomb(limit, value), u64::MAX);
        assert!(refused.unwrap_err().to_string().contains("values"));
        assert!(decode("list", &bomb(limit - 1, value), u64::MAX).is_ok());
    }
    // Bytes inside a string are no values, however many there are.
    let text = Value::Bytes(vec![0xf6; 2 * limit as usize]);
    let bytes = encode(&text);
    assert_eq!(decode("text", &bytes, u64::MAX), Ok(text));
}
