//! Generated requests: over the socket to the real helper, and into its parsers in this process.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use sanaga_agent::worker::Decoder;
use sanaga_agent::worker::message::{
    BundleMessage, FaultMessage, FetchedMessage, HeardMessage, Nothing, Number, PackStatus,
    SizesMessage, Tell, Telling,
};
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::ids::Digest;
use sanaga_proto::pack::{Event, TreeSink};
use sanaga_proto::tree::{Entry, Kind, TreeList};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::document::Bytes;

use super::hostile;
use crate::seed::Rng;

/// Records of one generated tree.
const RECORDS: u64 = 40;

/// Sends so many generated requests to the helper; how many it took.
///
/// # Errors
/// When it does not listen any more.
pub fn flood(socket: &Path, requests: u64, seed: u64) -> Result<u64> {
    let mut rng = Rng::stream(seed, "requests");
    let whole = tellings();
    hostile::flood(socket, (0..requests).map(|_| request(&mut rng, &whole)))
}

/// One request: a whole one, a harmed one, one with a wrong length, or noise.
fn request(rng: &mut Rng, whole: &[Vec<u8>]) -> Vec<u8> {
    let mut body = rng.pick(whole).cloned().unwrap_or_default();
    match rng.below(4) {
        0 => {}
        1 => harm(rng, &mut body),
        2 => body.truncate(rng.below(body.len() as u64) as usize),
        _ => {
            body = vec![0; rng.below(512) as usize];
            rng.fill(&mut body);
        }
    }
    let length = match rng.below(8) {
        0 => rng.next_u64() as u32,
        _ => body.len() as u32,
    };
    [length.to_be_bytes().as_slice(), &body].concat()
}

fn harm(rng: &mut Rng, bytes: &mut [u8]) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u64) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = rng.next_u64() as u8;
        }
    }
}

/// One of each answer.
fn tellings() -> Vec<Vec<u8>> {
    let pack = PackStatus {
        received: 1,
        total: 2,
        complete: true,
    };
    let fault = FaultMessage {
        code: 305,
        args: vec![("problem".to_owned(), "x".repeat(500))],
        wait_s: Some(u64::MAX),
        text: "fault".to_owned(),
    };
    let heard = HeardMessage {
        news: true,
        documents: vec![("assignment".to_owned(), Bytes(vec![0xd2; 90]))],
        absent: vec!["root/2".to_owned()],
        packs: vec![(Digest([1; 32]), Bytes(vec![2; 40]))],
        acknowledged: Some((1, 9)),
    };
    let fetched = FetchedMessage {
        pack,
        received_bytes: u64::MAX,
        twice_bytes: u64::MAX,
        stopped: true,
        fault: Some(fault.clone()),
    };
    let bundle = BundleMessage {
        repository: Digest([3; 32]),
        documents: vec![("hold/all".to_owned(), Bytes(vec![1; 20]))],
        packs: vec![Digest([4; 32])],
    };
    let said = vec![
        Tell::Heard(heard),
        Tell::Pack(pack),
        Tell::Progress(Number { number: u64::MAX }),
        Tell::Fetched(fetched),
        Tell::Sizes(SizesMessage {
            sizes: vec![(Digest([5; 32]), 7)],
        }),
        Tell::Done(Nothing {}),
        Tell::Request(Bytes(vec![0x30; 300])),
        Tell::Validity((0, u64::MAX)),
        Tell::Bundle(bundle),
        Tell::Fault(fault),
    ];
    let framed = said
        .into_iter()
        .zip(1..)
        .map(|(said, id)| Telling { id, said }.to_bytes());
    framed.collect()
}

/// Feeds the parsers of answers and of trees for so long; how many went through. A panic or an
/// allocation beyond all bounds ends this process.
pub fn feed_parsers(time: Duration, seed: u64) -> u64 {
    let (started, mut fed) = (Instant::now(), 0);
    let mut rng = Rng::stream(seed, "parsers");
    let whole = tellings();
    while started.elapsed() < time {
        for _ in 0..500 {
            let framed = request(&mut rng, &whole);
            let _ = Telling::from_bytes(framed.get(4..).unwrap_or_default());
            fed += 1;
        }
        for _ in 0..20 {
            fed += u64::from(one_tree(&mut rng));
        }
    }
    fed
}

/// Takes events and writes nothing.
#[derive(Debug, Default)]
struct Sink {
    files: usize,
}

/// A sink that has enough.
#[derive(Debug, thiserror::Error)]
#[error("enough")]
struct Enough;

impl Coded for Enough {
    fn code(&self) -> Code {
        code::TREE_MISMATCH
    }
    fn args(&self) -> Args {
        Args::new()
    }
}

impl TreeSink for Sink {
    type Error = Enough;

    fn event(&mut self, event: Event<'_>) -> Result<(), Enough> {
        if let Event::List(list) = event {
            self.files += list.files().len();
        }
        if self.files > 1_000 {
            Err(Enough)
        } else {
            Ok(())
        }
    }
}

/// One generated tree through the helper's end of the socket.
fn one_tree(rng: &mut Rng) -> bool {
    let Ok((helper, mut worker)) = UnixStream::pair() else {
        return false;
    };
    let kind = Kind::File {
        mode: 0o644,
        size: 3,
    };
    let path = "file".to_owned();
    let list = TreeList::new(vec![Entry { path, kind }]).map(|list| list.encode());
    let list = list.unwrap_or_default();
    let tags = b"LRBDEZFQnbqx\0\xff";
    let mut records = Vec::new();
    for number in 0..rng.below(RECORDS) {
        let mut content = if number == 0 {
            list.clone()
        } else {
            vec![0; rng.below(24) as usize]
        };
        if number > 0 {
            rng.fill(&mut content);
        } else if rng.below(2) == 0 {
            harm(rng, &mut content);
        }
        let tag = if number == 0 {
            b'L'
        } else {
            rng.pick(tags).copied().unwrap_or(0)
        };
        records.extend(hostile::record(tag, &content));
    }
    let writing = std::thread::spawn(move || {
        let _ = worker.write_all(&records);
        let _ = worker.shutdown(std::net::Shutdown::Write);
        let _ = worker.read_to_end(&mut Vec::new());
    });
    let _ = Decoder::Away(helper).run(None, &mut Sink::default());
    writing.join().is_ok()
}
