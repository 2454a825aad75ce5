//! Answers a query over one collection: filter, access, count, order, page and aggregates.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use mf2c_domain::aggregate::Aggregator;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::Filter;
use mf2c_domain::path::Path;
use mf2c_domain::query::{OrderKey, Query};
use serde_json::{Map, Value};

use super::bitmap::Bitmap;
use super::collection::{Collection, State};
use super::column::values;
use super::rank::first_rows;
use super::reader::Reader;
use super::sort::{Cursor, CursorError, SortValue};
use crate::document::Document;

/// The answer to a query.
#[derive(Debug, Default)]
pub struct Found {
    /// How many documents match and may be seen, before paging.
    pub count: usize,
    /// The page.
    pub documents: Vec<Arc<Document>>,
    /// By label, if the query asked for any.
    pub aggregations: Option<Map<String, Value>>,
    /// What to send as `$after` for the next page; none on the last one.
    pub after: Option<String>,
}

impl Collection {
    /// Answers `query` with what `caller` may see. `order` is the query's order or the type's own.
    pub(crate) fn find(
        &self,
        query: &Query,
        order: &[OrderKey],
        caller: &Caller,
        read: &Reader<'_>,
    ) -> Result<Found, CursorError> {
        // An empty cursor asks for the first page.
        let cursor = query.after.as_deref().filter(|text| !text.is_empty());
        let cursor = cursor.map(|text| Cursor::parse(text, order)).transpose()?;
        let wanted = query.filter.iter().flat_map(Filter::paths);
        let wanted = wanted.chain(order.iter().map(|key| &key.path));
        self.ensure_columns(wanted.chain(query.aggregations.iter().map(|aggregation| &aggregation.path)), read);

        let state = self.state.read();
        let view = View { state: &state, read };
        let matching = view.matching(query, caller);
        let mut found = Found { count: matching.count(), ..Found::default() };
        if !query.aggregations.is_empty() {
            found.aggregations = Some(view.aggregate(query, &matching));
        }
        let (skip, take) = query.window();
        let (rows, more) = match order {
            [] => view.natural_page(&matching, cursor.as_ref(), skip, take),
            keys => view.ordered_page(&matching, keys, cursor.as_ref(), skip, take),
        };
        found.documents = rows.iter().filter_map(|row| state.rows[*row].clone()).collect();
        if let (true, Some(last)) = (more, rows.last()) {
            found.after = Some(view.cursor(*last, order).to_text());
        }
        Ok(found)
    }
}

/// One reading of a collection.
struct View<'a> {
    state: &'a State,
    read: &'a Reader<'a>,
}

impl View<'_> {
    fn document(&self, row: usize) -> Option<Cow<'_, [u8]>> {
        self.state.rows[row].as_ref().and_then(|document| self.read.read(document))
    }

    fn matching(&self, query: &Query, caller: &Caller) -> Bitmap {
        let mut rows = self.state.live.clone();
        if !caller.is_admin() {
            let visible: Vec<bool> = self.state.acls.iter().map(|acl| acl.can_view(caller)).collect();
            if !visible.iter().all(|visible| *visible) {
                rows.retain(&self.state.acl_of_row, |acl| visible[acl as usize]);
            }
        }
        if let Some(filter) = &query.filter {
            self.narrow(&mut rows, filter);
        }
        rows
    }

    /// Leaves those of `rows` that satisfy the filter.
    fn narrow(&self, rows: &mut Bitmap, filter: &Filter) {
        if rows.is_empty() {
            return;
        }
        match filter {
            Filter::And(parts) => parts.iter().for_each(|part| self.narrow(rows, part)),
            Filter::Or(parts) => {
                let mut left = rows.clone();
                for part in parts {
                    let mut hit = left.clone();
                    self.narrow(&mut hit, part);
                    left.and_not(&hit);
                }
                rows.and_not(&left);
            }
            Filter::Compare(comparison) => match self.state.columns.get(&comparison.path) {
                Some(kept) => kept.column.narrow(rows, comparison, &|row| self.document(row)),
                None => {
                    for row in rows.clone().iter() {
                        let document = self.document(row).unwrap_or_default();
                        if !comparison.holds(&values(&document, &comparison.path)) {
                            rows.clear(row);
                        }
                    }
                }
            },
        }
    }

    fn aggregate(&self, query: &Query, rows: &Bitmap) -> Map<String, Value> {
        let aggregate = |aggregation: &mf2c_domain::aggregate::Aggregation| {
            let mut aggregator = Aggregator::new(aggregation);
            let column = self.state.columns.get(&aggregation.path).map(|kept| &kept.column);
            for row in rows.iter() {
                let values = match column {
                    Some(column) => column.values(row, &|row| self.document(row)),
                    None => values(&self.document(row).unwrap_or_default(), &aggregation.path),
                };
                aggregator.add(&values);
            }
            (aggregation.label.clone(), aggregator.finish())
        };
        query.aggregations.iter().map(aggregate).collect()
    }

    /// A page in the natural order, and whether more follow.
    fn natural_page(&self, rows: &Bitmap, cursor: Option<&Cursor>, skip: usize, take: usize) -> (Vec<usize>, bool) {
        let behind = |row: &usize| match (cursor, &self.state.rows[*row]) {
            (Some(cursor), Some(document)) => document.born > cursor.born,
            _ => true,
        };
        let mut left = rows.iter().filter(behind).skip(skip);
        let page: Vec<usize> = left.by_ref().take(take).collect();
        (page, left.next().is_some())
    }

    /// A page in the order of `keys`, and whether more follow.
    fn ordered_page(
        &self,
        rows: &Bitmap,
        keys: &[OrderKey],
        cursor: Option<&Cursor>,
        skip: usize,
        take: usize,
    ) -> (Vec<usize>, bool) {
        let first = &keys[0];
        let ranks = self.state.columns.get(&first.path).and_then(|kept| kept.column.ranks());
        let values = |row: usize| keys.iter().map(|key| self.sort_value(row, &key.path)).collect::<Vec<_>>();
        let cursor = cursor.map(|cursor| self.completed(cursor, keys));
        let born = |row: usize| self.state.rows[row].as_ref().map_or(0, |document| document.born);
        let behind =
            |row: &usize| cursor.as_ref().is_none_or(|cursor| cursor.is_before(&values(*row), born(*row), keys));
        let ties = |a: usize, b: usize| {
            let orders = keys
                .iter()
                .map(|key| self.sort_value(a, &key.path).compare(&self.sort_value(b, &key.path), key.descending));
            orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let rank = |row: usize| ranks.map_or(0, |ranks| ranks.of(row, first.descending));
        let decided = ranks.is_some() && keys.len() == 1;
        let end = skip.saturating_add(take);
        let (mut page, more) = first_rows(rows.iter().filter(behind), end, rank, (!decided).then_some(&ties));
        page.drain(..skip.min(page.len()));
        (page, more)
    }

    /// A cursor with the whole texts, if its document still has them.
    fn completed<'c>(&'c self, cursor: &'c Cursor, keys: &[OrderKey]) -> Cow<'c, Cursor> {
        let is_it = |row: &Option<Arc<Document>>| row.as_ref().is_some_and(|document| document.born == cursor.born);
        let row = if cursor.is_cut() { self.state.rows.iter().position(is_it) } else { None };
        let Some(row) = row else { return Cow::Borrowed(cursor) };
        let values: Vec<_> = keys.iter().map(|key| self.sort_value(row, &key.path).into_owned()).collect();
        if values.iter().zip(&cursor.keys).all(|(value, own)| value.may_be(own)) {
            return Cow::Owned(Cursor { keys: values, ..cursor.clone() });
        }
        Cow::Borrowed(cursor)
    }

    fn sort_value(&self, row: usize, path: &Path) -> SortValue<'_> {
        match self.state.columns.get(path) {
            Some(kept) => kept.column.sort_value(row, &|row| self.document(row)),
            None => {
                let values = values(&self.document(row).unwrap_or_default(), path);
                values.first().map_or(SortValue::Missing, |value| SortValue::of(value).into_owned())
            }
        }
    }

    fn cursor(&self, row: usize, keys: &[OrderKey]) -> Cursor {
        let values = keys.iter().map(|key| self.sort_value(row, &key.path).into_owned()).collect();
        Cursor::new(keys, values, self.state.rows[row].as_ref().map_or(0, |document| document.born))
    }
}
