//! The words for how experiments and their containers are.

/// How a container of an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// It runs.
    Up,
    /// It does not run.
    Down,
    /// It is made and does not run yet.
    Configured,
    /// Something is being done to it.
    Pinned,
    /// There is none.
    None,
}

impl Container {
    /// From the `status` of a service instance.
    #[must_use]
    pub fn of(status: &str) -> Self {
        match status {
            "started" | "degraded" => Self::Up,
            "created-not-initialized" | "waiting" | "deploying" | "starting" => Self::Configured,
            "stopping" | "terminating" | "error-stopping" => Self::Pinned,
            _ => Self::Down,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "Up",
            Self::Down => "Down",
            Self::Configured => "Configured",
            Self::Pinned => "Pinned",
            Self::None => "None",
        }
    }
}

/// How an experiment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing of it runs.
    Unrealized,
    /// It has what it needs.
    Realized,
    /// It is on its way from one to the other.
    Changing,
    /// Something else is being done to it.
    Pinned,
}

impl State {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unrealized => "Unrealized",
            Self::Realized => "Realized",
            Self::Changing => "Changing",
            Self::Pinned => "Pinned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_instances_do_is_said_in_the_words_of_containers() {
        for (status, word) in [
            ("started", "Up"),
            ("degraded", "Up"),
            ("created-not-initialized", "Configured"),
            ("starting", "Configured"),
            ("stopped", "Down"),
            ("error", "Down"),
            ("??", "Down"),
            ("terminating", "Pinned"),
        ] {
            assert_eq!(Container::of(status).word(), word, "{status}");
        }
    }
}
