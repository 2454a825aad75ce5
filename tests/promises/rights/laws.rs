//! What holds for every right matrix, whatever is written down: so that a wrong table is noticed.

use mf2c_domain::resource::Offered;

use super::callers::{Caller, Standing};
use super::matrix::{Cell, Matrix, Place, Row};

/// All violations of all laws.
pub(super) fn violations(matrix: &Matrix, callers: &[Caller]) -> Vec<String> {
    let mut found = vec![];
    for (row, cells) in matrix {
        let asked: Vec<(&Caller, &Cell)> = callers.iter().zip(cells).collect();
        for law in [
            nothing_fails,
            who_is_not_known_is_nobody,
            what_is_private_is_for_the_owner_and_administrators,
            refusals_tell_nothing,
            what_administrators_may_not_nobody_may,
            methods_are_as_described,
            members_follow_their_list_and_verbs,
        ] {
            found.extend(law(row, &asked).into_iter().map(|what| format!("{} {}: {what}", row.method, row.path)));
        }
    }
    found
}

type Asked<'a> = [(&'a Caller, &'a Cell)];

fn succeeded(cell: &Cell) -> bool {
    (200..400).contains(&cell.status)
}

fn nothing_fails(row: &Row, asked: &Asked<'_>) -> Option<String> {
    // Where services are run, somebody who is needed may be away, and some things no agent does.
    let runs = ["/lm", "/mf2c/", "/sm/api/gui/service-instance"].iter().any(|start| row.path.starts_with(start));
    let told = |cell: &Cell| runs && row.described && matches!(cell.status, 501 | 503);
    let (caller, cell) = asked.iter().find(|(_, cell)| cell.status < 100 || cell.status >= 500 && !told(cell))?;
    Some(format!("{} got {}: {}", caller.column, cell.status, cell.body))
}

/// Expired, forged and revoked credentials are worth as much as none.
fn who_is_not_known_is_nobody(row: &Row, asked: &Asked<'_>) -> Option<String> {
    // Figures are for this machine alone, and whoever comes through a proxy may sit at another.
    let here = |caller: &Caller| !row.path.ends_with("/metrics") || !caller.is_forwarded();
    let unknown = asked.iter().filter(|(caller, _)| caller.standing == Standing::Nobody);
    let mut unknown = unknown.filter(|(caller, _)| here(caller));
    let (_, first) = unknown.next()?;
    let (caller, cell) = unknown.find(|(_, cell)| cell.status != first.status)?;
    Some(format!("nobody got {}, but {} {}", first.status, caller.column, cell.status))
}

fn what_is_private_is_for_the_owner_and_administrators(row: &Row, asked: &Asked<'_>) -> Option<String> {
    // Links that are mailed are for whoever has them.
    let open = matches!(row.place, Place::Action(spec) if spec.name == "callback" || spec.name == "email");
    let (caller, cell) = asked.iter().find(|(caller, cell)| {
        let private = cell.document.as_ref().is_some_and(|document| document.private);
        private && !open && !caller.has_rights() && succeeded(cell)
    })?;
    Some(format!("{} got {}: {}", caller.column, cell.status, cell.body))
}

/// Who may not see a document learns from a refusal nothing by which he could tell it from another.
fn refusals_tell_nothing(row: &Row, asked: &Asked<'_>) -> Option<String> {
    // Providers are no documents: all who are known see all of them, and nobody else any.
    if !row.path.contains("{name}") || row.path.starts_with("/sla/providers/") {
        return None;
    }
    let mut refused = asked.iter().filter(|(caller, cell)| !caller.has_rights() && !succeeded(cell));
    let (one, first) = refused.next()?;
    let (other, cell) = refused.find(|(_, cell)| (cell.status, &cell.body) != (first.status, &first.body))?;
    Some(format!(
        "{} got {} {}, but {} {} {}",
        one.column, first.status, first.body, other.column, cell.status, cell.body
    ))
}

fn what_administrators_may_not_nobody_may(_: &Row, asked: &Asked<'_>) -> Option<String> {
    let refused = |caller: &Caller, cell: &Cell| caller.standing == Standing::Admin && cell.status == 405;
    asked.iter().find(|(caller, cell)| refused(caller, cell))?;
    let (caller, cell) = asked.iter().find(|(_, cell)| succeeded(cell))?;
    Some(format!("administrators got 405, but {} {}", caller.column, cell.status))
}

fn methods_are_as_described(row: &Row, asked: &Asked<'_>) -> Option<String> {
    let wrong = |cell: &Cell| if row.described { cell.status == 405 } else { cell.status != 405 };
    let (caller, cell) = asked.iter().find(|(_, cell)| wrong(cell))?;
    let described = if row.described { "described" } else { "not described" };
    Some(format!("it is {described}, but {} got {}: {}", caller.column, cell.status, cell.body))
}

/// What a status must be, by the type's description and the document's access list alone.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Success,
    Refused,
    Missing,
    NotDone,
    /// Not decided by rights alone.
    Open,
}

fn members_follow_their_list_and_verbs(row: &Row, asked: &Asked<'_>) -> Option<String> {
    asked.iter().find_map(|(caller, cell)| {
        let expected = expected(row, caller, cell);
        let form = matches!(row.place, Place::Collection(spec) if spec.form.is_some());
        let action = matches!(row.place, Place::Action(_));
        let holds = match expected {
            Expected::Success => succeeded(cell),
            // A template that the caller may not see is a wrong template; an action may not be there for anybody.
            Expected::Refused => cell.status == 403 || (form || action) && cell.status == 400,
            Expected::Missing => cell.status == 404,
            Expected::NotDone => cell.status == 405,
            Expected::Open => true,
        };
        (!holds).then(|| format!("expected {expected:?} for {}, got {}: {}", caller.column, cell.status, cell.body))
    })
}

fn expected(row: &Row, caller: &Caller, cell: &Cell) -> Expected {
    let allowed = |may: bool| if may { Expected::Success } else { Expected::Refused };
    match (row.place, row.method) {
        (Place::Collection(spec), "GET" | "HEAD" | "PUT") => allowed(spec.collection_acl.can_view(&caller.known(""))),
        (Place::Collection(spec), "POST") if spec.verbs.add => {
            let known = caller.known("");
            // Nobody owns what nobody sends.
            let owned = spec.form.is_some() || known.identity().is_some();
            allowed(owned && spec.collection_acl.can_modify(&known))
        }
        (Place::Collection(_), _) => Expected::NotDone,
        (Place::Member(spec), method) => {
            let done = match method {
                "GET" | "HEAD" => true,
                "PUT" => spec.verbs.edit,
                "DELETE" => spec.verbs.delete,
                _ => false,
            };
            let Some(document) = cell.document.as_ref().filter(|_| done) else {
                return if done { Expected::Missing } else { Expected::NotDone };
            };
            let known = caller.known(&document.id);
            let reads = matches!(method, "GET" | "HEAD");
            allowed(if reads { document.acl.can_view(&known) } else { document.acl.can_modify(&known) })
        }
        (Place::Action(spec), method) => {
            let action = row.path.rsplit('/').next().and_then(|action| spec.action(action)).expect("an action");
            let Some(document) = &cell.document else {
                return if action.methods.contains(&method) { Expected::Missing } else { Expected::NotDone };
            };
            match action.to {
                _ if !action.methods.contains(&method) => Expected::NotDone,
                Offered::Editors if !document.acl.can_modify(&caller.known(&document.id)) => Expected::Refused,
                _ => Expected::Open,
            }
        }
        (Place::Other, _) => Expected::Open,
    }
}
