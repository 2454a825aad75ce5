//! Why a device cannot run a service.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::figure::Figure;
use crate::policy::{PolicyCode, PolicyReason};

/// What a device fails by. [`ReasonCode::as_str`] is the name that programs see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// It is not connected.
    Status,
    /// Its newest figures are too old, or there are none; in seconds.
    Freshness,
    /// It is another kind of agent.
    AgentType,
    /// It has another processor.
    CpuArch,
    /// It has another operating system.
    Os,
    /// Too little main memory is free; in MiB.
    MemoryMin,
    /// Too little disk space is free; in MiB.
    StorageMin,
    /// Too little disk space is free for what the service takes; in MiB.
    Disk,
    /// What the service needs is not attached.
    ReqResource,
    /// It cannot run services of this `exec_type`.
    Backend,
    /// Its operator has closed it to new services.
    Cordoned,
    /// Its operator is emptying it.
    Draining,
    /// It was tried in this request, and failed.
    AlreadyFailed,
    /// It did not keep the promises made for this service.
    QualityOfService,
    /// A limit of its owner's, or of who asks.
    Policy(PolicyCode),
}

impl ReasonCode {
    /// The code's name in answers; those of policies begin with `policy_`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Freshness => "freshness",
            Self::AgentType => "agent_type",
            Self::CpuArch => "cpu_arch",
            Self::Os => "os",
            Self::MemoryMin => "memory_min",
            Self::StorageMin => "storage_min",
            Self::Disk => "disk",
            Self::ReqResource => "req_resource",
            Self::Backend => "backend",
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::AlreadyFailed => "already_failed",
            Self::QualityOfService => "quality_of_service",
            Self::Policy(PolicyCode::UserProfile) => "policy_user_profile",
            Self::Policy(PolicyCode::ResourceContributor) => "policy_resource_contributor",
            Self::Policy(PolicyCode::SharingModel) => "policy_sharing_model",
            Self::Policy(PolicyCode::MaxApps) => "policy_max_apps",
            Self::Policy(PolicyCode::CpuUsage) => "policy_cpu_usage",
            Self::Policy(PolicyCode::MemoryUsage) => "policy_memory_usage",
            Self::Policy(PolicyCode::StorageUsage) => "policy_storage_usage",
            Self::Policy(PolicyCode::BandwidthUsage) => "policy_bandwidth_usage",
            Self::Policy(PolicyCode::BatteryLimit) => "policy_battery_limit",
            Self::Policy(PolicyCode::GpsAllowed) => "policy_gps_allowed",
            Self::Policy(PolicyCode::ServiceConsumer) => "policy_service_consumer",
        }
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing that is in the way. Written, it is a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason<'a> {
    /// What it is.
    pub code: ReasonCode,
    /// What is wanted, or allowed.
    pub limit: Figure<'a>,
    /// What is there.
    pub actual: Figure<'a>,
}

impl<'a> Reason<'a> {
    pub(crate) const fn new(code: ReasonCode, limit: Figure<'a>, actual: Figure<'a>) -> Self {
        Self { code, limit, actual }
    }

    /// The same, independent of the documents.
    #[must_use]
    pub fn into_owned(self) -> Reason<'static> {
        Reason { code: self.code, limit: self.limit.into_owned(), actual: self.actual.into_owned() }
    }
}

impl From<PolicyReason> for Reason<'_> {
    fn from(reason: PolicyReason) -> Self {
        Self { code: ReasonCode::Policy(reason.code), limit: reason.limit, actual: reason.actual }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, limit, actual } = self;
        match code {
            ReasonCode::Status => write!(f, "its status is {actual}, not {limit}"),
            ReasonCode::Freshness if *actual == Figure::Unknown => f.write_str("nothing is known of how it is doing"),
            ReasonCode::Freshness => write!(f, "its newest figures are {actual} old, and {limit} are allowed"),
            ReasonCode::AgentType if *limit == Figure::Unknown => {
                f.write_str("the service does not say on which kind of agent it runs")
            }
            ReasonCode::AgentType => write!(f, "the service is for agents of kind {limit}, and this is {actual}"),
            ReasonCode::CpuArch => write!(f, "the service is for processors {limit}, and this is {actual}"),
            ReasonCode::Os => write!(f, "the service is for the system {limit}, and this is {actual}"),
            ReasonCode::MemoryMin => write!(f, "the service needs {limit} of memory, and {}", Free(actual)),
            ReasonCode::StorageMin => write!(f, "the service needs {limit} of disk space, and {}", Free(actual)),
            ReasonCode::Disk => write!(f, "the service takes {limit} of disk space, and {}", Free(actual)),
            ReasonCode::ReqResource => write!(f, "the service needs {limit}, and {actual} is not attached"),
            ReasonCode::Backend if *actual == Figure::Unknown => {
                write!(f, "the service needs {limit} to run, and the device does not say what it offers")
            }
            ReasonCode::Backend => write!(f, "the service needs {limit} to run, and the device offers {actual}"),
            ReasonCode::Cordoned => f.write_str("its operator has closed it to new services"),
            ReasonCode::Draining => f.write_str("its operator is emptying it"),
            ReasonCode::AlreadyFailed => f.write_str("it was tried in this request, and failed"),
            ReasonCode::QualityOfService => f.write_str("it did not keep the promises made for this service"),
            ReasonCode::Policy(code) => {
                let (limit, actual) = (limit.clone().into_owned(), actual.clone().into_owned());
                PolicyReason { code: *code, limit, actual }.fmt(f)
            }
        }
    }
}

/// How much is free, in a sentence.
struct Free<'f, 'a>(&'f Figure<'a>);

impl fmt::Display for Free<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Figure::Unknown => f.write_str("how much is free is not known"),
            actual => write!(f, "{actual} are free"),
        }
    }
}
