//! Values that are one of a few words: roles, formats, switches.

use std::fmt;
use std::str::FromStr;

use mf2c_domain::nearest::nearest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is none of {}{}", known.join(", "), suggestion(word, known))]
pub struct UnknownWord {
    word: String,
    known: &'static [&'static str],
}

fn suggestion(word: &str, known: &[&str]) -> String {
    nearest(word, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Makes an enum of words that is read and written as its words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name { $($(#[$meaning])* $variant),+ }

        impl $name {
            /// All words, in the order of their declaration.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { word: word.chars().take(40).collect(), known: Self::WORDS }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownWord;

            fn try_from(word: String) -> Result<Self, UnknownWord> {
                word.parse()
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                value.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is done when what runs on a device is more than its owner lends.
    OnViolation {
        /// It is told in the log.
        #[default]
        Warn = "warn",
        /// What came last is stopped, until there is room for it again.
        StopYoungest = "stop-youngest",
        /// What came last is moved to another device.
        Move = "move",
    }
}

words! {
    /// Which keys are made at the door for Deltacloud's clients.
    DeltacloudKeys {
        /// SSH keys.
        #[default]
        Key = "key",
        /// None: logins are shown that were stored in CIMI.
        Password = "password",
    }
}

words! {
    /// What an agent is in its area.
    Role {
        /// A child of a leader, or alone.
        #[default]
        Agent = "agent",
        /// Leads an area.
        Leader = "leader",
        /// The root of the tree of areas.
        Cloud = "cloud",
    }
}

words! {
    /// How quickly the loss of a leader is noticed.
    Profile {
        /// Within 3 s: for agents of one local network.
        #[default]
        Lan = "lan",
        /// Within 1 s: for a quiet local network.
        Fast = "fast",
        /// Within 15 s: for agents far apart.
        Wan = "wan",
    }
}

words! {
    /// What happens where nobody leads and no backup is left.
    Election {
        /// Somebody chooses with `mf2c area lead`.
        #[default]
        Manual = "manual",
        /// The first in the line that is left founds the area anew.
        Automatic = "automatic",
    }
}

words! {
    /// In what reports say how long operations took.
    ReportUnit {
        /// Seconds, as CIMI describes the field.
        #[default]
        Seconds = "s",
        /// Thousandths of a second, as COMPSs is said to write them.
        Milliseconds = "ms",
    }
}

words! {
    /// Who may act as somebody else by the header `slipstream-authn-info`.
    AuthHeader {
        /// Nobody: the header is ignored.
        #[default]
        Off = "off",
        /// Programs on this machine.
        Loopback = "loopback",
    }
}

words! {
    /// How the connection to the mail server is protected.
    MailSecurity {
        /// TLS by STARTTLS, or no mail at all.
        #[default]
        StartTls = "starttls",
        /// TLS from the first byte.
        Tls = "tls",
        /// Not at all: for a mail server on this machine.
        None = "none",
    }
}

words! {
    /// What services may be placed on this device.
    AgentType {
        /// Those that the device has room for.
        #[default]
        Normal = "normal",
        /// Those of a data centre.
        Cloud = "cloud",
        /// None, or very small ones: the device is itself small.
        Micro = "micro",
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        #[default]
        Text = "text",
        /// One JSON object a line, for collectors.
        Json = "json",
    }
}

words! {
    /// Which requests get a line in the log.
    AccessLog {
        /// None.
        #[default]
        Off = "off",
        /// Those that were refused or failed.
        Errors = "errors",
        /// Every one.
        All = "all",
    }
}

words! {
    /// How cau-client talks to a regional CAU.
    CauGeneration {
        /// HTTP, as the original's second iteration does.
        #[default]
        It2 = "it2",
        /// One request on a bare TLS connection, as its first iteration does.
        It1 = "it1",
    }
}

words! {
    /// How public keys are labelled in PEM at the doors of the original.
    KeyLabel {
        /// `RSA PUBLIC KEY`, which the original wrote by mistake and its readers take off.
        #[default]
        Original = "original",
        /// `PUBLIC KEY`, as RFC 7468 has it.
        Standard = "standard",
    }
}

words! {
    /// What a leader says in its beacons that it offers.
    Offer {
        /// Much room on disks.
        #[default]
        HighStorage = "high-storage",
        /// Some room on disks.
        MediumStorage = "medium-storage",
        /// Little room on disks.
        LowStorage = "low-storage",
        /// A fast network.
        HighBandwidth = "high-bandwidth",
        /// A network.
        MediumBandwidth = "medium-bandwidth",
        /// A slow network.
        LowBandwidth = "low-bandwidth",
        /// Fast processors.
        HighProcessing = "high-processing",
        /// Processors.
        MediumProcessing = "medium-processing",
        /// Slow processors.
        LowProcessing = "low-processing",
    }
}

words! {
    /// How much a leader says that it wants others to come.
    Urgency {
        /// Much: it has much room left.
        High = "high",
        /// Some.
        #[default]
        Medium = "medium",
        /// Little: it is loaded.
        Low = "low",
    }
}

words! {
    /// Who may read `/metrics`.
    MetricsReaders {
        /// Programs on this machine, and administrators.
        #[default]
        Loopback = "loopback",
        /// Everybody.
        Open = "open",
        /// Administrators.
        Admin = "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_an_unknown_one_is_refused_with_the_nearest() {
        for word in Role::WORDS {
            assert_eq!(word.parse::<Role>().unwrap().as_str(), *word);
        }
        assert_eq!(
            "leadr".parse::<Role>().unwrap_err().to_string(),
            "`leadr` is none of agent, leader, cloud; did you mean `leader`?"
        );
        assert_eq!("xx".parse::<LogFormat>().unwrap_err().to_string(), "`xx` is none of text, json");
    }
}
