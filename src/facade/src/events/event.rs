//! One change as the stream tells it: rendered once, then the same bytes for every reader who may see it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::resource;
use mf2c_store::{Change, ChangeKind};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::kinds::Kinds;
use super::mark::Mark;

/// A change at its place in the log.
#[derive(Debug)]
pub(super) struct Event {
    /// Its place.
    pub(super) position: u64,
    /// None for what this version cannot show: a type that it does not know.
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    /// Its type.
    kind: Kinds,
    acl: Acl,
    text: Bytes,
    /// Where in `text` the document stands, without its secrets.
    document: Range<usize>,
}

#[derive(Deserialize)]
struct Guarded {
    acl: Acl,
}

impl Event {
    /// Renders a change of the store whose incarnation this is.
    pub(super) fn of(change: &Change, incarnation: u64) -> Self {
        Self { position: change.position, shown: Shown::of(change, incarnation) }
    }

    /// Whether a caller who follows these types may see it.
    pub(super) fn is_for(&self, caller: &Caller, kinds: Kinds) -> bool {
        self.shown.as_ref().is_some_and(|shown| kinds.meets(shown.kind) && shown.acl.can_view(caller))
    }

    /// The document, without its secrets: what filters look at.
    pub(super) fn document(&self) -> Bytes {
        self.shown.as_ref().map(|shown| shown.text.slice(shown.document.clone())).unwrap_or_default()
    }

    /// The bytes of the event.
    pub(super) fn text(&self) -> Option<&Bytes> {
        self.shown.as_ref().map(|shown| &shown.text)
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Arc<Self>>() + size_of::<Self>() + self.shown.as_ref().map_or(0, |shown| shown.text.len())
    }
}

impl Shown {
    fn of(change: &Change, incarnation: u64) -> Option<Self> {
        let spec = resource::find(change.id.kind())?;
        let kind = Kinds::one(spec.name)?;
        let Guarded { acl } = serde_json::from_slice(&change.document).ok()?;
        let document = if spec.secrets().next().is_some() {
            let mut whole: Map<String, Value> = serde_json::from_slice(&change.document).ok()?;
            spec.secrets().for_each(|secret| drop(whole.remove(secret)));
            serde_json::to_vec(&whole).ok()?
        } else {
            on_one_line(&change.document)
        };
        let word = match change.kind {
            ChangeKind::Created => "created",
            ChangeKind::Edited => "updated",
            ChangeKind::Deleted => "deleted",
        };
        let mark = Mark { incarnation, position: change.position };
        let id = serde_json::to_string(change.id.as_str()).ok()?;
        let (name, time, position) = (spec.name, change.time.wall(), change.position);
        let mut text = format!(
            "id: {mark}\nevent: {word}\ndata: {{\"change\":\"{word}\",\"id\":{id},\"type\":\"{name}\",\
             \"time\":\"{time}\",\"position\":{position},\"resource\":"
        )
        .into_bytes();
        let start = text.len();
        text.extend_from_slice(&document);
        let document = start..text.len();
        text.extend_from_slice(b"}\n\n");
        Some(Self { kind, acl, text: text.into(), document })
    }
}

/// Between the tokens of a JSON document a line may end; within them none can.
fn on_one_line(document: &[u8]) -> Vec<u8> {
    document.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use mf2c_domain::id::ResourceId;
    use mf2c_domain::time::HybridTime;
    use serde_json::json;

    /// A change of a document that jane owns.
    pub(in super::super) fn change(position: u64, id: &str, kind: ChangeKind, attributes: &Value) -> Change {
        let mut document = json!({"id": id, "acl": {"owner": {"principal": "jane", "type": "USER"}}});
        document.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        Change {
            position,
            origin: [0; 16],
            incarnation: 0xab,
            sequence: position,
            time: HybridTime::from_bits(1_500_000_000_000 << 16),
            id: ResourceId::parse(id).unwrap(),
            kind,
            document: document.to_string().into_bytes().into(),
            differs: None,
        }
    }

    fn everything() -> Kinds {
        Kinds::visible_to(&Caller::agent())
    }

    fn jane() -> Caller {
        Caller::new("jane", ["USER"])
    }

    #[test]
    fn an_event_is_told_as_the_standard_says_with_its_document_on_one_line() {
        let mut change = change(7, "service/a", ChangeKind::Edited, &json!({"name": "a\nb"}));
        let mut lines = change.document.to_vec();
        lines.splice(1..1, *b"\n\r ");
        change.document = lines.into();
        let event = Event::of(&change, 0xab);
        let text = event.text().unwrap();
        let text = std::str::from_utf8(text).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!((lines[0], lines[1], &lines[3..]), ("id: ab-7", "event: updated", &["", ""][..]));
        let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            (&data["change"], &data["id"], &data["type"]),
            (&json!("updated"), &json!("service/a"), &json!("service"))
        );
        assert_eq!((&data["position"], &data["time"]), (&json!(7), &json!("2017-07-14T02:40:00.000Z")));
        assert_eq!(data["resource"]["name"], "a\nb");
    }

    #[test]
    fn only_who_may_see_the_document_gets_it_also_when_it_is_gone() {
        for kind in [ChangeKind::Created, ChangeKind::Deleted] {
            let event = Event::of(&change(1, "service/a", kind, &json!({})), 1);
            assert!(event.is_for(&jane(), everything()) && event.is_for(&Caller::agent(), everything()));
            assert!(!event.is_for(&Caller::new("joe", ["USER"]), everything()));
            assert!(!event.is_for(&Caller::anonymous(), everything()));
        }
    }

    #[test]
    fn types_choose_and_a_filter_sees_the_document_alone() {
        let event = Event::of(&change(1, "service/a", ChangeKind::Created, &json!({"disk": 3})), 1);
        let only = |types: &str| Kinds::named(types.split(','), &Caller::agent()).unwrap();
        assert!(event.is_for(&jane(), only("device,service")) && !event.is_for(&jane(), only("device")));
        let holds = |text| mf2c_domain::filter::parse(text).unwrap().matches(&event.document());
        assert!(holds("disk=3") && !holds("disk>3") && !holds("change='created'"));
    }

    #[test]
    fn a_secret_is_neither_told_nor_found_by_a_filter() {
        let change = change(1, "credential/a", ChangeKind::Created, &json!({"digest": "hidden", "name": "key"}));
        let event = Event::of(&change, 1);
        let text = String::from_utf8_lossy(event.text().unwrap());
        assert!(!text.contains("hidden") && text.contains("key"));
        assert!(!mf2c_domain::filter::parse("digest='hidden'").unwrap().matches(&event.document()));
    }

    #[test]
    fn what_cannot_be_shown_keeps_its_place() {
        let event = Event::of(&change(9, "unheard-of/a", ChangeKind::Created, &json!({})), 1);
        assert!(event.position == 9 && !event.is_for(&Caller::agent(), everything()) && event.text().is_none());
    }
}
