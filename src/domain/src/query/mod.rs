//! What a client asks of a collection: the query parameters of `spec/cimi.md` 7.

mod decode;

pub use decode::{MAX_PAIRS, decode_pairs};

use crate::{
    aggregate::Aggregation,
    filter::{self, Filter, FilterError},
    path::Path,
};

/// The most entries of one answer, and as many as there are without `$last`.
pub const MAX_WINDOW: usize = 10_000;
/// The most sort keys.
pub const MAX_ORDER_KEYS: usize = 16;
/// The most aggregations.
pub const MAX_AGGREGATIONS: usize = 32;
/// The most selected attributes, and the most expanded ones.
pub const MAX_SELECTED: usize = 64;
/// The longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 8192;

/// A query on a collection, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Which documents; all if none.
    pub filter: Option<Filter>,
    /// In which order, the first key most significant; missing values come last. No order is asked for if empty.
    pub order: Vec<OrderKey>,
    /// The first entry, counted from 1.
    pub first: u64,
    /// The last entry, counted from 1 and included; with `after`, counted from the cursor.
    pub last: Option<u64>,
    /// Which attributes are wanted; all if none. What an answer always has is not repeated here.
    pub select: Option<Vec<Path>>,
    /// Names of the attributes whose references are replaced by what they refer to; `*` means all.
    pub expand: Vec<String>,
    /// What is computed over all chosen documents; no label twice.
    pub aggregations: Vec<Aggregation>,
    /// The cursor of the page before, as it was given; the empty text asks for the first page.
    pub after: Option<String>,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderKey {
    /// The attribute.
    pub path: Path,
    /// Largest first.
    pub descending: bool,
}

/// Why query parameters cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A percent sign that begins no escape. `column` counts characters from 1.
    #[error(
        "`{escape}` at column {column} of the query is no percent escape: write `%` and two hexadecimal digits, and `%25` for a percent sign"
    )]
    BadEscape {
        /// What stands there, up to three characters.
        escape: String,
        /// Where.
        column: usize,
    },
    /// Escapes that stand for bytes which are no text. `column` counts characters from 1.
    #[error("the escapes at column {column} of the query do not decode to UTF-8 text: expected percent-encoded UTF-8")]
    InvalidUtf8 {
        /// Where the name or value begins.
        column: usize,
    },
    /// More parameters than [`MAX_PAIRS`].
    #[error("more than {MAX_PAIRS} query parameters: expected at most {MAX_PAIRS}")]
    TooManyPairs,
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A list parameter with too many entries.
    #[error("`${name}` has more than {limit} entries: expected at most {limit}")]
    TooMany {
        /// The parameter, without `$`.
        name: &'static str,
        /// How many entries it may have.
        limit: usize,
    },
    /// Two ways of paging at once.
    #[error(
        "`$after` and `$first` exclude each other: page by position with `$first`, or go on from a cursor with `$after`"
    )]
    AfterWithFirst,
    /// Two cursors.
    #[error("`$after` is given twice with different cursors: expected one")]
    TwoCursors,
    /// Longer than [`MAX_CURSOR_BYTES`].
    #[error("the cursor in `$after` has more than {MAX_CURSOR_BYTES} bytes: expected one that an earlier answer gave")]
    CursorTooLong,
}

impl Query {
    /// Asks for every document.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            filter: None,
            order: Vec::new(),
            first: 1,
            last: None,
            select: None,
            expand: Vec::new(),
            aggregations: Vec::new(),
            after: None,
        }
    }

    /// Reads decoded parameters, with or without the leading `$`; unknown ones are ignored.
    ///
    /// # Errors
    /// [`QueryError`] if a filter cannot be read, parameters exclude each other, or a bound is passed.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, QueryError> {
        let given = Given(pairs);
        let after = given.cursor()?;
        if after.is_some() && given.values("first").next().is_some() {
            return Err(QueryError::AfterWithFirst);
        }
        let filters: Vec<&str> = given.values("filter").collect();
        Ok(Self {
            filter: filter::parse_all(&filters)?,
            order: given.list("orderby", MAX_ORDER_KEYS, order_key)?,
            first: given.position("first").unwrap_or(1).max(1),
            last: given.position("last"),
            select: given.selection()?,
            expand: given.list("expand", MAX_SELECTED, |name| Some(name.to_owned()))?,
            aggregations: given.list("aggregation", MAX_AGGREGATIONS, Aggregation::parse)?,
            after,
        })
    }

    /// The same query, as it is answered where the `hidden` attributes, and what is in them, are not there.
    ///
    /// What an answer does not show must not be told by which documents match, in which order they come, or what they
    /// add up to.
    #[must_use]
    pub fn without(mut self, hidden: &[&str]) -> Self {
        /// No document has an attribute without a name.
        fn nowhere() -> Option<Path> {
            Path::from_steps([""])
        }
        let is_hidden = |path: &Path| hidden.contains(&path.top());
        self.filter = self.filter.map(|filter| filter.without(&is_hidden));
        let order = self.order.iter_mut().map(|key| &mut key.path);
        for path in order.chain(self.aggregations.iter_mut().map(|aggregation| &mut aggregation.path)) {
            if let (true, Some(nowhere)) = (is_hidden(path), nowhere()) {
                *path = nowhere;
            }
        }
        self
    }

    /// How many entries to skip and how many to take then, at most [`MAX_WINDOW`].
    #[must_use]
    pub fn window(&self) -> (usize, usize) {
        let skip = self.first.max(1) - 1;
        let take = self.last.map_or(MAX_WINDOW as u64, |last| last.saturating_sub(skip)).min(MAX_WINDOW as u64);
        (usize::try_from(skip).unwrap_or(usize::MAX), usize::try_from(take).unwrap_or(MAX_WINDOW))
    }
}

/// The parameters as they were sent.
struct Given<'p>(&'p [(String, String)]);

impl<'p> Given<'p> {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &'p str> + use<'p> {
        let is_it = move |given: &str| given.strip_prefix('$').unwrap_or(given) == name;
        self.0.iter().filter(move |(given, _)| is_it(given)).map(|(_, value)| value.as_str())
    }

    /// The entries of a comma list, which may be spread over several parameters, without blanks around them.
    fn entries(&self, name: &'static str) -> impl Iterator<Item = &'p str> + use<'p> {
        self.values(name).flat_map(|list| list.split(',')).map(str::trim).filter(|entry| !entry.is_empty())
    }

    /// The entries that `read` makes something of, each once.
    fn list<T: PartialEq>(
        &self,
        name: &'static str,
        limit: usize,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, QueryError> {
        let mut list = Vec::new();
        for entry in self.entries(name).filter_map(read) {
            if list.contains(&entry) {
                continue;
            }
            if list.len() == limit {
                return Err(QueryError::TooMany { name, limit });
            }
            list.push(entry);
        }
        Ok(list)
    }

    fn selection(&self) -> Result<Option<Vec<Path>>, QueryError> {
        if self.entries("select").next().is_none() || self.entries("select").any(|entry| entry == "*") {
            return Ok(None);
        }
        self.list("select", MAX_SELECTED, Path::parse).map(Some)
    }

    /// The first value that is a whole number; less than nothing counts as nothing, and too much as very much.
    fn position(&self, name: &'static str) -> Option<u64> {
        self.values(name).map(str::trim).find_map(|text| {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| if text.starts_with('-') { 0 } else { digits.parse().unwrap_or(u64::MAX) })
        })
    }

    fn cursor(&self) -> Result<Option<String>, QueryError> {
        let mut cursors = self.values("after");
        let Some(cursor) = cursors.next() else { return Ok(None) };
        if cursors.any(|other| other != cursor) {
            return Err(QueryError::TwoCursors);
        }
        if cursor.len() > MAX_CURSOR_BYTES {
            return Err(QueryError::CursorTooLong);
        }
        Ok(Some(cursor.to_owned()))
    }
}

/// `attribute`, `attribute:asc` or `attribute:desc`; the attribute may have other colons.
///
/// Nested attributes are written with slashes, or with dots as the original needs them.
fn order_key(entry: &str) -> Option<OrderKey> {
    let (name, descending) = match (entry.strip_suffix(":asc"), entry.strip_suffix(":desc")) {
        (Some(name), _) => (name, false),
        (_, Some(name)) => (name, true),
        _ => (entry, false),
    };
    let name = name.trim();
    let path = if name.contains('/') { Path::parse(name) } else { Path::parse(&name.replace('.', "/")) };
    path.map(|path| OrderKey { path, descending })
}

#[cfg(test)]
mod tests;
