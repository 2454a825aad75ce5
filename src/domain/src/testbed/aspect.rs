//! Aspects: the named parts of what an experiment is. The first generation of the API has one field for each of four kinds.

use serde::{Deserialize, Serialize};

use super::{Outcome, Refusal, names, topdl};

/// The type of the aspect that says what there is: topdl.
pub const LAYOUT: &str = "layout";
/// What the whole of a layout is called.
pub const FULL_LAYOUT: &str = "full_layout";
/// The most aspects of one experiment.
pub const MAX_ASPECTS: usize = 64;
/// The most bytes in the aspects of one experiment: its document holds them in base64, and must hold no more than 4 MiB.
pub const MAX_BYTES: usize = 2 << 20;
/// Any value, in a question.
const ANY: &str = "*";

/// One aspect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aspect {
    /// What it is called.
    pub name: String,
    /// What kind of thing it says.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which part or form of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_type: Option<String>,
    /// What it says, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Where it is said, if not here. Nobody fetches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_reference: Option<String>,
}

/// An aspect as a client sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// See [`Aspect`].
    pub name: Option<String>,
    /// See [`Aspect`].
    pub kind: Option<String>,
    /// See [`Aspect`].
    pub sub_type: Option<String>,
    /// The bytes themselves.
    pub data: Option<Vec<u8>>,
    /// See [`Aspect`].
    pub data_reference: Option<String>,
}

/// What aspects are asked for by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The name; any where nothing is said.
    pub name: Option<String>,
    /// The type; any where nothing is said.
    pub kind: Option<String>,
    /// The subtype; only aspects without one where nothing is said.
    pub sub_type: Option<String>,
}

impl Question {
    /// Checks that it makes sense.
    ///
    /// # Errors
    /// [`Refusal::Request`] where it asks for a subtype of nothing.
    pub fn check(&self) -> Result<(), Refusal> {
        let makes_sense = self.sub_type.is_none() || self.kind.is_some();
        makes_sense.then_some(()).ok_or_else(|| Refusal::request("Aspect subtype without type"))
    }

    /// Whether an aspect is asked for.
    #[must_use]
    pub fn asks_for(&self, aspect: &Aspect) -> bool {
        let says = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == ANY || wanted == value)
        };
        let sub_type = match (&self.sub_type, &aspect.sub_type) {
            (None, sub_type) => sub_type.is_none(),
            (Some(wanted), Some(sub_type)) => wanted == ANY || wanted == sub_type,
            (Some(wanted), None) => wanted == ANY,
        };
        says(&self.name, &aspect.name) && says(&self.kind, &aspect.kind) && sub_type
    }
}

/// Whether an aspect is asked for by any of these; without questions, all are.
#[must_use]
pub fn is_asked_for(questions: &[Question], aspect: &Aspect) -> bool {
    questions.is_empty() || questions.iter().any(|question| question.asks_for(aspect))
}

/// The aspects with those that follow from them: each layout as a whole.
#[must_use]
pub fn with_derived(aspects: &[Aspect]) -> Vec<Aspect> {
    let mut all = Vec::with_capacity(aspects.len() + 1);
    for aspect in aspects {
        all.push(aspect.clone());
        if aspect.kind == LAYOUT && aspect.sub_type.is_none() {
            let name = format!("{}/{FULL_LAYOUT}", aspect.name);
            all.push(Aspect { name, sub_type: Some(FULL_LAYOUT.to_owned()), ..aspect.clone() });
        }
    }
    all
}

/// The bytes of all aspects, as they are written.
fn size(aspects: &[Aspect]) -> usize {
    aspects.iter().map(|aspect| aspect.data.as_ref().map_or(0, String::len)).sum()
}

/// What aspects take up: their data as it is written, their names, and something for each.
#[must_use]
pub fn weight(aspects: &[Aspect]) -> usize {
    const EACH: usize = 64;
    let words = |aspect: &Aspect| {
        let optional = [aspect.sub_type.as_ref(), aspect.data_reference.as_ref()];
        aspect.name.len() + aspect.kind.len() + optional.into_iter().flatten().map(String::len).sum::<usize>()
    };
    size(aspects) + aspects.iter().map(|aspect| words(aspect) + EACH).sum::<usize>()
}

fn is_text(text: &str) -> bool {
    names::is_long_name(text)
}

/// Adds one aspect. What the server makes of layouts cannot be added.
pub fn add(aspects: &mut Vec<Aspect>, sent: Sent) -> Outcome {
    let shown = sent.name.clone().unwrap_or_default();
    match added(aspects, sent) {
        Ok(name) => Outcome::done(name),
        Err(reason) => Outcome::failed(shown, reason),
    }
}

fn added(aspects: &mut Vec<Aspect>, sent: Sent) -> Result<String, String> {
    let kind = sent.kind.filter(|kind| !kind.is_empty()).ok_or("No aspect type")?;
    let name = match sent.name.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => free_name(aspects, &kind),
    };
    if [Some(&name), Some(&kind), sent.sub_type.as_ref()].into_iter().flatten().any(|text| !is_text(text)) {
        return Err(format!("at most {} characters of one line without markup are accepted", names::MAX_LONG_NAME));
    }
    if kind == LAYOUT && (sent.sub_type.is_some() || name.contains('/')) {
        return Err("what follows from a layout is made by the testbed: add the layout alone".to_owned());
    }
    let is_same = |aspect: &Aspect| aspect.name == name && aspect.kind == kind && aspect.sub_type == sent.sub_type;
    if aspects.iter().any(is_same) {
        return Err(format!("duplicate aspect {name}"));
    }
    if aspects.len() >= MAX_ASPECTS {
        return Err(format!("at most {MAX_ASPECTS} aspects are accepted"));
    }
    let data = checked(&kind, sent.data, size(aspects))?;
    let data_reference = sent.data_reference.filter(|reference| !reference.is_empty());
    if data_reference.as_ref().is_some_and(|reference| !is_text(reference)) {
        return Err("the reference of the data is no address".to_owned());
    }
    aspects.push(Aspect { name: name.clone(), kind, sub_type: sent.sub_type, data, data_reference });
    Ok(name)
}

/// The name of an aspect that has none: `layout000`.
fn free_name(aspects: &[Aspect], kind: &str) -> String {
    let names = (0..=MAX_ASPECTS).map(|number| format!("{kind}{number:03}"));
    let is_free = |name: &String| aspects.iter().all(|aspect| aspect.name != *name);
    // A name that was given would be a duplicate; one that nobody gave is not.
    names.into_iter().find(is_free).unwrap_or_default()
}

/// What is stored of data: a layout must be readable, and there is a bound.
fn checked(kind: &str, data: Option<Vec<u8>>, others: usize) -> Result<Option<String>, String> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let Some(data) = data else { return Ok(None) };
    if kind == LAYOUT {
        let _ = topdl::read(&data).map_err(|error| format!("Bad layout: {error}"))?;
    }
    let text = BASE64_STANDARD.encode(data);
    if others + text.len() > MAX_BYTES {
        return Err(format!("the aspects are too large: at most {} KiB are accepted", MAX_BYTES / 4096 * 3));
    }
    Ok(Some(text))
}

impl Aspect {
    /// The bytes that it says; none where they are elsewhere, or cannot be read.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        BASE64_STANDARD.decode(self.data.as_deref()?).ok()
    }
}

/// The aspect that a client means.
fn position(aspects: &[Aspect], sent: &Sent) -> Result<usize, String> {
    let name = sent.name.as_deref().filter(|name| !name.is_empty()).ok_or("No aspect name")?;
    let kind = sent.kind.as_deref().filter(|kind| !kind.is_empty()).ok_or("No aspect type")?;
    let is_meant = |aspect: &Aspect| aspect.name == name && aspect.kind == kind && aspect.sub_type == sent.sub_type;
    aspects.iter().position(is_meant).ok_or_else(|| format!("No such aspect {name}"))
}

/// Changes what an aspect says. Layouts stay as they are.
pub fn change(aspects: &mut [Aspect], sent: Sent) -> Outcome {
    let shown = sent.name.clone().unwrap_or_default();
    match changed(aspects, sent) {
        Ok(()) => Outcome::done(shown),
        Err(reason) => Outcome::failed(shown, reason),
    }
}

fn changed(aspects: &mut [Aspect], sent: Sent) -> Result<(), String> {
    let at = position(aspects, &sent)?;
    let others = size(aspects);
    let Some(aspect) = aspects.get_mut(at) else { return Ok(()) };
    if aspect.kind == LAYOUT {
        return Err("a layout cannot be changed: remove it and add another".to_owned());
    }
    let others = others - aspect.data.as_ref().map_or(0, String::len);
    aspect.data = checked(&aspect.kind, sent.data, others)?;
    aspect.data_reference = sent.data_reference;
    Ok(())
}

/// Removes an aspect. With a layout goes what follows from it.
pub fn remove(aspects: &mut Vec<Aspect>, sent: &Sent) -> Outcome {
    let shown = sent.name.clone().unwrap_or_default();
    match position(aspects, sent) {
        Ok(at) => {
            drop(aspects.remove(at));
            Outcome::done(shown)
        }
        Err(reason) => Outcome::failed(shown, reason),
    }
}

/// A field of the first generation: the first aspect of the type.
#[must_use]
pub fn first<'a>(aspects: &'a [Aspect], kind: &str) -> Option<&'a Aspect> {
    aspects.iter().find(|aspect| aspect.kind == kind && aspect.sub_type.is_none())
}

/// Sets a field of the first generation. What is empty deletes it.
///
/// # Errors
/// [`Refusal::Request`] where what is sent cannot be taken.
pub fn set_first(aspects: &mut Vec<Aspect>, kind: &str, data: Vec<u8>) -> Result<(), Refusal> {
    let at = aspects.iter().position(|aspect| aspect.kind == kind && aspect.sub_type.is_none());
    let mut others = aspects.clone();
    let before = at.map(|at| others.remove(at));
    if !data.is_empty() {
        let name = before.map(|before| before.name);
        let sent = Sent { name, kind: Some(kind.to_owned()), data: Some(data), ..Sent::default() };
        let _ = added(&mut others, sent).map_err(Refusal::Request)?;
    }
    *aspects = others;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPDL: &str = "<experiment><elements><computer><name>a</name></computer></elements></experiment>";

    fn sent(name: &str, kind: &str, data: &str) -> Sent {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Sent { name: some(name), kind: some(kind), data: some(data).map(String::into_bytes), ..Sent::default() }
    }

    fn named(aspects: &[Aspect]) -> Vec<&str> {
        aspects.iter().map(|aspect| aspect.name.as_str()).collect()
    }

    #[test]
    fn a_layout_without_a_name_gets_one_and_as_a_whole_too() {
        let mut aspects = Vec::new();
        assert_eq!(add(&mut aspects, sent("", LAYOUT, TOPDL)), Outcome::done("layout000"));
        assert_eq!(add(&mut aspects, sent("", LAYOUT, TOPDL)), Outcome::done("layout001"));
        let again = add(&mut aspects, sent("layout000", LAYOUT, TOPDL));
        assert_eq!(again.reason.as_deref(), Some("duplicate aspect layout000"));
        let all = with_derived(&aspects);
        let expected = ["layout000", "layout000/full_layout", "layout001", "layout001/full_layout"];
        assert_eq!(named(&all), expected);
        assert_eq!(all[1].bytes().unwrap(), TOPDL.as_bytes());
        let changed = change(&mut aspects, sent("layout000", LAYOUT, TOPDL));
        assert!(!changed.success());
        assert!(remove(&mut aspects, &sent("layout000", LAYOUT, "")).success());
        assert_eq!(named(&with_derived(&aspects)), expected[2..]);
    }

    #[test]
    fn what_is_no_aspect_is_refused_with_a_reason() {
        let mut aspects = Vec::new();
        let reason = |outcome: Outcome| outcome.reason.unwrap();
        assert_eq!(reason(add(&mut aspects, sent("a", "", ""))), "No aspect type");
        assert!(reason(add(&mut aspects, sent("a", LAYOUT, "<experiment>"))).starts_with("Bad layout: "));
        assert!(reason(add(&mut aspects, sent("<a>", "x", ""))).contains("markup"));
        let sub = Sent { sub_type: Some(FULL_LAYOUT.to_owned()), ..sent("a", LAYOUT, TOPDL) };
        assert!(reason(add(&mut aspects, sub)).contains("layout alone"));
        assert_eq!(reason(change(&mut aspects, sent("", "x", ""))), "No aspect name");
        assert_eq!(reason(remove(&mut aspects, &sent("a", "x", ""))), "No such aspect a");
        assert!(aspects.is_empty());
        assert!(add(&mut aspects, sent("a", "x", &"x".repeat(MAX_BYTES / 2))).success());
        assert!(reason(add(&mut aspects, sent("b", "x", &"x".repeat(MAX_BYTES / 2)))).contains("too large"));
        // In place of the first there is room.
        assert!(change(&mut aspects, sent("a", "x", &"y".repeat(MAX_BYTES / 4 * 3))).success());
        for _ in 1..MAX_ASPECTS {
            assert!(add(&mut aspects, sent("", "y", "")).success());
        }
        assert!(reason(add(&mut aspects, sent("", "y", ""))).contains("at most 64"));
    }

    #[test]
    fn questions_match_names_types_and_subtypes() {
        let mut aspects = Vec::new();
        let _ = (add(&mut aspects, sent("", LAYOUT, TOPDL)), add(&mut aspects, sent("go", "actions", "run")));
        let all = with_derived(&aspects);
        let asked = |name: &str, kind: &str, sub_type: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let question = Question { name: some(name), kind: some(kind), sub_type: some(sub_type) };
            let found = all.iter().filter(|aspect| is_asked_for(std::slice::from_ref(&question), aspect));
            (question.check().is_ok(), found.count())
        };
        assert_eq!(asked("", "", ""), (true, 2));
        assert_eq!(asked("go", "", ""), (true, 1));
        assert_eq!(asked("", LAYOUT, "full_layout"), (true, 1));
        assert_eq!(asked("", "*", "*"), (true, 3));
        assert_eq!(asked("", LAYOUT, ""), (true, 1));
        assert!(!asked("", "", "full_layout").0);
        assert!(all.iter().all(|aspect| is_asked_for(&[], aspect)));
    }

    #[test]
    fn fields_of_the_first_generation_are_the_first_aspects_of_their_types() {
        let mut aspects = Vec::new();
        set_first(&mut aspects, LAYOUT, TOPDL.into()).unwrap();
        set_first(&mut aspects, "actions", b"one".to_vec()).unwrap();
        set_first(&mut aspects, "actions", b"two".to_vec()).unwrap();
        assert_eq!(named(&aspects), ["layout000", "actions000"]);
        assert_eq!(first(&aspects, "actions").unwrap().bytes().unwrap(), b"two");
        set_first(&mut aspects, LAYOUT, Vec::new()).unwrap();
        assert!(first(&aspects, LAYOUT).is_none() && aspects.len() == 1);
        assert!(set_first(&mut aspects, LAYOUT, b"<nothing".to_vec()).is_err());
    }
}
