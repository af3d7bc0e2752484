//! What helper and worker say to each other. Both enums are closed and bounded: what comes from the
//! worker is read like any bytes from outside, and claims nothing that the helper does not verify.

use std::collections::{BTreeMap, BTreeSet};

use ciborium::Value;
use sanaga_proto::ids::{AppName, Digest, EnvironmentName, NodeKeyId, RepositoryId};
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::AppStatus;
use sanaga_proto::wire::{Document, Field, WireError};
use sanaga_proto::{fields, limits};

use crate::fetch::exchange::{Heard, Told};

/// A message of either side: the documents of a poll or of a bundle, and a little more.
pub const MESSAGE_BYTES_MAX: u64 = 2 * limits::POLL_BYTES_MAX + (1 << 20);

/// An enum of which each value is an array of its number and its content.
macro_rules! choices {
    (
        $(#[$meta:meta])*
        pub enum $name:ident ($what:literal) {
            $($(#[$variant_meta:meta])* $number:literal $variant:ident($content:ty),)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant($content),)*
        }

        impl Field for $name {
            fn to_value(&self) -> Value {
                match self {
                    $(Self::$variant(content) => {
                        Value::Array(vec![Value::from($number), content.to_value()])
                    })*
                }
            }

            fn from_value(value: Value) -> Result<Self, WireError> {
                let pair: [Value; 2] = value
                    .into_array()
                    .ok()
                    .and_then(|array| array.try_into().ok())
                    .ok_or_else(|| WireError::malformed($what, "is not an array of two"))?;
                let [number, content] = pair;
                match u64::from_value(number)? {
                    $($number => <$content>::from_value(content).map(Self::$variant),)*
                    number => Err(WireError::TooNew {
                        what: $what,
                        problem: format!("message {number}"),
                    }),
                }
            }
        }
    };
}

choices! {
    /// What the helper asks of the worker.
    pub enum Ask ("ask") {
        /// Poll the controller. Answer: [`Tell::Heard`].
        1 Poll(Polling),
        /// Open a pack file and verify what is there. Answer: [`Tell::Pack`].
        2 Open(Offer),
        /// Fetch what is missing of a pack from one host. Answer: [`Tell::Fetched`].
        3 Fetch(Job),
        /// End an earlier ask early; it is still answered.
        4 Stop(Number),
        /// Keep a whole pack that came inside a poll. Answer: [`Tell::Pack`].
        5 Put(Gift),
        /// How many bytes of each pack are here. Answer: [`Tell::Sizes`].
        6 Sizes(Packs),
        /// Remove every pack but these. Answer: [`Tell::Done`].
        7 KeepOnly(Packs),
        /// A certificate request for the worker's TLS key. Answer: [`Tell::Request`].
        8 Request(Nothing),
        /// Send a renewal that the helper has signed, and keep the certificate. Answer: [`Tell::Done`].
        9 Renew(Renewing),
        /// From when until when the certificate holds. Answer: [`Tell::Validity`].
        10 Validity(Nothing),
        /// Read the documents of the bundle that comes as a file descriptor. Answer: [`Tell::Bundle`].
        11 Bundle(Opened),
        /// Take a pack out of such a bundle. Answer: [`Tell::Pack`].
        12 Take(Taking),
        /// Decode a pack into the socket that comes as a file descriptor. Answer: [`Tell::Done`].
        13 Decode(Offer),
    }
}

choices! {
    /// What the worker answers. All of it is a claim.
    pub enum Tell ("tell") {
        /// What the controller said.
        1 Heard(HeardMessage),
        /// How much of a pack is here.
        2 Pack(PackStatus),
        /// How much of a pack is here while it is fetched; the answer follows.
        3 Progress(Number),
        /// The end of a transfer.
        4 Fetched(FetchedMessage),
        /// Bytes on disk, by frame root.
        5 Sizes(SizesMessage),
        /// It is done.
        6 Done(Nothing),
        /// A certificate request, DER.
        7 Request(Bytes),
        /// From when until when, seconds since 1970.
        8 Validity((u64, u64)),
        /// What a bundle holds for this node.
        9 Bundle(BundleMessage),
        /// It did not work.
        10 Fault(FaultMessage),
    }
}

fields! {
    /// Where to call, and what is known of the time.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Call ("call") {
        /// Scheme, name and port.
        1 required url: String,
        /// The least time that it can be, for TLS, seconds since 1970.
        2 required known_s: u64,
    }
}

fields! {
    /// A poll.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Polling ("polling") {
        /// Where.
        1 required call: Call,
        /// Who asks.
        2 required node_key: NodeKeyId,
        /// The version of the root that is trusted.
        3 required root_version: u64,
        /// The documents that are held, by their names in polls.
        4 list held: (String, Bytes),
        /// The apps.
        5 list apps: AppStatus,
        /// A signed delivery of receipts.
        6 optional delivery: Bytes,
        /// Apps for which a full pack is needed.
        7 list full: AppName,
    }
}

fields! {
    /// A transfer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Job ("job") {
        /// Where.
        1 required call: Call,
        /// Which pack.
        2 required offer: Offer,
        /// The most that may be read, bytes; none is no limit.
        3 optional bytes_max: u64,
        /// A host that ignores ranges may be read from its start once more.
        4 required may_skip: bool,
    }
}

fields! {
    /// Nothing.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Nothing ("nothing") {}
}

fields! {
    /// A number: of bytes, or of an ask.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Number ("number") {
        /// It.
        1 required number: u64,
    }
}

fields! {
    /// A whole pack, and which one it is to be.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Gift ("gift") {
        /// Which pack.
        1 required offer: Offer,
        /// Its bytes.
        2 required bytes: Bytes,
    }
}

fields! {
    /// Packs by their frame roots.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Packs ("packs") {
        /// The frame roots.
        1 list roots: Digest,
    }
}

fields! {
    /// A renewal.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Renewing ("renewing") {
        /// Where.
        1 required call: Call,
        /// The request, signed with the node's key.
        2 required body: Bytes,
    }
}

fields! {
    /// A bundle file that was opened.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Opened ("opened") {
        /// Its path, for messages.
        1 required path: String,
        /// The node that it is read for.
        2 required node: NodeKeyId,
        /// Its environment.
        3 required environment: EnvironmentName,
    }
}

fields! {
    /// A pack inside a bundle.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Taking ("taking") {
        /// The bundle's path, for messages.
        1 required path: String,
        /// Which pack.
        2 required offer: Offer,
    }
}

fields! {
    /// What the controller said.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct HeardMessage ("heard") {
        /// Whether anything came at all; otherwise all is as it was.
        1 required news: bool,
        /// New and changed documents by their names.
        2 list documents: (String, Bytes),
        /// What the controller does not have.
        3 list absent: String,
        /// Small packs by their frame roots.
        4 list packs: (Digest, Bytes),
        /// Chain and number of the last receipt that it keeps.
        5 optional acknowledged: (u64, u64),
    }
}

fields! {
    /// How much of a pack is here.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PackStatus ("pack status") {
        /// Bytes of the served file that are here.
        1 required received: u64,
        /// Bytes of the served file.
        2 required total: u64,
        /// Whether all of it is here and verified.
        3 required complete: bool,
    }
}

fields! {
    /// The end of a transfer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FetchedMessage ("fetched") {
        /// Where it stands.
        1 required pack: PackStatus,
        /// Body bytes read.
        2 required received_bytes: u64,
        /// Those of them that had been read before.
        3 required twice_bytes: u64,
        /// It was ended early because somebody asked for that.
        4 required stopped: bool,
        /// Why it ended early otherwise.
        5 optional fault: FaultMessage,
    }
}

fields! {
    /// Bytes on disk.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SizesMessage ("sizes") {
        /// By frame root.
        1 list sizes: (Digest, u64),
    }
}

fields! {
    /// What a bundle holds for a node.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BundleMessage ("bundle") {
        /// Which repository it says that it is of.
        1 required repository: RepositoryId,
        /// Documents by their names in polls.
        2 list documents: (String, Bytes),
        /// The packs that it carries.
        3 list packs: Digest,
    }
}

fields! {
    /// Why something did not work: for people and for the next try, never for trust.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FaultMessage ("fault") {
        /// The number of the code.
        1 required code: u64,
        /// The words of its message.
        2 list args: (String, String),
        /// The pause that a host asked for, seconds.
        3 optional wait_s: u64,
        /// The error and its causes, in English.
        4 required text: String,
    }
}

/// One message on its way: the ask that it is about, and what is said.
macro_rules! framed {
    ($(#[$meta:meta])* $name:ident, $content:ty, $what:literal, $number:literal) => {
        fields! {
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name ($what) {
                /// The number of the ask.
                3 required id: u64,
                /// What is said.
                4 required said: $content,
            }
        }

        impl Document for $name {
            const WHAT: &'static str = $what;
            const TYPE: u64 = $number;
            const VERSION: u64 = 1;
            const BYTES_MAX: u64 = MESSAGE_BYTES_MAX;
        }
    };
}

framed!(
    /// From the helper to the worker.
    Asking, Ask, "asking", 20
);
framed!(
    /// From the worker to the helper.
    Telling, Tell, "telling", 21
);

impl Polling {
    /// What is told to the controller, and where.
    #[must_use]
    pub fn new(call: Call, node_key: NodeKeyId, told: Told) -> Self {
        let held = told.held.into_iter();
        Self {
            call,
            node_key,
            root_version: told.root_version,
            held: held.map(|(name, bytes)| (name, Bytes(bytes))).collect(),
            apps: told.apps,
            delivery: told.delivery.map(Bytes),
            full: told.full,
        }
    }

    /// The same, taken apart.
    #[must_use]
    pub fn told(self) -> Told {
        let held = self.held.into_iter();
        Told {
            root_version: self.root_version,
            held: held.map(|(name, bytes)| (name, bytes.0)).collect(),
            apps: self.apps,
            delivery: self.delivery.map(|bytes| bytes.0),
            full: self.full,
        }
    }
}

impl From<Heard> for HeardMessage {
    fn from(heard: Heard) -> Self {
        let (documents, packs) = (heard.documents.into_iter(), heard.packs.into_iter());
        Self {
            news: heard.news,
            documents: documents
                .map(|(name, bytes)| (name, Bytes(bytes)))
                .collect(),
            absent: heard.absent.into_iter().collect(),
            packs: packs.map(|(root, bytes)| (root, Bytes(bytes))).collect(),
            acknowledged: heard.acknowledged,
        }
    }
}

impl From<HeardMessage> for Heard {
    fn from(message: HeardMessage) -> Self {
        let packs = message.packs.into_iter();
        Self {
            documents: documents(message.documents),
            absent: BTreeSet::from_iter(message.absent),
            packs: packs.map(|(root, bytes)| (root, bytes.0)).collect(),
            acknowledged: message.acknowledged,
            news: message.news,
        }
    }
}

/// Documents by name; of two with one name the later one counts.
#[must_use]
pub fn documents(list: Vec<(String, Bytes)>) -> BTreeMap<String, Vec<u8>> {
    list.into_iter()
        .map(|(name, bytes)| (name, bytes.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let call = Call {
            url: "https://c:8443".to_owned(),
            known_s: 7,
        };
        let job = Job {
            call,
            offer: Offer {
                repository: Digest([1; 32]),
                base: None,
                root: Digest([2; 32]),
                frame_root: Digest([3; 32]),
                pack_bytes: 9,
            },
            bytes_max: Some(4),
            may_skip: true,
        };
        let asking = Asking {
            id: 5,
            said: Ask::Fetch(job),
        };
        assert_eq!(Asking::from_bytes(&asking.to_bytes()), Ok(asking));
        let telling = Telling {
            id: 6,
            said: Tell::Heard(HeardMessage {
                news: true,
                documents: vec![("root/2".to_owned(), Bytes(vec![1, 2]))],
                acknowledged: Some((1, 2)),
                ..HeardMessage::default()
            }),
        };
        assert_eq!(Telling::from_bytes(&telling.to_bytes()), Ok(telling));
    }

    #[test]
    fn an_unknown_message_is_an_error_and_nothing_else() {
        let done = Telling {
            id: 1,
            said: Tell::Done(Nothing {}),
        };
        let bytes = done.to_bytes();
        let at = bytes.len() - 2;
        assert_eq!(bytes.get(at), Some(&6));
        for number in [0, 11, 23] {
            let mut bytes = bytes.clone();
            *bytes.get_mut(at).unwrap() = number;
            let read = Telling::from_bytes(&bytes);
            assert!(matches!(read, Err(WireError::TooNew { .. })), "{read:?}");
        }
    }
}
