//! Shows documents as they are stored, to whom CIMI shows them.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::{TypeSpec, find};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, StoreError};
use serde_json::{Map, Value};

use super::{Answered, Call, JSON, SlaError, whole_id};
use crate::cimi::parts::quoted;
use crate::error::ApiError;

/// The largest list, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// The description of a type that there is.
pub(super) fn spec(kind: &'static str) -> Result<&'static TypeSpec, SlaError> {
    find(kind).ok_or_else(SlaError::missing)
}

impl Call<'_> {
    /// A document, if it is there and the caller may see it.
    pub(super) fn viewable(&self, kind: &str, id: &str) -> Result<Arc<Document>, SlaError> {
        let id = ResourceId::parse(&whole_id(kind, id)).map_err(|_| SlaError::missing())?;
        let document = self.exchange.api.store.get(id.as_str()).ok_or_else(SlaError::missing)?;
        let may = document.acl.can_view(&self.exchange.caller);
        if may { Ok(document) } else { Err(ApiError::forbidden(id.as_str()).into()) }
    }

    /// A document as it is stored.
    pub(super) fn body(&self, document: &Document) -> Result<Vec<u8>, SlaError> {
        let body = self.exchange.api.store.body(document)?;
        Ok(body.ok_or_else(SlaError::missing)?.into_owned())
    }

    /// The same, read.
    pub(super) fn object_of(&self, document: &Document) -> Result<Map<String, Value>, SlaError> {
        Ok(serde_json::from_slice(&self.body(document)?).unwrap_or_default())
    }

    /// 200 with a document.
    pub(super) fn shown(&self, document: &Document) -> Answered {
        let tag = format!("\"{}\"", self.exchange.api.store.tag(document));
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CONTENT_TYPE, JSON)).insert_header((header::ETAG, tag));
        Ok(response.body(self.body(document)?))
    }

    /// `GET /violations` and `GET /penalties`: the records that the parameters leave, the oldest first.
    pub(super) async fn records(&self, kind: &'static str) -> Answered {
        let mut conditions = vec![];
        let (mut from, mut to) = (None, None);
        let mut seen: Vec<String> = vec![];
        for (name, value) in self.parameters()? {
            if seen.contains(&name) {
                return Err(SlaError::bad(format!("there are several `{name}`: expected one")));
            }
            seen.push(name.clone());
            match name.as_str() {
                "agreement" => {
                    let id = whole_id("agreement", &value);
                    ResourceId::parse(&id).map_err(|_| SlaError::bad(unfit("agreement", &value, "the id of one")))?;
                    conditions.push(format!("agreement_id/href={}", quoted(&id)));
                }
                "guarantee" => conditions.push(format!("guarantee={}", quoted(&value))),
                "from" => from = Some(moment("from", &value)?),
                "to" => to = Some(moment("to", &value)?),
                "first" | "last" => {}
                other => {
                    let shown: String = other.chars().take(40).collect();
                    let known = "agreement, guarantee, from, to, first and last";
                    return Err(SlaError::bad(format!("unknown parameter `{shown}`: there are {known}")));
                }
            }
        }
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(SlaError::bad(format!(
                "`from` ({from}) does not lie before `to` ({to}), which is not included"
            )));
        }
        conditions.extend(from.map(|from| format!("datetime>={}", quoted(&from.to_string()))));
        conditions.extend(to.map(|to| format!("datetime<{}", quoted(&to.to_string()))));
        let filter = (!conditions.is_empty()).then(|| conditions.join(" and "));
        self.listed(kind, filter, Some("datetime:asc")).await
    }

    /// 200 with a list of the documents that match and that the caller may see, a page at most.
    pub(super) async fn listed(
        &self,
        kind: &'static str,
        filter: Option<String>,
        order: Option<&'static str>,
    ) -> Answered {
        let (api, spec) = (self.exchange.api, spec(kind)?);
        if !spec.collection_acl.can_view(&self.exchange.caller) {
            return Err(ApiError::forbidden(spec.name).into());
        }
        let mut pairs = self.parameters()?;
        pairs.retain(|(name, _)| matches!(name.as_str(), "first" | "last"));
        if let Some((name, value)) = pairs.iter().find(|(_, value)| value.parse::<u64>().is_err()) {
            return Err(SlaError::bad(unfit(name, value, "the number of a record, from 1")));
        }
        pairs.iter_mut().for_each(|(name, _)| name.insert(0, '$'));
        pairs.extend(filter.map(|filter| ("$filter".to_owned(), filter)));
        pairs.extend(order.map(|order| ("$orderby".to_owned(), order.to_owned())));
        let mut query = Query::from_pairs(&pairs)?;
        let page = query.first.saturating_add(api.settings.page as u64).saturating_sub(1);
        query.last = Some(query.last.unwrap_or(u64::MAX).min(page));
        let (store, caller) = (Arc::clone(&api.store), self.exchange.caller.clone());
        let found = if store.is_prepared(spec, &query) {
            store.find(spec, &query, &caller)?
        } else {
            web::block(move || store.find(spec, &query, &caller)).await.map_err(|_| StoreError::Stopping)??
        };
        let mut out = vec![b'['];
        for document in &found.documents {
            // One that is gone meanwhile is left out.
            let Some(body) = api.store.body(document)? else { continue };
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&body);
            if out.len() > MAX_ANSWER {
                return Err(SlaError::bad("the list would be larger than 64 MiB: ask for less with first and last"));
            }
        }
        out.push(b']');
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CONTENT_TYPE, JSON));
        Ok(response.insert_header(("mf2c-count", found.count.to_string())).body(out))
    }
}

/// A time of a parameter, as the store compares it.
fn moment(name: &str, text: &str) -> Result<Timestamp, SlaError> {
    // A plus sign in a query stands for a blank.
    let time = Timestamp::parse_partial(&text.replace(' ', "+"));
    let expected = "a time as RFC 3339 has it, such as 2026-11-22T17:00:00Z";
    time.ok_or_else(|| SlaError::bad(unfit(name, text, expected)))
}

fn unfit(name: &str, value: &str, expected: &str) -> String {
    let shown: String = value.chars().take(40).collect();
    format!("`{name}` is `{shown}`: expected {expected}")
}

#[cfg(test)]
mod tests {
    use mf2c_domain::query::Query;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_of_a_client_leaves_its_quotes(text in any::<String>()) {
            let pairs = [("$filter".to_owned(), format!("guarantee={}", quoted(&text)))];
            let filter = Query::from_pairs(&pairs).unwrap().filter.unwrap().to_string();
            prop_assert_eq!(filter, format!("guarantee={}", quoted(&text)));
        }
    }
}
