//! Messages between agents. Each is one frame: a MessagePack map, so that later versions can add fields.

use std::fmt;

use mf2c_domain::area::role::MemberRole;
use serde::{Deserialize, Serialize};

use super::WireError;
use super::later::or_unknown;
use crate::leadership::LeadershipMessage;
use crate::replication::StreamMessage;

/// The version of the protocol that this program speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// Bytes that travel as MessagePack's binary type, not as a list of numbers.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// Their number only: they may be secrets.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// What stands in a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The first message each way of a link whose ends have certificates.
    Hello(Hello),
    /// A question; answered by a [`Message::Reply`] with the same number.
    Request {
        /// Chosen by the asker, unique among its open questions.
        id: u64,
        /// How long the asker waits, in milliseconds.
        deadline: u32,
        /// The question.
        #[serde(deserialize_with = "or_unknown")]
        ask: Ask,
    },
    /// The answer to a question.
    Reply {
        /// The number of the question.
        re: u64,
        /// The answer, or why there is none.
        result: Result<Answer, WireError>,
    },
    /// Something that wants no answer.
    Notice(#[serde(deserialize_with = "or_unknown")] Notice),
    /// A sign of life; answered by a [`Message::Pong`] with the same number.
    Ping(u64),
    /// The answer to a [`Message::Ping`].
    Pong(u64),
    /// Why the sender closes the link; nothing follows.
    Close(WireError),
}

/// Who speaks. It must agree with the certificate of the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The versions that the sender speaks, the best one first.
    pub v: Vec<u16>,
    /// Its SPIFFE ID.
    pub node: String,
    /// Its area.
    pub area: String,
    /// What it is there: `agent`, `leader` or `cloud`.
    pub role: String,
    /// The highest term of leadership that it knows.
    #[serde(default)]
    pub term: u64,
    /// Changes when its store is lost.
    #[serde(default)]
    pub incarnation: u64,
    /// Random at each start of the process: two that alternate under one identity are a clone.
    #[serde(default)]
    pub boot: u64,
    /// The node of its store: 16 bytes.
    #[serde(default)]
    pub origin: Bytes,
    /// Where it takes links itself: a port, or `host:port` where it knows its name; empty where it takes none.
    #[serde(default)]
    pub listen: String,
    /// Its wall clock, in milliseconds since 1970.
    pub clock: u64,
    /// What it can do beyond the version.
    #[serde(default)]
    pub features: Vec<String>,
    /// The largest frame that it takes, in bytes.
    pub max_frame: u32,
    /// What it knows of trust.
    #[serde(default)]
    pub trust: TrustNews,
}

/// Which trust bundle and revocation lists an agent has, for the other to see what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrustNews {
    /// The sequence number of its bundle.
    pub bundle: u64,
    /// The number of the revocation list of each issuer, by the issuer's key identifier in hexadecimal.
    #[serde(default)]
    pub lists: Vec<(String, u64)>,
}

/// Everything that an agent needs in order to believe others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthorityTrust {
    /// Grows with every change of the roots.
    pub sequence: u64,
    /// The root certificates in DER; two while one takes the place of the other.
    pub roots: Vec<Bytes>,
    /// The certificates of the area's authority in DER, one for each root that vouches for it.
    pub intermediates: Vec<Bytes>,
    /// The newest revocation list of each issuer in DER.
    pub lists: Vec<Bytes>,
}

/// What one agent may ask of another. Every new question has a content, so that those of later versions can be refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The roots, before anything is proved. Answered by [`Answer::Trust`].
    Bundle,
    /// To be admitted with a join token, on a link without a certificate. Answered by [`Answer::Enrolled`].
    Enrol {
        /// The token's id.
        token: String,
        /// The token's secret: 32 bytes.
        secret: Bytes,
        /// A PKCS#10 request in DER.
        request: Bytes,
        /// As what.
        role: MemberRole,
        /// The `deviceID`.
        device: String,
        /// The area that the asker believes to join, if it believes anything.
        area: Option<String>,
        /// Host names and addresses that the certificate shall hold besides.
        names: Vec<String>,
    },
    /// A new certificate in place of the one of this link. Answered by [`Answer::Enrolled`].
    Renew {
        /// A PKCS#10 request in DER, with a new key.
        request: Bytes,
        /// As in [`Ask::Enrol`].
        names: Vec<String>,
    },
    /// A new certificate in place of one that has expired, on a link without a certificate. Answered by
    /// [`Answer::Enrolled`].
    RenewExpired {
        /// A PKCS#10 request in DER, with a new key.
        request: Bytes,
        /// As in [`Ask::Enrol`].
        names: Vec<String>,
        /// Proves the old key.
        proof: Proof,
    },
    /// An intermediate authority for the area that the asker leads. Answered by [`Answer::Area`].
    CertifyArea {
        /// A PKCS#10 request in DER, with the key of the area's authority.
        request: Bytes,
    },
    /// A certificate for a user of the asking agent. Answered by [`Answer::User`].
    CertifyUser {
        /// A PKCS#10 request in DER, with the user's key.
        request: Bytes,
        /// The user's name.
        name: String,
        /// How long it shall hold, in seconds.
        ttl: u64,
    },
    /// What is new of roots, authorities and revocations. Answered by [`Answer::Trust`].
    Trust {
        /// What the asker has.
        have: TrustNews,
    },
    /// To edit or delete a document of the asked agent, or of one below it. Answered by [`Answer::Proposed`].
    Propose(Proposed),
    /// When the asked agent has last heard of another one. Answered by [`Answer::Heard`].
    Probe {
        /// The other's SPIFFE ID.
        of: String,
    },
    /// A change of roles, by who has the authority to demand it. Answered by [`Answer::Done`].
    ChangeRole(RoleChange),
    /// The keys of the area's authority, for a backup to keep. Answered by [`Answer::Done`].
    KeepAuthority(Succession),
    /// How far the asked agent, which leads, has come with the stores of others. Answered by [`Answer::Holds`].
    Holds {
        /// Whose: 16 bytes each.
        origins: Vec<Bytes>,
    },
    /// To run services, and what is to be known of those that run. Answered by [`Answer::Work`].
    Work(Work),
    /// A question of a later version; answered by [`Code::Version`](super::Code::Version). It is never sent.
    Unknown,
}

/// The proof of an expired certificate's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The expired certificate in DER.
    pub certificate: Bytes,
    /// A signature with its key (ECDSA P-256, SHA-256, ASN.1) over `mf2c renew after expiry 1`, a zero byte and the request.
    pub signature: Bytes,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// See [`Ask::Bundle`] and [`Ask::Trust`].
    Trust(AuthorityTrust),
    /// See [`Ask::Enrol`].
    Enrolled(Enrolled),
    /// See [`Ask::CertifyArea`].
    Area {
        /// Certificates of the area's authority in DER, one for each root.
        certificates: Vec<Bytes>,
    },
    /// See [`Ask::CertifyUser`].
    User {
        /// The certificate in DER.
        certificate: Bytes,
    },
    /// See [`Ask::Propose`]: the revision that came out.
    Proposed {
        /// The sequence of the origin's change.
        sequence: u64,
        /// The document; none if it was deleted.
        document: Option<Bytes>,
    },
    /// See [`Ask::Probe`]: milliseconds since then; none if it is not known.
    Heard {
        /// Milliseconds.
        ago: Option<u64>,
    },
    /// See [`Ask::Holds`]: for each the life and the newest change that is there, or is not wanted there any more.
    Holds {
        /// In the order of the question.
        upto: Vec<(u64, u64)>,
    },
    /// See [`Ask::Work`].
    Work {
        /// JSON, as the question says.
        body: Bytes,
    },
    /// It is done.
    Done {
        /// The term of leadership at which it was done.
        term: u64,
    },
}

/// See [`Ask::Work`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The store of the agent that it is for, 16 bytes; who is asked hands it on where that is below it. Empty for who is asked.
    pub to: Bytes,
    /// The term of leadership that the asker knows; a lower one than the asked agent knows is refused.
    pub term: u64,
    /// What: JSON, for the lifecycle manager. It may hold secrets.
    pub body: Bytes,
}

/// See [`Ask::Propose`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The term of leadership that the proposer knows; a lower one is refused.
    pub term: u64,
    /// The document.
    pub id: String,
    /// The node that orders its edits: 16 bytes.
    pub origin: Bytes,
    /// JSON of the attributes to set; none deletes the document.
    pub changes: Option<Bytes>,
    /// Attributes to remove.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Refuses it unless the document has one of these entity tags.
    #[serde(default)]
    pub if_match: Option<Vec<String>>,
    /// Who asks: the name of a user, and whether he is an administrator.
    pub by: (String, bool),
    /// For an edit that was made while the origin was away: when it was made (a hybrid time), and on which of the origin's
    /// changes it is based. Attributes that were changed later at the origin stay.
    #[serde(default)]
    pub made: Option<(u64, u64)>,
    /// Makes a repetition of the same proposal harmless.
    pub key: String,
}

/// See [`Ask::ChangeRole`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChange {
    /// The term of leadership that the asker knows; a lower one is refused.
    pub term: u64,
    /// Whose role: a SPIFFE ID.
    pub agent: String,
    /// What it shall be: `leader`, `backup` or `agent`.
    pub role: String,
}

/// See [`Ask::KeepAuthority`]. It goes from a leader to a backup of its own area and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The term of leadership.
    pub term: u64,
    /// The private key of the area's authority in PEM. A secret.
    pub key: Bytes,
    /// Its certificates in PEM.
    pub certificates: Bytes,
    /// What else the authority remembers, in JSON.
    pub state: Bytes,
}

/// Nothing of it is shown: it is a secret.
impl fmt::Debug for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Succession").field("term", &self.term).finish_non_exhaustive()
    }
}

/// A membership, or a new certificate for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The new certificate in DER.
    pub certificate: Bytes,
    /// What to believe from now on.
    pub trust: AuthorityTrust,
    /// The SPIFFE ID of the agent that leads the area, which no other may show.
    pub leader: String,
    /// What the bearer is admitted as.
    pub role: MemberRole,
}

/// What one agent tells another. Every notice has a content, so that those of later versions can be passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time is passed on, and most are those of the larger kinds")]
pub enum Notice {
    /// Roots, authorities or revocations have changed.
    Trust(AuthorityTrust),
    /// A word on a stream of changes.
    Stream(#[serde(deserialize_with = "or_unknown")] StreamMessage),
    /// A word on who leads.
    Leadership(LeadershipMessage),
    /// A notice of a later version. It is never sent.
    Unknown,
}
