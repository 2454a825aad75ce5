//! What the owner of a device allows: the sharing model and the user profile held against what runs there and what
//! shall.

mod demand;
mod running;

use std::fmt;

use serde::Serialize;

pub use demand::{Demand, Shares};
pub use running::{Measure, Response, Running, respond, violations};

use crate::document::{Dynamic, SharingModel, UserProfile};
use crate::figure::Figure;
use crate::units::Percent;

/// What a rule of the owner's is about. [`PolicyCode::as_str`] is the name that programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyCode {
    /// There is no user profile, or none that can be read.
    UserProfile,
    /// The device does not run services for others.
    ResourceContributor,
    /// There is no sharing model, or none that can be read.
    SharingModel,
    /// As many applications run as are allowed.
    MaxApps,
    /// More processor time than is lent; in percent of the device's.
    CpuUsage,
    /// More main memory than is lent; in percent of the device's.
    MemoryUsage,
    /// More disk space than is lent; in percent of the device's.
    StorageUsage,
    /// More network bandwidth than is lent; in percent of the device's.
    BandwidthUsage,
    /// The battery is low, and there is no mains power; in percent.
    BatteryLimit,
    /// The position may not be used.
    GpsAllowed,
    /// Nobody may ask for services on the device where the request was made.
    ServiceConsumer,
}

impl PolicyCode {
    /// The code's name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserProfile => "user_profile",
            Self::ResourceContributor => "resource_contributor",
            Self::SharingModel => "sharing_model",
            Self::MaxApps => "max_apps",
            Self::CpuUsage => "cpu_usage",
            Self::MemoryUsage => "memory_usage",
            Self::StorageUsage => "storage_usage",
            Self::BandwidthUsage => "bandwidth_usage",
            Self::BatteryLimit => "battery_limit",
            Self::GpsAllowed => "gps_allowed",
            Self::ServiceConsumer => "service_consumer",
        }
    }
}

/// A limit of the owner's that is in the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyReason {
    /// Which one.
    pub code: PolicyCode,
    /// What is allowed.
    pub limit: Figure<'static>,
    /// What is, or would be.
    pub actual: Figure<'static>,
}

impl PolicyReason {
    const fn new(code: PolicyCode, limit: Figure<'static>, actual: Figure<'static>) -> Self {
        Self { code, limit, actual }
    }
}

impl fmt::Display for PolicyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, limit, actual } = self;
        let lent = |what: &str, f: &mut fmt::Formatter<'_>| {
            write!(f, "the owner lends {limit} of the {what}, and {actual} is taken")
        };
        match code {
            PolicyCode::UserProfile => f.write_str("the device has no user profile"),
            PolicyCode::ResourceContributor => f.write_str("the owner does not let the device run services for others"),
            PolicyCode::SharingModel => f.write_str("the device has no sharing model"),
            PolicyCode::MaxApps => {
                write!(f, "the owner allows {limit} applications at one time, and there are {actual}")
            }
            PolicyCode::CpuUsage => lent("processor", f),
            PolicyCode::MemoryUsage => lent("memory", f),
            PolicyCode::StorageUsage => lent("disk", f),
            PolicyCode::BandwidthUsage => lent("bandwidth", f),
            PolicyCode::BatteryLimit => {
                write!(f, "the battery is at {actual} without mains power, and the owner wants more than {limit}")
            }
            PolicyCode::GpsAllowed => f.write_str("the owner does not give the position away"),
            PolicyCode::ServiceConsumer => f.write_str("services may not be asked for on the device that asks"),
        }
    }
}

/// Whether a device may run one more service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether it may: there is no reason against it.
    pub allowed: bool,
    /// All that is in the way.
    pub reasons: Vec<PolicyReason>,
}

/// What a verdict depends on. The default asks whether nothing may run where nobody has said anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// The device's profile.
    pub profile: Option<&'a UserProfile>,
    /// The device's sharing model.
    pub sharing: Option<&'a SharingModel>,
    /// How the device is doing.
    pub dynamic: Option<&'a Dynamic>,
    /// Whether a device without a profile or a sharing model is none to run services on, as for services of type
    /// `normal`. The original asks no owner of a `cloud` or `micro` agent; here what they have said counts, and what
    /// they have not is no obstacle.
    pub must_have_said: bool,
    /// How many applications run there for others, and how many will.
    pub apps: u32,
    /// What they take.
    pub used: Shares,
    /// What one more would take.
    pub requested: Shares,
    /// Whether it uses the position.
    pub wants_position: bool,
}

/// Whether one more service may run, by what the owner said (`spec/lifecycle.md` B.4).
#[must_use]
pub fn verdict(question: &Question<'_>) -> Verdict {
    let mut reasons = Vec::new();
    match question.profile {
        Some(profile) if !profile.resource_contributor => reasons.push(not_a_contributor()),
        None if question.must_have_said => {
            reasons.push(PolicyReason::new(PolicyCode::UserProfile, Figure::Flag(true), Figure::Flag(false)))
        }
        _ => {}
    }
    match question.sharing {
        Some(sharing) => {
            reasons.extend(low_battery(sharing, question.dynamic));
            if question.apps >= sharing.max_apps {
                reasons.push(apps(sharing, question.apps));
            }
            reasons.extend(overuse(
                sharing,
                |share| share(&question.used).plus(share(&question.requested)),
                |share| share(&question.requested) == Percent::ZERO,
            ));
            if question.wants_position && !sharing.gps_allowed {
                reasons.push(position());
            }
        }
        None if question.must_have_said => {
            reasons.push(PolicyReason::new(PolicyCode::SharingModel, Figure::Flag(true), Figure::Flag(false)))
        }
        None => {}
    }
    Verdict { allowed: reasons.is_empty(), reasons }
}

/// Whether services may be asked for on a device: what is in the way, if anything. Without a profile nothing is, as
/// in the original.
#[must_use]
pub fn may_consume(profile: Option<&UserProfile>) -> Option<PolicyReason> {
    let refuses = profile.is_some_and(|profile| !profile.service_consumer);
    refuses.then(|| PolicyReason::new(PolicyCode::ServiceConsumer, Figure::Flag(true), Figure::Flag(false)))
}

fn not_a_contributor() -> PolicyReason {
    PolicyReason::new(PolicyCode::ResourceContributor, Figure::Flag(true), Figure::Flag(false))
}

fn apps(sharing: &SharingModel, apps: u32) -> PolicyReason {
    PolicyReason::new(PolicyCode::MaxApps, Figure::Count(sharing.max_apps.into()), Figure::Count(apps.into()))
}

fn position() -> PolicyReason {
    PolicyReason::new(PolicyCode::GpsAllowed, Figure::Flag(false), Figure::Flag(true))
}

/// A charge that cannot be read is enough, as in the original.
fn low_battery(sharing: &SharingModel, dynamic: Option<&Dynamic>) -> Option<PolicyReason> {
    let charge = dynamic.filter(|dynamic| !dynamic.plugged)?.battery?;
    let low = charge <= sharing.battery_limit;
    low.then(|| {
        PolicyReason::new(PolicyCode::BatteryLimit, Figure::Share(sharing.battery_limit), Figure::Share(charge))
    })
}

/// One of the four shares.
type Share = fn(&Shares) -> Percent;

/// The shares of which more is taken than is lent. `spared` ones are not looked at.
fn overuse(
    sharing: &SharingModel,
    taken: impl Fn(Share) -> Percent,
    spared: impl Fn(Share) -> bool,
) -> impl Iterator<Item = PolicyReason> {
    let limits: [(PolicyCode, Percent, Share); 4] = [
        (PolicyCode::CpuUsage, sharing.max_cpu, |it| it.cpu),
        (PolicyCode::MemoryUsage, sharing.max_memory, |it| it.memory),
        (PolicyCode::StorageUsage, sharing.max_storage, |it| it.storage),
        (PolicyCode::BandwidthUsage, sharing.max_bandwidth, |it| it.bandwidth),
    ];
    limits.into_iter().filter_map(move |(code, limit, share)| {
        let actual = taken(share);
        let over = !spared(share) && actual > limit;
        over.then(|| PolicyReason::new(code, Figure::Share(limit), Figure::Share(actual)))
    })
}

#[cfg(test)]
mod tests;
