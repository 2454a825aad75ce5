//! What a reader asks for: which types, which documents, and from where on.

use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{self, Filter};
use mf2c_domain::nearest::nearest;
use mf2c_domain::query::{QueryError, decode_pairs};
use mf2c_domain::resource;

use super::kinds::{Kinds, Unfit};
use super::mark::Mark;

/// A request for the stream, read and checked.
#[derive(Debug)]
pub(super) struct Ask {
    /// The types that he follows.
    pub(super) kinds: Kinds,
    /// The documents that he follows; all if none.
    pub(super) filter: Option<Filter>,
    /// The last event that he has; none if he begins.
    pub(super) after: Option<Mark>,
}

/// Why a stream cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AskError {
    /// The query or the filter in it cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A parameter that does not exist.
    #[error("there is no parameter `{name}`: expected `types`, `filter` or `from`{}", hint(.name, PARAMETERS))]
    UnknownParameter { name: String },
    /// A type that does not exist.
    #[error("there is no resource type `{name}`: expected names such as `device,service-instance`{}", hint(.name, types()))]
    UnknownType { name: String },
    /// A type whose collection the caller may not list.
    #[error("credentials required")]
    Forbidden { name: &'static str },
    /// What should be an event's id is none.
    #[error(
        "`{text}` is no event id: expected one that this stream gave, such as `1f3a-42`; leave it out to begin now"
    )]
    Mark { text: String },
    /// Two places at once.
    #[error("`from` is given twice: expected one event id")]
    TwoMarks,
}

const PARAMETERS: [&str; 3] = ["types", "filter", "from"];

fn types() -> impl Iterator<Item = &'static str> {
    resource::all().iter().map(|spec| spec.name)
}

fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// As much of a client's own words as an answer repeats.
fn quoted(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Ask {
    /// Reads the query of a request and its `Last-Event-ID`, which wins over `from`.
    pub(super) fn read(query: &str, last_event_id: Option<&str>, caller: &Caller) -> Result<Self, AskError> {
        let pairs = decode_pairs(query)?;
        let (mut types, mut filters, mut from) = (Vec::new(), Vec::new(), None);
        for (name, value) in &pairs {
            match name.strip_prefix('$').unwrap_or(name) {
                "types" => types.extend(value.split(',').map(str::trim).filter(|name| !name.is_empty())),
                "filter" => filters.push(value.as_str()),
                "from" if from.is_some_and(|other| other != value) => return Err(AskError::TwoMarks),
                "from" => from = Some(value),
                other => return Err(AskError::UnknownParameter { name: quoted(other) }),
            }
        }
        let kinds = if types.is_empty() { Ok(Kinds::visible_to(caller)) } else { Kinds::named(types, caller) };
        let kinds = kinds.map_err(|unfit| match unfit {
            Unfit::Unknown(name) => AskError::UnknownType { name: quoted(name) },
            Unfit::Forbidden(name) => AskError::Forbidden { name },
        })?;
        let filter = filter::parse_all(&filters).map_err(QueryError::from)?;
        let after = last_event_id.or(from.map(String::as_str)).map(str::trim).filter(|text| !text.is_empty());
        let mark = |text| Mark::parse(text).ok_or_else(|| AskError::Mark { text: quoted(text) });
        Ok(Self { kinds, filter, after: after.map(mark).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, id: Option<&str>) -> Result<Ask, AskError> {
        Ask::read(query, id, &Caller::new("jane", ["USER"]))
    }

    fn refused(query: &str) -> String {
        read(query, None).unwrap_err().to_string()
    }

    #[test]
    fn the_parameters_are_read_with_and_without_a_dollar_sign() {
        let plain = read("types=device,%20service&filter=disk=3&from=a-1", None).unwrap();
        let dollar = read("$types=device&$types=service&$filter=disk=3&$from=a-1&", None).unwrap();
        assert_eq!((plain.kinds, &plain.filter, plain.after), (dollar.kinds, &dollar.filter, dollar.after));
        assert_eq!(plain.kinds, Kinds::named(["device", "service"], &Caller::agent()).unwrap());
        assert_eq!(plain.after, Some(Mark { incarnation: 10, position: 1 }));
    }

    #[test]
    fn without_parameters_everything_is_followed_from_now_on() {
        for query in ["", "types=", "types=,&from=&"] {
            let ask = read(query, Some("")).unwrap();
            assert!(ask.filter.is_none() && ask.after.is_none(), "{query}");
            assert_eq!(ask.kinds, Kinds::visible_to(&Caller::new("jane", ["USER"])));
        }
    }

    #[test]
    fn the_header_wins_over_the_parameter() {
        let ask = read("from=1-1", Some("1-2")).unwrap();
        assert_eq!(ask.after, Some(Mark { incarnation: 1, position: 2 }));
        assert_eq!(read("from=1-1&from=1-2", None).unwrap_err(), AskError::TwoMarks);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_was_probably_meant() {
        assert!(refused("types=device,service-instanse").contains("`service-instanse`"));
        assert!(refused("types=service-instanse").ends_with("did you mean `service-instance`?"));
        assert!(refused("type=device").ends_with("did you mean `types`?"));
        assert!(refused("from=yesterday").contains("`yesterday` is no event id"));
        assert!(refused("filter=disk%3d").contains("column"), "{}", refused("filter=disk%3d"));
        assert_eq!(refused("types=configuration"), "credentials required");
        assert!(refused(&format!("types={}", "x".repeat(9999))).len() < 300);
    }
}
