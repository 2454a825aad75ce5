//! Answers queries the slow and plain way: every document is read, filtered by its bytes and sorted by value.

use std::cmp::Ordering;

use mf2c_domain::aggregate::Aggregator;
use mf2c_domain::caller::Caller;
use mf2c_domain::path::{Path, visit_values};
use mf2c_domain::query::{OrderKey, Query};
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::scalar::Scalar;
use mf2c_domain::time::Timestamp;
use mf2c_store::Store;
use serde_json::{Map, Value};

/// Ids in order, and the aggregations.
pub(crate) struct Answer {
    pub(crate) ids: Vec<String>,
    pub(crate) aggregations: Map<String, Value>,
}

pub(crate) fn query(pairs: &[(&str, &str)]) -> Query {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Query::from_pairs(&pairs).unwrap()
}

/// What the whole answer must be, before paging.
pub(crate) fn answer(store: &Store, spec: &TypeSpec, query: &Query, caller: &Caller) -> Answer {
    let mut rows: Vec<(u64, String, Vec<u8>)> = store
        .all(spec.name)
        .into_iter()
        .filter(|document| document.acl.can_view(caller))
        .map(|document| (document.born, document.id.to_string(), store.body(&document).unwrap().unwrap().into_owned()))
        .filter(|(.., body)| query.filter.as_ref().is_none_or(|filter| filter.matches(body)))
        .collect();
    let own = spec.default_order.map(|(path, descending)| OrderKey { path: Path::parse(path).unwrap(), descending });
    let order: Vec<OrderKey> = if query.order.is_empty() { own.into_iter().collect() } else { query.order.clone() };
    rows.sort_by(|a, b| compare(a, b, &order));
    let aggregations = query.aggregations.iter().map(|aggregation| {
        let mut aggregator = Aggregator::new(aggregation);
        // In their natural order, as terms that are equally frequent are told in the order of their coming.
        let mut natural: Vec<_> = rows.iter().collect();
        natural.sort();
        natural.iter().for_each(|(.., body)| aggregator.add(&values(body, &aggregation.path)));
        (aggregation.label.clone(), aggregator.finish())
    });
    let aggregations = aggregations.collect();
    Answer { ids: rows.into_iter().map(|(_, id, _)| id).collect(), aggregations }
}

fn values(body: &[u8], path: &Path) -> Vec<Scalar<'static>> {
    let mut found = Vec::new();
    visit_values(body, path, &mut |value| found.push(value.clone().into_owned()));
    found
}

type Row = (u64, String, Vec<u8>);

fn compare(a: &Row, b: &Row, order: &[OrderKey]) -> Ordering {
    for key in order {
        let first = |row: &Row| values(&row.2, &key.path).into_iter().next().and_then(sortable);
        let by_key = match (first(a), first(b)) {
            (Some(a), Some(b)) if key.descending => b.compare(&a),
            (Some(a), Some(b)) => a.compare(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        if by_key != Ordering::Equal {
            return by_key;
        }
    }
    a.0.cmp(&b.0)
}

/// Numbers, then booleans, instants and texts.
enum Sortable {
    Number(f64),
    Bool(bool),
    Instant(Timestamp),
    Text(String),
}

fn sortable(value: Scalar<'static>) -> Option<Sortable> {
    Some(match value {
        Scalar::Int(number) => Sortable::Number(number as f64),
        Scalar::Float(number) => Sortable::Number(number),
        Scalar::Bool(value) => Sortable::Bool(value),
        Scalar::Text(text) => match Timestamp::parse(&text) {
            Some(at) => Sortable::Instant(at),
            None => Sortable::Text(text.into_owned()),
        },
        Scalar::Null | Scalar::Composite => return None,
    })
}

impl Sortable {
    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Bool(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) => 3,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Holds every way to the answer against the plain one: whole, by window, and by cursor to the end.
#[track_caller]
pub(crate) fn check(store: &Store, spec: &TypeSpec, filter: &str, order: &str, page: u64, caller: &Caller) {
    let mut pairs = vec![("$filter", filter), ("$orderby", order)];
    pairs.retain(|(_, value)| !value.is_empty());
    let query = query(&pairs);
    let plain = answer(store, spec, &query, caller);
    let context = || format!("{} where {filter} by {order}", spec.name);
    let found = store.find(spec, &query, caller).unwrap();
    let ids = |found: &mf2c_store::Found| found.documents.iter().map(|found| found.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&found), plain.ids, "{}", context());
    assert_eq!((found.count, found.after.clone()), (plain.ids.len(), None), "{}", context());

    let window = Query { first: page, last: Some(2 * page), ..query.clone() };
    let found = store.find(spec, &window, caller).unwrap();
    let expected: Vec<_> = plain.ids.iter().skip(page as usize - 1).take(page as usize + 1).cloned().collect();
    assert_eq!((ids(&found), found.count), (expected, plain.ids.len()), "{} from {page}", context());

    let mut paged = Vec::new();
    let mut after = Some(String::new());
    while let Some(cursor) = after {
        let part = Query { after: Some(cursor), last: Some(page), ..query.clone() };
        let found = store.find(spec, &part, caller).unwrap();
        assert!(found.documents.len() <= page as usize && found.count == plain.ids.len());
        paged.extend(ids(&found));
        after = found.after;
        assert!(paged.len() <= plain.ids.len(), "{} in pages of {page}", context());
    }
    assert_eq!(paged, plain.ids, "{} in pages of {page}", context());
}
