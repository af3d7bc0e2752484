//! The lies, by name.

use sanaga_agent::worker::message::{Ask, HeardMessage, Number, Tell, Telling};
use sanaga_proto::ids::Digest;
use sanaga_proto::tree::{Entry, Kind, TreeList};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::document::Bytes;

use super::hostile::{Lie, record};

/// A lie, and what it is called.
pub type Named = (&'static str, fn() -> Lie);

/// What an evil program would be.
const EVIL: &[u8] = b"#!/bin/sh\ntouch EVIL\n";

/// Lies about a tree that was signed; each is to end in a refusal. The helper tries three times, so
/// that three are told for each release.
pub const TREES: &[Named] = &[
    ("other content than was signed", || {
        rewriting(|tag, content| match tag {
            b'D' => record(
                tag,
                &content.iter().map(|byte| byte ^ 1).collect::<Vec<_>>(),
            ),
            _ => record(tag, content),
        })
    }),
    ("a whole tree that nobody signed", || {
        let mut done = false;
        rewriting(move |_, _| {
            if std::mem::replace(&mut done, true) {
                Vec::new()
            } else {
                evil_tree()
            }
        })
    }),
    ("a path that leads out of the slot", || {
        on_list(|list| swapped(list, b"VERSION", b"../OUT1"))
    }),
    ("an absolute path", || {
        on_list(|list| swapped(list, b"VERSION", b"/OUTSID"))
    }),
    ("a list that promises 60 GiB", || {
        on_list(|_| {
            let kind = Kind::File {
                mode: 0o755,
                size: 60 << 30,
            };
            let path = "huge".to_owned();
            TreeList::new(vec![Entry { path, kind }])
                .map(|list| list.encode())
                .unwrap_or_default()
        })
    }),
    ("two lists", || {
        rewriting(|tag, content| match tag {
            b'L' => [record(tag, content), record(tag, content)].concat(),
            _ => record(tag, content),
        })
    }),
    ("more content than the list says", || {
        rewriting(|tag, content| match tag {
            b'D' => [record(tag, content), record(tag, content)].concat(),
            _ => record(tag, content),
        })
    }),
    ("a file that is not in the list", || {
        rewriting(|tag, content| match tag {
            b'B' => record(tag, &u32::MAX.to_be_bytes()),
            _ => record(tag, content),
        })
    }),
    ("a file of the base that is not there", || {
        rewriting(|tag, content| match tag {
            b'R' => record(
                tag,
                &[content.get(..4).unwrap_or_default(), &[0xff; 4]].concat(),
            ),
            _ => record(tag, content),
        })
    }),
    ("done before anything was written", || {
        rewriting(|tag, content| match tag {
            b'R' | b'B' => record(b'Z', &[]),
            _ => record(tag, content),
        })
    }),
    ("a record of 4 GiB", || {
        rewriting(|tag, content| match tag {
            b'R' | b'B' => [[tag].as_slice(), &[0xff; 4]].concat(),
            _ => record(tag, content),
        })
    }),
    ("bytes of the base that do not exist", || {
        let mut asked = false;
        rewriting(move |tag, content| match tag {
            // What is asked for leaves the decoder's own answer in the way.
            b'R' if !std::mem::replace(&mut asked, true) => {
                [record(b'Q', &[0xff; 16]), record(tag, content)].concat()
            }
            b'D' => record(tag, &content.iter().rev().copied().collect::<Vec<_>>()),
            _ => record(tag, content),
        })
    }),
];

/// Lies about what the controller said; none of them may change what runs.
pub const ANSWERS: &[Named] = &[
    ("every document with one bit flipped", || {
        hearing(|heard| {
            for (_, bytes) in &mut heard.documents {
                let middle = bytes.0.len() / 2;
                if let Some(byte) = bytes.0.get_mut(middle) {
                    *byte ^= 4;
                }
            }
        })
    }),
    ("documents under each other's names", || {
        hearing(|heard| {
            let names: Vec<String> = heard
                .documents
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            let turned = names.iter().cycle().skip(1);
            for ((name, _), other) in heard.documents.iter_mut().zip(turned) {
                name.clone_from(other);
            }
        })
    }),
    ("sixteen million bytes of nothing", || {
        hearing(|heard| {
            heard.news = true;
            heard.documents = vec![("assignment".to_owned(), Bytes(vec![0; 16_000_000]))];
        })
    }),
    ("nothing exists any more", || {
        hearing(|heard| {
            heard.news = true;
            heard.documents.clear();
            let names = [
                "root",
                "timestamp",
                "snapshot",
                "targets",
                "environment",
                "assignment",
            ];
            heard.absent = names.map(str::to_owned).to_vec();
        })
    }),
    ("packs that nobody offered", || {
        hearing(|heard| {
            heard.news = true;
            heard.packs = vec![(Digest([7; 32]), Bytes(EVIL.to_vec()))];
        })
    }),
    ("all receipts are kept, those to come as well", || {
        hearing(|heard| {
            let (epoch, _) = heard.acknowledged.unwrap_or_default();
            heard.news = true;
            heard.acknowledged = Some((epoch, u64::MAX));
        })
    }),
    ("answers to what was not asked", || Lie {
        retell: Some(Box::new(|_, telling| {
            let other = Telling {
                id: telling.id.wrapping_add(1),
                said: Tell::Progress(Number { number: u64::MAX }),
            };
            let twice = telling.to_bytes();
            vec![other.to_bytes(), twice.clone(), twice]
        })),
        rewrite: None,
    }),
];

fn rewriting(rewrite: impl FnMut(u8, &[u8]) -> Vec<u8> + Send + 'static) -> Lie {
    Lie {
        retell: None,
        rewrite: Some(Box::new(rewrite)),
    }
}

fn on_list(mut change: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> Lie {
    rewriting(move |tag, content| match tag {
        b'L' => record(tag, &change(content)),
        _ => record(tag, content),
    })
}

fn hearing(mut change: impl FnMut(&mut HeardMessage) + Send + 'static) -> Lie {
    Lie {
        retell: Some(Box::new(move |ask, mut telling| {
            if let (Ask::Poll(_), Tell::Heard(heard)) = (ask, &mut telling.said) {
                change(heard);
            }
            vec![telling.to_bytes()]
        })),
        rewrite: None,
    }
}

/// The same bytes with one name in the place of another of the same length.
fn swapped(bytes: &[u8], name: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at = bytes.windows(name.len()).position(|window| window == name);
    if let Some(place) = at.and_then(|at| out.get_mut(at..at + name.len())) {
        place.copy_from_slice(with);
    }
    out
}

/// All records of a tree that is whole, runs, and is not what was signed.
fn evil_tree() -> Vec<u8> {
    let folder = Entry {
        path: "bin".to_owned(),
        kind: Kind::Directory { mode: 0o755 },
    };
    let program = Entry {
        path: "bin/notebook".to_owned(),
        kind: Kind::File {
            mode: 0o755,
            size: EVIL.len() as u64,
        },
    };
    let list = TreeList::new(vec![folder, program]).map(|list| list.encode());
    let file = 0_u32.to_be_bytes();
    [
        record(b'L', &list.unwrap_or_default()),
        record(b'B', &file),
        record(b'D', EVIL),
        record(b'E', &file),
        record(b'Z', &[]),
    ]
    .concat()
}
