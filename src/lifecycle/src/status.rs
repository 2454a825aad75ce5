//! The states that are told, in the original's vocabulary (`spec/lifecycle.md` A.7) with `degraded`, and for an instance `deploying` and `error`.

/// What an instance does on one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentStatus {
    /// The agent has not heard of it yet.
    Created,
    /// What it needs is fetched, and it is created.
    Deploying,
    /// It is created, and not started yet.
    Waiting,
    /// It was started and has not shown yet that it works, or is started again.
    Starting,
    /// It runs.
    Started,
    /// It runs and does not work as it should.
    Degraded,
    /// It is being stopped.
    Stopping,
    /// It does not run, as it should, or has come to its end.
    Stopped,
    /// It is being removed.
    Terminating,
    /// It is removed.
    Terminated,
    /// It should run and does not.
    Error,
    /// It should not run and does.
    ErrorStopping,
    /// Nobody can tell: the engine or the agent is away.
    Unknown,
}

/// Each with its name.
const NAMES: [(AgentStatus, &str); 13] = [
    (AgentStatus::Created, "created-not-initialized"),
    (AgentStatus::Deploying, "deploying"),
    (AgentStatus::Waiting, "waiting"),
    (AgentStatus::Starting, "starting"),
    (AgentStatus::Started, "started"),
    (AgentStatus::Degraded, "degraded"),
    (AgentStatus::Stopping, "stopping"),
    (AgentStatus::Stopped, "stopped"),
    (AgentStatus::Terminating, "terminating"),
    (AgentStatus::Terminated, "terminated"),
    (AgentStatus::Error, "error"),
    (AgentStatus::ErrorStopping, "error-stopping"),
    (AgentStatus::Unknown, "??"),
];

impl AgentStatus {
    /// Its name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(status, _)| *status == self).map_or("??", |(_, name)| name)
    }

    /// Reads a name. `not-deployed` and `error-starting` of the original are errors; what is not known is [`Self::Unknown`].
    #[must_use]
    pub fn read(name: &str) -> Self {
        match name {
            "not-deployed" | "error-starting" => Self::Error,
            _ => NAMES.iter().find(|(_, known)| *known == name).map_or(Self::Unknown, |(status, _)| *status),
        }
    }

    /// Whether something is started or may still be.
    #[must_use]
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Stopped | Self::Terminated | Self::Error)
    }
}

/// What an instance does, by what it does on each of its agents: `started` only if it is on all, `degraded` if it is on some. An
/// instance without agents is not there yet.
#[must_use]
pub fn of_instance(agents: &[AgentStatus]) -> &'static str {
    use AgentStatus as A;
    let any = |of: &[A]| agents.iter().any(|status| of.contains(status));
    let all = |of: &[A]| !agents.is_empty() && agents.iter().all(|status| of.contains(status));
    if all(&[A::Terminated]) {
        "terminated"
    } else if any(&[A::Terminating, A::Terminated]) {
        "terminating"
    } else if all(&[A::Created]) || agents.is_empty() {
        "created-not-initialized"
    } else if all(&[A::Started]) {
        "started"
    } else if any(&[A::ErrorStopping]) {
        "error-stopping"
    } else if all(&[A::Stopped]) {
        "stopped"
    } else if any(&[A::Stopping]) {
        "stopping"
    } else if any(&[A::Started, A::Degraded]) && any(&[A::Error, A::Degraded, A::Unknown, A::Stopped]) {
        "degraded"
    } else if any(&[A::Error]) {
        "error"
    } else if any(&[A::Unknown]) {
        "??"
    } else {
        "deploying"
    }
}

#[cfg(test)]
mod tests {
    use super::AgentStatus as A;
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (status, name) in NAMES {
            assert_eq!((status.name(), AgentStatus::read(name)), (name, status));
        }
        assert_eq!(AgentStatus::read("not-deployed"), A::Error);
        assert_eq!(AgentStatus::read("whatever"), A::Unknown);
    }

    #[test]
    fn an_instance_is_started_only_if_all_its_agents_are() {
        let table: [(&[A], &str); 14] = [
            (&[], "created-not-initialized"),
            (&[A::Created, A::Created], "created-not-initialized"),
            (&[A::Started, A::Started], "started"),
            (&[A::Started, A::Error], "degraded"),
            (&[A::Started, A::Degraded], "degraded"),
            (&[A::Started, A::Unknown], "degraded"),
            (&[A::Started, A::Deploying], "deploying"),
            (&[A::Created, A::Waiting], "deploying"),
            (&[A::Error, A::Deploying], "error"),
            (&[A::Stopped, A::Stopped], "stopped"),
            (&[A::Stopped, A::Stopping], "stopping"),
            (&[A::Terminated, A::Terminating], "terminating"),
            (&[A::Terminated, A::Terminated], "terminated"),
            (&[A::Stopped, A::ErrorStopping], "error-stopping"),
        ];
        for (agents, expected) in table {
            assert_eq!(of_instance(agents), expected, "{agents:?}");
        }
    }
}
