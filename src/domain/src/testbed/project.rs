//! Projects: members with rights, an owner, and whether administrators have approved of it. The first generation of the API
//! says "vetting" for what the later ones call "approved".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rights::{ProjectRight, Rights};
use super::{Asker, Outcome, Refusal, names};
use crate::time::Timestamp;

/// The most members of one project.
pub const MAX_MEMBERS: usize = 500;
/// The most open challenges of one project.
pub const MAX_CHALLENGES: usize = 100;
/// How long a challenge of joining holds, in seconds.
pub const CHALLENGE_SECONDS: u64 = 48 * 3600;

/// A project, as its document holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// What it is called.
    pub project_id: String,
    /// Who may give it away. He is a member.
    pub owner: String,
    /// Who has made it and given it away: it counts as his.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Whether administrators have approved of it.
    pub approved: bool,
    /// Who belongs to it, in the order in which they came.
    pub members: Vec<Member>,
    /// What its owner says of it.
    #[serde(default)]
    pub profile: BTreeMap<String, String>,
    /// Who may join it, once he or somebody else says so.
    #[serde(default)]
    pub challenges: Vec<Challenge>,
}

/// A member of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The user.
    pub uid: String,
    /// What he may do.
    pub permissions: Rights,
}

/// Something that somebody has to confirm before a user is a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// A number of 64 bits with a sign, in decimal.
    pub id: String,
    /// Who has to confirm it.
    pub kind: ChallengeKind,
    /// Who becomes a member.
    pub uid: String,
    /// What he may do then; whoever lets him join says so himself.
    #[serde(default)]
    pub permissions: Rights,
    /// Until when it holds.
    pub expires: String,
}

/// Who has to confirm a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChallengeKind {
    /// The user himself: a member wants him.
    Add,
    /// Somebody who may add users: he wants to join.
    Join,
}

/// Who becomes a member by [`Project::confirm`], and with which rights.
#[derive(Debug, Clone, Copy)]
pub enum Confirmation<'a> {
    /// The user says yes.
    ByUser,
    /// A member lets him in, with these rights.
    ByMember(&'a Rights),
}

fn no_challenge() -> Refusal {
    Refusal::request("No such challenge outstanding")
}

/// The text of an outcome or a fault.
fn already(uid: &str, project: &str) -> String {
    format!("Uid {uid} already a member of {project}")
}

/// Checks the name of a new project.
///
/// # Errors
/// [`Refusal::Request`] where it is none.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    names::is_name(name).then_some(()).ok_or_else(|| Refusal::request("Invalid projectid"))
}

impl Project {
    /// A new project; its owner is its only member and may do everything.
    #[must_use]
    pub fn new(project_id: &str, owner: &str, profile: BTreeMap<String, String>) -> Self {
        let members = vec![Member { uid: owner.to_owned(), permissions: Rights::all() }];
        let (project_id, owner) = (project_id.to_owned(), owner.to_owned());
        Self { project_id, owner, made_by: None, approved: false, members, profile, challenges: Vec::new() }
    }

    /// The entry of a member.
    #[must_use]
    pub fn member(&self, uid: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.uid == uid)
    }

    /// Whether a member holds a right. The owner holds all.
    #[must_use]
    pub fn grants(&self, uid: &str, right: ProjectRight) -> bool {
        self.owner == uid || self.member(uid).is_some_and(|member| member.permissions.has(right))
    }

    /// Whether somebody may do what takes some rights.
    ///
    /// # Errors
    /// [`Refusal::Access`] where he may not.
    pub fn demand(&self, by: Asker<'_>, rights: &[ProjectRight]) -> Result<(), Refusal> {
        let may = by.admin || rights.iter().all(|right| self.grants(by.uid, *right));
        may.then_some(()).ok_or(Refusal::Access)
    }

    /// Whether somebody may add users who have these rights: nobody gives away what he has not himself.
    ///
    /// # Errors
    /// [`Refusal::Access`] otherwise.
    pub fn demand_adding(&self, by: Asker<'_>, rights: &Rights) -> Result<(), Refusal> {
        self.demand(by, &[ProjectRight::AddUser])?;
        self.demand(by, &rights.iter().collect::<Vec<_>>())
    }

    /// What the later generations ask of a project before anything else.
    ///
    /// # Errors
    /// [`Refusal::Request`] where nobody has approved of it yet.
    pub fn demand_approval(&self) -> Result<(), Refusal> {
        self.approved.then_some(()).ok_or_else(|| Refusal::request("Project is not yet approved"))
    }

    /// Takes up a user at once.
    pub fn add(&mut self, uid: &str, rights: Rights) -> Outcome {
        if self.member(uid).is_some() {
            return Outcome::failed(uid, already(uid, &self.project_id));
        }
        if self.members.len() >= MAX_MEMBERS {
            return Outcome::failed(uid, format!("{} has {MAX_MEMBERS} members, which is the most", self.project_id));
        }
        self.challenges.retain(|challenge| challenge.uid != uid);
        self.members.push(Member { uid: uid.to_owned(), permissions: rights });
        Outcome::done(uid)
    }

    /// Removes a member. The owner gives the project away first.
    pub fn remove(&mut self, uid: &str) -> Outcome {
        if self.member(uid).is_none() {
            return Outcome::failed(uid, format!("Uid {uid} not a member of {}", self.project_id));
        }
        if self.owner == uid {
            return Outcome::failed(uid, format!("Uid {uid} owns {}", self.project_id));
        }
        self.members.retain(|member| member.uid != uid);
        Outcome::done(uid)
    }

    /// Gives a member other rights, made of those that he has.
    pub fn change(&mut self, uid: &str, rights: impl FnOnce(&Rights) -> Rights) -> Outcome {
        let project = &self.project_id;
        match self.members.iter_mut().find(|member| member.uid == uid) {
            Some(member) => {
                member.permissions = rights(&member.permissions);
                Outcome::done(uid)
            }
            None => Outcome::failed(uid, format!("Uid {uid} not a member of {project}")),
        }
    }

    /// Gives the project to somebody else, who is a member with all rights from then on. The former owner stays a member.
    ///
    /// # Errors
    /// [`Refusal::Access`] for all but the owner and administrators.
    pub fn give_to(&mut self, by: Asker<'_>, owner: &str) -> Result<(), Refusal> {
        if !by.admin && by.uid != self.owner {
            return Err(Refusal::Access);
        }
        if self.member(owner).is_none() {
            let added = self.add(owner, Rights::all());
            if let Some(reason) = added.reason {
                return Err(Refusal::Request(reason));
            }
        }
        let _ = self.change(owner, |_| Rights::all());
        let maker = self.made_by.take().unwrap_or_else(|| self.owner.clone());
        owner.clone_into(&mut self.owner);
        self.made_by = Some(maker).filter(|maker| !by.admin && maker != owner);
        Ok(())
    }

    /// Among whose projects it counts: what somebody gives away goes on counting as his, what an administrator gives does not.
    #[must_use]
    pub fn room_of(&self) -> &str {
        self.made_by.as_deref().unwrap_or(&self.owner)
    }

    /// Says whether administrators approve of it.
    ///
    /// # Errors
    /// [`Refusal::Access`] for others, [`Refusal::Request`] where it is approved already.
    pub fn approve(&mut self, by: Asker<'_>, approved: bool) -> Result<(), Refusal> {
        if !by.admin {
            return Err(Refusal::Access);
        }
        if approved && self.approved {
            return Err(Refusal::request("Project already approved"));
        }
        self.approved = approved;
        Ok(())
    }

    /// Whether somebody may remove it: its owner, as long as it is not approved of, and administrators.
    ///
    /// # Errors
    /// [`Refusal::Access`].
    pub fn demand_removal(&self, by: Asker<'_>) -> Result<(), Refusal> {
        let may = by.admin || by.uid == self.owner && !self.approved;
        may.then_some(()).ok_or(Refusal::Access)
    }

    /// Opens a challenge, and forgets those whose time is over. One of the same kind for the same user that is open holds anew, with
    /// these rights and the number that it had, so that whoever has read that can go on with it. Its number.
    ///
    /// # Errors
    /// [`Refusal::Request`] where the user is a member, or too many are open.
    pub fn challenge(
        &mut self,
        id: i64,
        kind: ChallengeKind,
        uid: &str,
        rights: Rights,
        now: Timestamp,
    ) -> Result<i64, Refusal> {
        if self.member(uid).is_some() {
            return Err(Refusal::Request(already(uid, &self.project_id)));
        }
        self.forget_old(now);
        let id = self.open_challenge(kind, uid, now).unwrap_or(id);
        self.challenges.retain(|challenge| challenge.uid != uid || challenge.kind != kind);
        if self.challenges.len() >= MAX_CHALLENGES {
            let text = format!("Too many open challenges for {}", self.project_id);
            return Err(Refusal::Request(text));
        }
        let expires = crate::people::key::after(now, CHALLENGE_SECONDS).to_string();
        let uid = uid.to_owned();
        self.challenges.push(Challenge { id: id.to_string(), kind, uid, permissions: rights, expires });
        Ok(id)
    }

    /// The number of the open challenge of this kind for a user.
    #[must_use]
    pub fn open_challenge(&self, kind: ChallengeKind, uid: &str, now: Timestamp) -> Option<i64> {
        let open = |challenge: &&Challenge| challenge.kind == kind && challenge.uid == uid && challenge.holds(now);
        self.challenges.iter().find(open)?.id.parse().ok()
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.challenges.retain(|challenge| challenge.holds(now));
    }

    /// The open challenge with this number.
    #[must_use]
    pub fn challenge_of(&self, id: i64, now: Timestamp) -> Option<&Challenge> {
        let id = id.to_string();
        self.challenges.iter().find(|challenge| challenge.id == id && challenge.holds(now))
    }

    /// Makes a member of who waits for it.
    ///
    /// # Errors
    /// [`Refusal::Request`] where no such challenge of that kind is open, [`Refusal::Access`] where it is not for the
    /// caller to confirm.
    pub fn confirm(
        &mut self,
        by: Asker<'_>,
        id: i64,
        how: Confirmation<'_>,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let found = self.challenge_of(id, now).cloned().ok_or_else(no_challenge)?;
        let rights = match (found.kind, how) {
            (ChallengeKind::Add, Confirmation::ByUser) if found.uid == by.uid => found.permissions.clone(),
            (ChallengeKind::Add, Confirmation::ByUser) => return Err(Refusal::Access),
            (ChallengeKind::Join, Confirmation::ByMember(rights)) => {
                self.demand_adding(by, rights)?;
                rights.clone()
            }
            _ => return Err(no_challenge()),
        };
        match self.add(&found.uid, rights).reason {
            None => Ok(found.uid),
            Some(reason) => Err(Refusal::Request(reason)),
        }
    }
}

impl Challenge {
    fn holds(&self, now: Timestamp) -> bool {
        Timestamp::parse(&self.expires).is_some_and(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANN: Asker<'static> = Asker { uid: "ann", admin: false };
    const JOHN: Asker<'static> = Asker { uid: "john", admin: false };
    const ROOT: Asker<'static> = Asker { uid: "root", admin: true };

    fn project() -> Project {
        Project::new("Alfa-Romeo", "ann", BTreeMap::new())
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    #[test]
    fn the_owner_may_do_everything_and_others_what_they_were_given() {
        let mut project = project();
        assert!(project.add("john", Rights::default()).success());
        assert_eq!(project.demand(ANN, &[ProjectRight::CreateExperiment]), Ok(()));
        assert_eq!(project.demand(JOHN, &[ProjectRight::AddUser]), Err(Refusal::Access));
        assert_eq!(project.demand(ROOT, &[ProjectRight::AddUser, ProjectRight::RemoveUser]), Ok(()));
        let five = |rights: &Rights| rights.with_flags(5).unwrap();
        assert!(project.change("john", five).success());
        assert_eq!(project.member("john").unwrap().permissions.flags(), 5);
        assert_eq!(project.demand(JOHN, &[ProjectRight::AddUser]), Ok(()));
        assert_eq!(project.demand(JOHN, &[ProjectRight::AddUser, ProjectRight::RemoveUser]), Err(Refusal::Access));
        let again = project.add("john", Rights::default());
        assert_eq!(again.reason.as_deref(), Some("Uid john already a member of Alfa-Romeo"));
        assert!(!project.remove("ann").success() && project.remove("john").success());
        assert!(!project.remove("john").success() && !project.change("john", Clone::clone).success());
    }

    #[test]
    fn only_the_owner_gives_a_project_away_and_only_administrators_approve_or_remove_an_approved_one() {
        let mut project = project();
        assert_eq!(project.give_to(JOHN, "john"), Err(Refusal::Access));
        assert_eq!(project.approve(ANN, true), Err(Refusal::Access));
        assert_eq!(project.demand_approval(), Err(Refusal::request("Project is not yet approved")));
        assert_eq!(project.demand_removal(ANN), Ok(()));
        project.approve(ROOT, true).unwrap();
        assert_eq!(project.approve(ROOT, true), Err(Refusal::request("Project already approved")));
        assert_eq!((project.demand_removal(ANN), project.demand_removal(ROOT)), (Err(Refusal::Access), Ok(())));
        project.give_to(ANN, "john").unwrap();
        assert!(project.owner == "john" && project.member("ann").is_some());
        assert_eq!(project.member("john").unwrap().permissions, Rights::all());
        assert!(project.remove("ann").success());
    }

    #[test]
    fn who_is_added_says_yes_himself_and_who_wants_to_join_is_let_in() {
        let mut project = project();
        let rights = Rights::named(["CREATE_EXPERIMENT"]).unwrap();
        project.challenge(-7, ChallengeKind::Add, "john", rights.clone(), now()).unwrap();
        let confirm = |project: &mut Project, by, id, how| project.confirm(by, id, how, now());
        assert_eq!(confirm(&mut project, ANN, -7, Confirmation::ByUser), Err(Refusal::Access));
        assert_eq!(confirm(&mut project, JOHN, 7, Confirmation::ByUser), Err(no_challenge()));
        assert_eq!(confirm(&mut project, ROOT, -7, Confirmation::ByMember(&rights)), Err(no_challenge()));
        assert_eq!(confirm(&mut project, JOHN, -7, Confirmation::ByUser).unwrap(), "john");
        assert_eq!(project.member("john").unwrap().permissions, rights);
        assert_eq!(confirm(&mut project, JOHN, -7, Confirmation::ByUser), Err(no_challenge()));
        project.challenge(8, ChallengeKind::Join, "kim", Rights::default(), now()).unwrap();
        assert_eq!(confirm(&mut project, JOHN, 8, Confirmation::ByMember(&rights)), Err(Refusal::Access));
        assert_eq!(confirm(&mut project, ANN, 8, Confirmation::ByMember(&rights)).unwrap(), "kim");
        let again = project.challenge(9, ChallengeKind::Join, "kim", Rights::default(), now());
        assert_eq!(again, Err(Refusal::request("Uid kim already a member of Alfa-Romeo")));
    }

    #[test]
    fn challenges_end_after_two_days_and_are_bounded() {
        let mut project = project();
        project.challenge(1, ChallengeKind::Join, "kim", Rights::default(), now()).unwrap();
        let later = |seconds| crate::people::key::after(now(), seconds);
        assert!(project.challenge_of(1, later(CHALLENGE_SECONDS - 1)).is_some());
        assert!(project.challenge_of(1, later(CHALLENGE_SECONDS)).is_none());
        for id in 2..=100 {
            project.challenge(id, ChallengeKind::Join, &format!("u{id}"), Rights::default(), now()).unwrap();
        }
        let open =
            |project: &mut Project, at| project.challenge(200, ChallengeKind::Join, "lee", Rights::default(), at);
        assert!(open(&mut project, now()).is_err() && open(&mut project, later(CHALLENGE_SECONDS)).is_ok());
        assert_eq!(project.challenges.len(), 1);
        open(&mut project, later(CHALLENGE_SECONDS)).unwrap();
        assert_eq!(project.challenges.len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_owner_is_a_member_and_nobody_is_one_twice(steps in proptest::collection::vec((0u8..4, 0u8..5), 0..60)) {
            let mut project = project();
            for (what, who) in steps {
                let uid = format!("u{who}");
                match what {
                    0 => drop(project.add(&uid, Rights::default())),
                    1 => drop(project.remove(&uid)),
                    2 => drop(project.change(&uid, |_| Rights::all())),
                    _ => drop(project.give_to(ROOT, &uid)),
                }
                prop_assert!(project.member(&project.owner).is_some());
                let mut uids: Vec<&str> = project.members.iter().map(|member| member.uid.as_str()).collect();
                uids.sort_unstable();
                prop_assert!(uids.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }
}
